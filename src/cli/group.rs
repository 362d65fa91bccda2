//! `raftsman group`: node groups, what is in their queues, and who works on them.

use clap::Subcommand;

use super::connect::nodes;
use super::failure::{Failure, Outcome};
use super::json;
use super::output::{Column, Row, Shape, column, say, wide};
use super::{Global, hold};
use crate::wire::pb;

/// See, pause, resume and delete node groups
#[derive(Debug, clap::Args)]
pub(super) struct GroupCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List node groups with their TaskTrackers and what is in their queues
    ///
    /// Examples:
    ///   raftsman group list
    ///   raftsman group list -g trade -o wide
    #[command(visible_alias = "ls", verbatim_doc_comment)]
    List {
        /// Only this one
        #[arg(short = 'g', long, value_name = "GROUP")]
        node_group: Option<String>,
    },
    Pause(hold::Pause),
    Resume(hold::Resume),
    /// Forget a node group; refused while it has live jobs, kept runs or online TaskTrackers
    ///
    /// Example:
    ///   raftsman group delete trade
    #[command(visible_alias = "rm", verbatim_doc_comment)]
    Delete {
        /// Its name
        #[arg(value_name = "GROUP")]
        node_group: String,
    },
}

const COLUMNS: [Column; 20] = [
    column("NODE_GROUP"),
    column("ONLINE"),
    column("SLOTS"),
    column("WAITING"),
    column("READY"),
    column("EXECUTING"),
    column("CRON"),
    column("REPEAT"),
    column("FINISHED"),
    wide("OFFLINE"),
    wide("SUSPENDED"),
    wide("SUBMITTED"),
    wide("SUCCEEDED"),
    wide("FAILED"),
    wide("DEAD"),
    wide("CANCELLED"),
    wide("SKIPPED"),
    wide("RETRIED"),
    wide("RECLAIMED"),
    wide("PAUSED"),
];

impl GroupCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Pause(pause) => pause.run(global).await,
            Verb::Resume(resume) => resume.run(global).await,
            Verb::List { node_group } => {
                let client = global.connect.client().await?;
                let node_group = node_group.unwrap_or_default();
                let request = pb::ListNodeGroupsRequest { node_group, consistency: 0 };
                let call = async |via, request| nodes(via).list_node_groups(request).await;
                let found = client.read(request, call).await.map_err(Failure::from)?.node_groups;
                let rows: Vec<Row> = found.iter().map(row).collect();
                Ok(global.output().print(Shape::Many, &COLUMNS, &rows)?)
            }
            Verb::Delete { node_group } => {
                let client = global.connect.client().await?;
                let request = pb::DeleteNodeGroupRequest { name: node_group.clone() };
                let call = async |via, request| nodes(via).delete_node_group(request).await;
                client.call(request, call).await?;
                say(format_args!("node group {node_group} is deleted"));
                Ok(())
            }
        }
    }
}

fn row(group: &pb::NodeGroup) -> Row {
    let counts = group.counts.unwrap_or_default();
    let numbers = [
        u64::from(group.tasktrackers_online),
        group.slots,
        counts.waiting,
        counts.ready,
        counts.executing,
        counts.cron,
        counts.repeat,
        counts.finished,
        u64::from(group.tasktrackers_offline),
        counts.suspended,
        counts.submitted,
        counts.succeeded,
        counts.failed,
        counts.dead,
        counts.cancelled,
        counts.skipped,
        counts.retried,
        counts.reclaimed,
    ];
    let mut cells = vec![group.name.clone()];
    cells.extend(numbers.iter().map(ToString::to_string));
    let paused = |hold: &pb::Hold| format!("by {}: {}", hold.by, hold.reason);
    cells.push(group.paused.as_ref().map(paused).unwrap_or_default());
    Row { id: group.name.clone(), cells, json: json::node_group(group) }
}
