//! `raftsman node`: all nodes of all types, on or off, and since when.

use clap::{Subcommand, ValueEnum};

use super::Global;
use super::connect::{monitor, nodes};
use super::failure::{Failure, Outcome};
use super::job::{page_size, wants_more};
use super::json;
use super::output::{Column, Format, Row, Shape, column, wide};
use super::span::{When, between};
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
    /// List who came and who went, the newest first
    ///
    /// Examples:
    ///   raftsman node history
    ///   raftsman node history -g trade --identity w3 --went --since 1h
    #[command(verbatim_doc_comment)]
    History(History),
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
struct History {
    /// Only nodes of this type
    #[arg(long = "type", value_enum)]
    node_type: Option<NodeType>,
    /// Only nodes of this node group
    #[arg(short = 'g', long, value_name = "GROUP")]
    node_group: Option<String>,
    /// Only this node
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,
    /// Only who came
    #[arg(long, conflicts_with = "went")]
    came: bool,
    /// Only who went
    #[arg(long)]
    went: bool,
    /// Only from this time on, such as 2031-04-05T06:07:08Z, or 15m for so long ago
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only before this time
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// At most so many; 0 lists all
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
}

const HISTORY_COLUMNS: [Column; 7] = [
    column("TIME"),
    column("TYPE"),
    column("IDENTITY"),
    column("NODE_GROUP"),
    column("EVENT"),
    column("REASON"),
    wide("ID"),
];

impl History {
    async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let mut request = pb::ListNodeEventsRequest {
            r#type: self.node_type.map_or(pb::NodeType::Unspecified, Into::into).into(),
            node_group: self.node_group.unwrap_or_default(),
            identity: self.identity.unwrap_or_default(),
            online: (self.came || self.went).then_some(self.came),
            time: between(self.since, self.until)?,
            page_size: page_size(self.limit, 0),
            ..Default::default()
        };
        let mut rows = Vec::new();
        loop {
            let call = async |via, request| nodes(via).list_node_events(request).await;
            let page = client.read(request.clone(), call).await.map_err(Failure::from)?;
            rows.extend(page.events.iter().map(event_row));
            if !wants_more(self.limit, rows.len(), &page.next_page_token) {
                break;
            }
            request.page_size = page_size(self.limit, rows.len());
            request.page_token = page.next_page_token;
        }
        Ok(global.output().print(Shape::Many, &HISTORY_COLUMNS, &rows)?)
    }
}

fn event_row(event: &pb::NodeEvent) -> Row {
    let reason = json::word(event.offline_reason().as_str_name(), "OFFLINE_REASON_");
    Row {
        id: event.identity.clone(),
        cells: vec![
            json::time(event.time),
            json::node_type(event.r#type()).into(),
            event.identity.clone(),
            event.node_group.clone(),
            if event.online { "online" } else { "offline" }.into(),
            reason.to_lowercase(),
            event.id.clone(),
        ],
        json: json::node_event(event),
    }
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
            Verb::History(history) => history.run(global).await,
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
        (false, true) => "offline, drained",
        (false, false) => "offline",
        (true, true) => "drained",
        (true, false) => "online",
    }
}
