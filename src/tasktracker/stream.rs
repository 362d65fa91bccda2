//! One session stream: a task that reads what the cluster says, and a bounded queue of what it is told.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::link::{MESSAGE_BYTES_MAX, Target};
use crate::wire::{Fault, Reason, is_connection_lost, pb};
use pb::session_request::Message as ToCluster;
use pb::session_response::Message as FromCluster;
use pb::task_tracker_service_client::TaskTrackerServiceClient;

/// Messages that may wait to be sent. More than this means that the connection stands still, and a new stream sends
/// everything that counts again.
const QUEUE_MAX: usize = 1024;

/// What a stream tells the loop; the number is the stream's.
#[derive(Debug)]
pub(super) enum StreamEvent {
    Heard(u64, FromCluster),
    Lost(u64, Lost),
}

/// Why a stream ended.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) why: String,
    /// The connection is of no use any more either.
    pub(super) connection_lost: bool,
    /// The JobTracker refused it, and would do so again: what is wrong is in the hello, or in the two versions.
    pub(super) refused: Option<Reason>,
}

impl Lost {
    fn by(status: Status) -> Lost {
        let connection_lost = is_connection_lost(&status);
        let fault = Fault::from(status);
        let refused = match fault.reason {
            reason @ (Reason::InvalidArgument | Reason::Unsupported) => Some(reason),
            _ => None,
        };
        Lost { why: fault.to_string(), connection_lost, refused }
    }
}

/// A stream that is open or being opened; dropping it ends it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) number: u64,
    pub(super) target: Target,
    queue: mpsc::Sender<pb::SessionRequest>,
    reader: JoinHandle<()>,
}

impl Stream {
    pub(super) fn open(number: u64, target: Target, events: mpsc::Sender<StreamEvent>) -> Stream {
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let reader = tokio::spawn(read(number, target.clone(), requests, events));
        Stream { number, target, queue, reader }
    }

    /// # Errors
    /// If the queue is full or the stream has ended: either way it is of no use any more.
    pub(super) fn send(&self, message: ToCluster) -> Result<(), String> {
        let sent = self.queue.try_send(pb::SessionRequest { message: Some(message) });
        sent.map_err(|error| format!("the session stands still: {error}"))
    }

    /// Sends what is queued and waits until the cluster has ended the stream.
    pub(super) async fn close(mut self) {
        // The queue ends when its only sender does.
        self.queue = mpsc::channel(1).0;
        let _ = (&mut self.reader).await;
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(
    number: u64,
    target: Target,
    requests: mpsc::Receiver<pb::SessionRequest>,
    events: mpsc::Sender<StreamEvent>,
) {
    let ended = converse(number, target, requests, &events).await;
    let lost = match ended {
        Ok(()) => {
            Lost { why: "the jobtracker ended the session".into(), connection_lost: false, refused: None }
        }
        Err(status) => Lost::by(status),
    };
    // Nobody listens only when the TaskTracker itself is gone.
    let _ = events.send(StreamEvent::Lost(number, lost)).await;
}

async fn converse(
    number: u64,
    target: Target,
    requests: mpsc::Receiver<pb::SessionRequest>,
    events: &mpsc::Sender<StreamEvent>,
) -> Result<(), Status> {
    let mut client =
        TaskTrackerServiceClient::new(target.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let mut responses = target.hear(client.session(ReceiverStream::new(requests))).await??.into_inner();
    while let Some(response) = target.hear(responses.message()).await?? {
        let Some(message) = response.message else { continue };
        if events.send(StreamEvent::Heard(number, message)).await.is_err() {
            break;
        }
    }
    Ok(())
}
