//! `ClusterService.ExportLog` and `.Digest`: what this node has applied. Its own answers, never passed on: that they
//! are the same on all nodes is what one wants to see.

use tokio::sync::mpsc;
use tonic::Status;

use super::edge::DEADLINE;
use super::export::{digest, record};
use crate::jobtracker::{JobTracker, LogTail};
use crate::wire::{Fault, Reason, pb, timestamp};

/// Records that wait for their reader.
const RECORDS_MAX: usize = 16;

pub(super) type Records = mpsc::Receiver<Result<pb::ExportLogResponse, Status>>;

/// The records that were asked for, until the reader goes or the node stops.
pub(super) fn export(tracker: &JobTracker, request: &pb::ExportLogRequest) -> Result<Records, Status> {
    let tail = tracker.tail_log(request.from_index, request.follow).map_err(failed)?;
    let (sender, records) = mpsc::channel(RECORDS_MAX);
    tokio::spawn(send(tracker.clone(), tail, sender));
    Ok(records)
}

async fn send(
    tracker: JobTracker,
    mut tail: LogTail,
    sender: mpsc::Sender<Result<pb::ExportLogResponse, Status>>,
) {
    loop {
        let next = tokio::select! {
            next = tail.next() => next,
            () = tracker.stopping().cancelled() => return,
            () = sender.closed() => return,
        };
        let sent = match next {
            Ok(Some(entry)) => sender.send(Ok(record(&entry))).await,
            Ok(None) => return,
            Err(error) => {
                // A reader that has gone wants no reason.
                let _ = sender.send(Err(failed(error))).await;
                return;
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

/// The digest of this node's tables once they are far enough.
pub(super) async fn digest_at(
    tracker: &JobTracker,
    request: &pb::DigestRequest,
) -> Result<pb::DigestResponse, Status> {
    let waited = tracker.raft().wait_applied(request.at_least_index, DEADLINE).await;
    waited.map_err(|error| Status::from(Fault::not_applied(Reason::NodeBehind, error.to_string())))?;
    Ok(tracker.look(|machine| pb::DigestResponse {
        index: machine.applied_index(),
        digest: digest(machine.digest()),
        now: Some(timestamp(machine.now())),
    }))
}

fn failed(error: impl std::fmt::Display) -> Status {
    Fault::not_applied(Reason::Internal, error.to_string()).into()
}
