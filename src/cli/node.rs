//! `raftsman node`: all nodes of all types, on or off, and since when.

use clap::{Subcommand, ValueEnum};

use super::Global;
use super::connect::{monitor, nodes};
use super::failure::{Failure, Outcome};
use super::json;
use super::output::{Column, Format, Row, Shape, column, wide};
use crate::wire::pb;

/// The largest page that the cluster gives.
const PAGE: i32 = 1_000;

/// See the nodes: JobTrackers, TaskTrackers, and the JobClients that listen for feedback
#[derive(Debug, clap::Args)]
pub(super) struct NodeCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List nodes, online or offline, and since when
    ///
    /// Examples:
    ///   raftsman node list
    ///   raftsman node list --type tasktracker --node-group trade --online
    #[command(visible_alias = "ls", verbatim_doc_comment)]
    List(List),
    /// Show what the process of a node uses: memory, processor time, threads, files; databases and Raft
    ///
    /// A JobTracker is asked itself, whichever one takes the call. A TaskTracker is shown as its last
    /// sample told, at most a minute old.
    ///
    /// Examples:
    ///   raftsman node info n2
    ///   raftsman node info w1 -g trade -o json
    #[command(verbatim_doc_comment)]
    Info {
        /// Name of a JobTracker or identity of a TaskTracker; else the JobTracker that answers
        name: Option<String>,
        /// Which of the TaskTrackers of this name
        #[arg(short = 'g', long, value_name = "GROUP")]
        node_group: Option<String>,
    },
}

#[derive(Debug, Default, clap::Args)]
pub(super) struct List {
    /// Only nodes of this type
    #[arg(long = "type", value_enum)]
    node_type: Option<NodeType>,
    /// Only nodes of this node group
    #[arg(short = 'g', long, value_name = "GROUP")]
    node_group: Option<String>,
    /// Only nodes that are online
    #[arg(long)]
    online: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum NodeType {
    /// Decides
    Jobtracker,
    /// Executes
    Tasktracker,
    /// Submits; those that listen for feedback are shown
    Jobclient,
}

impl From<NodeType> for pb::NodeType {
    fn from(node_type: NodeType) -> pb::NodeType {
        match node_type {
            NodeType::Jobtracker => pb::NodeType::Jobtracker,
            NodeType::Tasktracker => pb::NodeType::Tasktracker,
            NodeType::Jobclient => pb::NodeType::Jobclient,
        }
    }
}

const COLUMNS: [Column; 10] = [
    column("TYPE"),
    column("IDENTITY"),
    column("NODE_GROUP"),
    column("STATE"),
    column("SINCE"),
    column("EXECUTING"),
    column("ROLE"),
    wide("ID"),
    wide("KINDS"),
    wide("VERSION"),
];

impl NodeCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::List(list) => list.run(global).await,
            Verb::Info { name, node_group } => {
                info(name.unwrap_or_default(), node_group.unwrap_or_default(), global).await
            }
        }
    }
}

impl List {
    /// The same for `tasktracker list`.
    pub(super) fn of_tasktrackers(self) -> List {
        List { node_type: Some(NodeType::Tasktracker), ..self }
    }

    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let mut request = pb::ListNodesRequest {
            r#type: self.node_type.map_or(pb::NodeType::Unspecified, Into::into).into(),
            node_group: self.node_group.unwrap_or_default(),
            online_only: self.online,
            page_size: PAGE,
            ..Default::default()
        };
        let mut rows = Vec::new();
        loop {
            let call = async |via, request| nodes(via).list_nodes(request).await;
            let page = client.read(request.clone(), call).await.map_err(Failure::from)?;
            rows.extend(page.nodes.iter().map(row));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        Ok(global.output().print(Shape::Many, &COLUMNS, &rows)?)
    }
}

const INFO_COLUMNS: [Column; 2] = [column("WHAT"), column("VALUE")];

async fn info(identity: String, node_group: String, global: &Global) -> Outcome {
    let client = global.connect.client().await?;
    let request = pb::GetProcessRequest { identity, node_group };
    let call = async |via, request| monitor(via).get_process(request).await;
    let told = client.read(request, call).await.map_err(Failure::from)?;
    let process = told.process.unwrap_or_default();
    let json = json::process(&process);
    let output = global.output();
    if !matches!(output.format, Format::Table | Format::Wide) {
        let row = Row { id: process.identity.clone(), cells: Vec::new(), json };
        return Ok(output.print(Shape::One, &INFO_COLUMNS, &[row])?);
    }
    // What is not there is left out, in the table too.
    let line = |(what, value): (&String, &serde_json::Value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        Row { id: what.clone(), cells: vec![what.clone(), text], json: value.clone() }
    };
    let rows: Vec<Row> = json.as_object().into_iter().flatten().map(line).collect();
    Ok(output.print(Shape::Many, &INFO_COLUMNS, &rows)?)
}

fn row(node: &pb::Node) -> Row {
    let is_tasktracker = node.r#type() == pb::NodeType::Tasktracker;
    let executing =
        if is_tasktracker { format!("{}/{}", node.executing, node.capacity) } else { String::new() };
    let kinds = if is_tasktracker && node.kinds.is_empty() { "all".into() } else { node.kinds.join(",") };
    Row {
        id: node.identity.clone(),
        cells: vec![
            json::node_type(node.r#type()).into(),
            node.identity.clone(),
            node.node_group.clone(),
            state(node).into(),
            json::time(node.since_time),
            executing,
            node.role.clone(),
            node.id.clone(),
            kinds,
            node.version.clone(),
        ],
        json: json::node(node),
    }
}

fn state(node: &pb::Node) -> &'static str {
    match (node.online, node.draining) {
        (false, _) => "offline",
        (true, true) => "draining",
        (true, false) => "online",
    }
}
