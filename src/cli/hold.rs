//! What operators hold back: `group pause|resume`, `tasktracker drain|undrain|slots`.

use std::time::Duration;

use serde_json::{Value, json};

use super::Global;
use super::connect::nodes;
use super::failure::{Failure, Outcome};
use super::json;
use super::output::{Row, Shape, column, say};
use crate::client::JobClient;
use crate::wire::pb;

/// How often `--wait` looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Stop dispatching the jobs of a node group until it is resumed
///
/// What is ready gathers, what is due ripens (a pause is no misfire, but start deadlines count),
/// what executes goes on. It holds through failovers and restarts. A group that nobody has heard of
/// yet may be paused too.
///
/// Example:
///   raftsman group pause trade --reason 'exchange is down'
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Pause {
    /// The node group
    #[arg(value_name = "GROUP")]
    group: String,
    /// Why; shown wherever a job says why it waits
    #[arg(long, default_value = "")]
    reason: String,
}

/// Dispatch the jobs of a paused node group again
///
/// Example:
///   raftsman group resume trade
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Resume {
    /// The node group
    #[arg(value_name = "GROUP")]
    group: String,
}

/// Give a TaskTracker nothing new until it is undrained
///
/// What it executes goes on. It holds through its reconnects and restarts, and may be set while it
/// is offline.
///
/// Examples:
///   raftsman tasktracker drain w1 --reason 'new disk' --wait
///   raftsman tasktracker drain w1 -g trade --and-leave --wait
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Drain {
    #[command(flatten)]
    who: Who,
    /// Why; shown beside the TaskTracker
    #[arg(long, default_value = "")]
    reason: String,
    /// Its process shall also end when nothing executes; what starts it again finds it drained
    #[arg(long)]
    and_leave: bool,
    /// Wait until nothing executes on it, or with --and-leave until it is offline
    #[arg(long)]
    wait: bool,
}

/// Give a drained TaskTracker work again
///
/// Example:
///   raftsman tasktracker undrain w1
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Undrain {
    #[command(flatten)]
    who: Who,
}

/// Set how many executions a TaskTracker runs at a time
///
/// A smaller number interrupts nothing: it takes effect as executions end. It holds through the
/// TaskTracker's reconnects and restarts until it is reset.
///
/// Examples:
///   raftsman tasktracker slots w1 16
///   raftsman tasktracker slots w1 --reset
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Slots {
    #[command(flatten)]
    who: Who,
    /// How many, 1 to 4096
    #[arg(value_name = "COUNT", required_unless_present = "reset", conflicts_with = "reset")]
    slots: Option<u32>,
    /// Leave it to the TaskTracker again
    #[arg(long)]
    reset: bool,
}

/// Which TaskTracker.
#[derive(Clone, Debug, clap::Args)]
struct Who {
    /// The TaskTracker's identity; see `raftsman tasktracker list`
    #[arg(value_name = "IDENTITY")]
    identity: String,
    /// Its node group, if more than one has a TaskTracker of this identity
    #[arg(
        short = 'g',
        long = "node-group",
        visible_alias = "group",
        value_name = "GROUP",
        default_value = ""
    )]
    node_group: String,
}

/// Who asks, as far as this machine knows.
fn by() -> String {
    let user = std::env::var("USER").unwrap_or_default();
    let host = hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let by = match (user.is_empty(), host.is_empty()) {
        (false, false) => format!("{user}@{host}"),
        _ => user + &host,
    };
    by.chars().filter(|c| !c.is_control()).take(100).collect()
}

fn print(global: &Global, name: &str, outcome: &str, hold: Option<&pb::Hold>, more: Value) -> Outcome {
    let hold = hold.cloned().unwrap_or_default();
    let since = json::time(hold.since_time);
    let mut json = json!({
        "name": name, "outcome": outcome, "since": since, "by": hold.by, "reason": hold.reason,
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut json, more) {
        all.extend(more);
    }
    let cells = vec![name.into(), outcome.into(), since, hold.by, hold.reason];
    let columns = [column("NAME"), column("OUTCOME"), column("SINCE"), column("BY"), column("REASON")];
    Ok(global.output().print(Shape::One, &columns, &[Row { id: name.into(), cells, json }])?)
}

impl Pause {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let request = pb::PauseGroupRequest { node_group: self.group.clone(), by: by(), reason: self.reason };
        let answer = client.call(request, async |via, request| nodes(via).pause_group(request).await).await?;
        let outcome = if answer.changed { "PAUSED" } else { "ALREADY_PAUSED" };
        print(global, &self.group, outcome, answer.hold.as_ref(), json!({}))
    }
}

impl Resume {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let request = pb::ResumeGroupRequest { node_group: self.group.clone() };
        let answer =
            client.call(request, async |via, request| nodes(via).resume_group(request).await).await?;
        let outcome = if answer.changed { "RESUMED" } else { "NOT_PAUSED" };
        print(global, &self.group, outcome, None, json!({}))
    }
}

impl Drain {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let Who { identity, node_group } = self.who;
        let request = pb::DrainTaskTrackerRequest {
            identity: identity.clone(),
            node_group,
            by: by(),
            reason: self.reason,
            leave: self.and_leave,
        };
        let call = async |via, request| nodes(via).drain_task_tracker(request).await;
        let answer = client.call(request, call).await?;
        let outcome = if answer.changed { "DRAINED" } else { "ALREADY_DRAINED" };
        if self.wait {
            until_idle(&client, &identity, &answer.node_group, self.and_leave).await?;
        }
        let more = json!({ "node_group": answer.node_group });
        print(global, &identity, outcome, answer.hold.as_ref(), more)
    }
}

/// Looks until nothing executes on the TaskTracker, or it is offline.
async fn until_idle(client: &JobClient, identity: &str, node_group: &str, leaves: bool) -> Outcome {
    let mut told = None;
    loop {
        let request = pb::ListNodesRequest {
            r#type: pb::NodeType::Tasktracker.into(),
            node_group: node_group.to_owned(),
            identity: identity.to_owned(),
            ..Default::default()
        };
        let call = async |via, request| nodes(via).list_nodes(request).await;
        let page = client.read(request, call).await.map_err(Failure::from)?;
        let Some(node) = page.nodes.into_iter().next().filter(|node| node.online) else { return Ok(()) };
        if node.executing == 0 && !leaves {
            return Ok(());
        }
        if told.replace(node.executing) != Some(node.executing) {
            say(format!("{} executions run on {identity}, waiting", node.executing));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Undrain {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let Who { identity, node_group } = self.who;
        let request = pb::UndrainTaskTrackerRequest { identity: identity.clone(), node_group };
        let call = async |via, request| nodes(via).undrain_task_tracker(request).await;
        let answer = client.call(request, call).await?;
        let outcome = if answer.changed { "UNDRAINED" } else { "NOT_DRAINED" };
        print(global, &identity, outcome, None, json!({ "node_group": answer.node_group }))
    }
}

impl Slots {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        let Who { identity, node_group } = self.who;
        let request = pb::SetSlotsRequest { identity: identity.clone(), node_group, slots: self.slots };
        let call = async |via, request| nodes(via).set_slots(request).await;
        let answer = client.call(request, call).await?;
        let outcome = if answer.changed { "SET" } else { "AS_BEFORE" };
        let more = json!({ "node_group": answer.node_group, "slots": answer.slots });
        say(format!("{identity} runs {} at a time", answer.slots));
        print(global, &identity, outcome, None, more)
    }
}
