//! `raftsman cluster`: who is in it, how each stands, and changes of that.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Subcommand;
use serde_json::json;

use super::Global;
use super::connect::cluster;
use super::failure::{Failure, Outcome};
use super::json;
use super::limits::LimitsCommand;
use super::output::{Column, Format, Row, Shape, column, say, wide};
use crate::client::ClientError;
use crate::wire::pb;
use crate::wire::pb::cluster_service_client::ClusterServiceClient;

/// See and change the cluster of JobTrackers
#[derive(Debug, clap::Args)]
pub(super) struct ClusterCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a cluster of the JobTrackers that were started with the same --join
    ///
    /// Run it once, at any of them. Running it again changes nothing.
    ///
    /// Example:
    ///   raftsman cluster init --addr n1:5870
    #[command(verbatim_doc_comment)]
    Init {
        /// Peer addresses of the first voters, with commas between; else those of the node's --join
        #[arg(long, value_delimiter = ',', value_name = "PEERS")]
        join: Vec<String>,
    },
    /// Show every JobTracker: role, term, log positions, lag
    ///
    /// Answered by any JobTracker, also without a leader.
    Status,
    /// Add a running JobTracker as a learner: it receives the log and does not vote
    ///
    /// Example:
    ///   raftsman cluster add n4:5871 && raftsman cluster promote n4
    #[command(verbatim_doc_comment)]
    Add {
        /// Its peer address
        #[arg(value_name = "PEER_ADDRESS")]
        peer_address: String,
    },
    /// Make a learner that has caught up a voter
    Promote {
        /// Its id or name
        node: String,
    },
    /// Remove a JobTracker; refused where it would leave no live majority
    #[command(visible_alias = "rm")]
    Remove {
        /// Its id or name
        node: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Show the digest of one JobTracker's tables: equal on all of them at an equal index
    ///
    /// The JobTracker that is asked answers for itself.
    Digest {
        /// Wait until this entry is applied
        #[arg(long, default_value_t, value_name = "INDEX")]
        at_least: u64,
    },
    /// Show the replicated limits: how long what is kept; --set changes some, for the whole cluster
    ///
    /// Example:
    ///   raftsman cluster limits --set finished_kept=3d --set biz_log_bytes_max=256KiB
    #[command(verbatim_doc_comment)]
    Limits(LimitsCommand),
    /// Hand the leadership over
    TransferLeader {
        /// Id or name of the next leader; else whoever is best
        #[arg(long, value_name = "NODE")]
        to: Option<String>,
    },
}

const COLUMNS: [Column; 14] = [
    column("NAME"),
    column("ROLE"),
    column("STATE"),
    column("CLIENT_ADDRESS"),
    column("TERM"),
    column("COMMIT"),
    column("APPLIED"),
    column("LAG"),
    column("UPTIME"),
    column("NOTE"),
    wide("ID"),
    wide("PEER_ADDRESS"),
    wide("SNAPSHOT"),
    wide("VERSION"),
];

impl ClusterCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Init { join } => init(global, join).await,
            Verb::Status => status(global).await,
            Verb::Add { peer_address } => add(global, peer_address).await,
            Verb::Promote { node } => promote(global, node).await,
            Verb::Remove { node, yes } => remove(global, node, yes).await,
            Verb::Digest { at_least } => digest(global, at_least).await,
            Verb::Limits(limits) => limits.run(global).await,
            Verb::TransferLeader { to } => transfer_leader(global, to).await,
        }
    }
}

async fn init(global: &Global, addresses: Vec<String>) -> Outcome {
    let client = global.connect.client().await?;
    let call = async |via, request| cluster(via).init(request).await;
    let answer = client.call(pb::InitRequest { addresses }, call).await?;
    let (done, id) = (if answer.already { "existed" } else { "made" }, answer.cluster_id);
    let row = Row {
        id: id.clone(),
        cells: vec![id.clone(), done.into()],
        json: json!({ "cluster_id": id, "already": answer.already }),
    };
    Ok(global.output().print(Shape::One, &[column("CLUSTER"), column("DONE")], &[row])?)
}

async fn status(global: &Global) -> Outcome {
    let client = global.connect.client().await?;
    let call = async |via, request| cluster(via).status(request).await;
    let mut status = client.read(pb::StatusRequest {}, call).await?;
    status.nodes.sort_by_key(|node| (node.role() != pb::NodeRole::Leader, node.name.clone()));
    if matches!(global.output, Format::Table | Format::Wide) {
        say(match (status.cluster_id.as_str(), status.leader_id.as_str()) {
            ("", _) => "not part of a cluster yet: run `raftsman cluster init` once".to_owned(),
            (id, "") => format!("cluster {id}, term {}: NO LEADER is known", status.term),
            (id, _) => format!("cluster {id}, term {}, time {}", status.term, json::time(status.time)),
        });
    }
    let rows: Vec<Row> = status.nodes.iter().map(row).collect();
    Ok(global.output().print(Shape::Many, &COLUMNS, &rows)?)
}

