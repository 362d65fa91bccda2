//! Acts on jobs as a client calls them: four calls of one shape.

use raftsman::wire::pb;
use raftsman::wire::pb::job_service_client::JobServiceClient;
use serde_json::Value;
use tonic::Status;
use tonic::transport::Channel;

use crate::client::{Task, timed};
use crate::generator::answer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Suspend,
    Resume,
    Trigger,
    Delete,
}

/// What became of it, in the words of the history.
#[derive(Clone, Debug)]
pub(crate) struct Acted {
    pub(crate) word: Value,
    pub(crate) committed: Option<pb::Committed>,
}

/// The same call under four names.
macro_rules! call {
    ($jobs:ident.$call:ident, $task:ident, $idempotency:ident, $target:ident in $request:ident, $word:path) => {{
        let target = match &$task.job_id {
            Some(id) => pb::$target::Target::JobId(id.clone()),
            None => pb::$target::Target::Task($task.key()),
        };
        let request =
            pb::$request { target: Some(target), idempotency: $idempotency, ..pb::$request::default() };
        let answer = $jobs.$call(timed(request)).await?.into_inner();
        Ok(Acted { word: $word(&answer), committed: answer.committed })
    }};
}

impl Act {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Act::Suspend => "suspend",
            Act::Resume => "resume",
            Act::Trigger => "trigger",
            Act::Delete => "delete",
        }
    }

    pub(crate) async fn call(
        self,
        jobs: &mut JobServiceClient<Channel>,
        task: &Task,
        idempotency: Option<pb::Idempotency>,
    ) -> Result<Acted, Status> {
        match self {
            Act::Suspend => {
                call!(jobs.suspend, task, idempotency, suspend_request in SuspendRequest, answer::suspended)
            }
            Act::Resume => {
                call!(jobs.resume, task, idempotency, resume_request in ResumeRequest, answer::resumed)
            }
            Act::Trigger => {
                call!(jobs.trigger, task, idempotency, trigger_request in TriggerRequest, answer::triggered)
            }
            Act::Delete => {
                call!(jobs.delete, task, idempotency, delete_request in DeleteRequest, answer::deleted)
            }
        }
    }
}