fn row(node: &pb::ClusterNode) -> Row {
    let word = |text: &str, prefix| json::word(text, prefix).to_lowercase();
    Row {
        id: node.node_id.clone(),
        cells: vec![
            node.name.clone(),
            word(node.role().as_str_name(), "NODE_ROLE_"),
            word(node.health().as_str_name(), "NODE_HEALTH_"),
            node.client_address.clone(),
            node.term.to_string(),
            node.commit_index.to_string(),
            node.applied_index.to_string(),
            node.lag.to_string(),
            node.uptime.map(|uptime| format!("{}s", uptime.seconds)).unwrap_or_default(),
            node.note.clone(),
            node.node_id.clone(),
            node.peer_address.clone(),
            node.snapshot_index.to_string(),
            node.version.clone(),
        ],
        json: json::cluster_node(node),
    }
}

async fn digest(global: &Global, at_least_index: u64) -> Outcome {
    let mut client = ClusterServiceClient::new(global.connect.straight().await?);
    let answer = client.digest(pb::DigestRequest { at_least_index }).await;
    let answer = answer.map_err(|status| ClientError::Refused(status.into()))?.into_inner();
    let (index, now) = (answer.index.to_string(), json::time(answer.now));
    let row = Row {
        id: answer.digest.clone(),
        json: json!({ "index": answer.index, "digest": answer.digest, "now": now }),
        cells: vec![index, answer.digest, now],
    };
    let columns = [column("INDEX"), column("DIGEST"), column("NOW")];
    Ok(global.output().print(Shape::One, &columns, &[row])?)
}

async fn add(global: &Global, peer_address: String) -> Outcome {
    let client = global.connect.client().await?;
    let call = async |via, request| cluster(via).add_node(request).await;
    let answer = client.call(pb::AddNodeRequest { peer_address }, call).await?;
    let node = answer.node.unwrap_or_default();
    say(format!(
        "{} is a learner now; `raftsman cluster promote {}` once its lag is small",
        node.name, node.name
    ));
    print_address(global, &node)
}

async fn promote(global: &Global, node: String) -> Outcome {
    let client = global.connect.client().await?;
    let call = async |via, request| cluster(via).promote_node(request).await;
    print_voters(global, client.call(pb::PromoteNodeRequest { node }, call).await?.voters)
}

async fn remove(global: &Global, node: String, yes: bool) -> Outcome {
    let client = global.connect.client().await?;
    confirm(&format!("remove {node} from the cluster"), yes)?;
    let call = async |via, request| cluster(via).remove_node(request).await;
    print_voters(global, client.call(pb::RemoveNodeRequest { node }, call).await?.voters)
}

async fn transfer_leader(global: &Global, to: Option<String>) -> Outcome {
    let client = global.connect.client().await?;
    let ask = async |via, request| cluster(via).status(request).await;
    // The call is repeated when its leader is gone, which is just what it asks for: the term makes it happen once.
    let term = client.read(pb::StatusRequest {}, ask).await?.term;
    let call = async |via, request| cluster(via).transfer_leader(request).await;
    let request = pb::TransferLeaderRequest { node: to.unwrap_or_default(), term };
    let answer = client.call(request, call).await?;
    print_address(global, &answer.leader.unwrap_or_default())
}

/// Nothing is destroyed by accident: without a terminal to ask at, `--yes` must be there.
fn confirm(what: &str, yes: bool) -> Outcome {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage("--yes", format!("is missing: this would {what}")));
    }
    say(format!("This will {what}. Type yes to go on:"));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if answer.trim() == "yes" {
        Ok(())
    } else {
        Err(Failure::usage("--yes", "was not given: nothing was done"))
    }
}

fn print_address(global: &Global, node: &pb::JobTrackerAddress) -> Outcome {
    let columns = [column("NAME"), column("CLIENT_ADDRESS"), wide("ID")];
    let row = Row {
        id: node.node_id.clone(),
        cells: vec![node.name.clone(), node.client_address.clone(), node.node_id.clone()],
        json: json!({ "node_id": node.node_id, "name": node.name, "client_address": node.client_address }),
    };
    Ok(global.output().print(Shape::One, &columns, &[row])?)
}

fn print_voters(global: &Global, voters: Vec<String>) -> Outcome {
    let row = |id: &String| Row { id: id.clone(), cells: vec![id.clone()], json: json!(id) };
    let rows: Vec<Row> = voters.iter().map(row).collect();
    Ok(global.output().print(Shape::Many, &[column("VOTER")], &rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_without_a_yes_and_without_a_terminal_is_refused() {
        assert!(confirm("remove n1", true).is_ok());
        if !io::stdin().is_terminal() {
            let refused = confirm("remove n1", false).expect_err("nobody can be asked");
            assert_eq!(refused.exit_code(), 2);
            assert!(refused.message().contains("this would remove n1"), "{}", refused.message());
        }
    }
}
