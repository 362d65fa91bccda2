//! What became of the commands, as the export and the histories write it.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::words::{At, Id, RunRef};

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Done {},
    ClientOpened(Id),
    /// Of what came into the log: an element that was refused at the door is left out, as it is of the command's jobs.
    #[serde(deserialize_with = "without_refused")]
    Submitted(Vec<SubmitAnswer>),
    Cancelled(CancelAnswer),
    Terminating(Id),
    Retried(RunRef),
    Acted(ActAnswer),
    Online(Id),
    Dispatched {
        session: Id,
        pushes: Vec<Push>,
    },
    Completed(Vec<CompleteAnswer>),
    FeedbackMoved(u64),
    Refused(Refusal),
}

fn without_refused<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SubmitAnswer>, D::Error> {
    let all = Vec::<Value>::deserialize(from)?.into_iter().filter(|answer| answer != "refused");
    all.map(|answer| SubmitAnswer::deserialize(answer).map_err(D::Error::custom)).collect()
}

impl Reply {
    pub(crate) fn deserialize_from(value: &Value) -> Result<Reply, serde_json::Error> {
        Reply::deserialize(value)
    }

    pub(crate) fn refused(reason: &str) -> Reply {
        Reply::Refused(Refusal { reason: reason.into() })
    }

    /// The ids that this reply names and that may have been made by it.
    pub(crate) fn ids(&self) -> Vec<Id> {
        match self {
            Reply::ClientOpened(id) | Reply::Online(id) => vec![*id],
            Reply::Submitted(answers) => answers
                .iter()
                .filter_map(|answer| match answer {
                    SubmitAnswer::Accepted(id) => Some(*id),
                    _ => None,
                })
                .collect(),
            Reply::Dispatched { pushes, .. } => pushes.iter().map(|push| push.execution).collect(),
            _ => Vec::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubmitAnswer {
    Accepted(Id),
    Exists(Id),
    Replaced {
        job: Id,
        revision: u64,
    },
    Conflict(Id),
    /// Only to a client, at the door; it is not in the log.
    Refused(Refusal),
}

impl SubmitAnswer {
    /// The job that now does what was submitted; none of a conflict.
    pub(crate) fn job(&self) -> Option<Id> {
        match self {
            SubmitAnswer::Accepted(id) | SubmitAnswer::Exists(id) => Some(*id),
            SubmitAnswer::Replaced { job, .. } => Some(*job),
            SubmitAnswer::Conflict(_) | SubmitAnswer::Refused(_) => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CancelAnswer {
    Cancelled(Id),
    CancelRequested(Id),
    AlreadyFinished { job: Id, fate: Fate },
    NotFound,
}

impl CancelAnswer {
    pub(crate) fn job(&self) -> Option<Id> {
        match self {
            CancelAnswer::Cancelled(id) | CancelAnswer::CancelRequested(id) => Some(*id),
            CancelAnswer::AlreadyFinished { job, .. } => Some(*job),
            CancelAnswer::NotFound => None,
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            CancelAnswer::Cancelled(_) => "cancelled",
            CancelAnswer::CancelRequested(_) => "cancel_requested",
            CancelAnswer::AlreadyFinished { .. } => "already_finished",
            CancelAnswer::NotFound => "not_found",
        }
    }
}

/// What became of a suspend, resume, trigger or delete.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ActAnswer {
    Suspended(Id),
    AlreadySuspended(Id),
    Resumed(Id),
    NotSuspended(Id),
    Ended(Id),
    Triggered(RunRef),
    AlreadyReady(RunRef),
    AlreadyRunning(RunRef),
    Deleted(Id),
    StillExecuting(RunRef),
    CancelRequested(Id),
    AlreadyFinished { job: Id, fate: Fate },
    NotFound,
}

impl ActAnswer {
    pub(crate) fn job(&self) -> Option<Id> {
        match self {
            ActAnswer::Suspended(id)
            | ActAnswer::AlreadySuspended(id)
            | ActAnswer::Resumed(id)
            | ActAnswer::NotSuspended(id)
            | ActAnswer::Ended(id)
            | ActAnswer::Deleted(id)
            | ActAnswer::CancelRequested(id)
            | ActAnswer::AlreadyFinished { job: id, .. } => Some(*id),
            ActAnswer::Triggered(run)
            | ActAnswer::AlreadyReady(run)
            | ActAnswer::AlreadyRunning(run)
            | ActAnswer::StillExecuting(run) => Some(run.job),
            ActAnswer::NotFound => None,
        }
    }

    pub(crate) fn word(&self) -> &'static str {
        match self {
            ActAnswer::Suspended(_) => "suspended",
            ActAnswer::AlreadySuspended(_) => "already_suspended",
            ActAnswer::Resumed(_) => "resumed",
            ActAnswer::NotSuspended(_) => "not_suspended",
            ActAnswer::Ended(_) => "ended",
            ActAnswer::Triggered(_) => "triggered",
            ActAnswer::AlreadyReady(_) => "already_ready",
            ActAnswer::AlreadyRunning(_) => "already_running",
            ActAnswer::Deleted(_) => "deleted",
            ActAnswer::StillExecuting(_) => "executing",
            ActAnswer::CancelRequested(_) => "cancel_requested",
            ActAnswer::AlreadyFinished { .. } => "already_finished",
            ActAnswer::NotFound => "not_found",
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Succeeded,
    Failed,
    Dead,
    Cancelled,
    Skipped,
}

impl Fate {
    /// Also as states of jobs and runs are written, `RUN_STATE_SUCCEEDED`; none for a live one.
    pub(crate) fn from_word(word: &str) -> Option<Fate> {
        let word = word.to_ascii_lowercase();
        Some(match word.rsplit("state_").next().unwrap_or(&word) {
            "succeeded" => Fate::Succeeded,
            "failed" => Fate::Failed,
            "dead" => Fate::Dead,
            "cancelled" => Fate::Cancelled,
            "skipped" => Fate::Skipped,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Fate {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Fate, D::Error> {
        let value = Value::deserialize(from)?;
        let word = match &value {
            Value::String(word) => Some(word.as_str()),
            Value::Object(object) if object.len() == 1 => object.keys().next().map(String::as_str),
            _ => None,
        };
        word.and_then(Fate::from_word).ok_or_else(|| D::Error::custom(format!("{value} is no fate")))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CompleteAnswer {
    Accepted,
    Stale,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Push {
    pub(crate) execution: Id,
    pub(crate) run: RunRef,
    pub(crate) task_id: String,
    pub(crate) due: At,
    pub(crate) attempt: u64,
    pub(crate) retries: u64,
    pub(crate) reclaims: u64,
}

/// Why nothing was changed; what it is about stands beside the reason and is not compared.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_at_the_door_is_no_answer_of_the_log() {
        let reply =
            serde_json::json!({ "submitted": [{ "accepted": "5.0" }, "refused", { "accepted": "5.1" }] });
        let Reply::Submitted(answers) = Reply::deserialize_from(&reply).unwrap() else { panic!("{reply}") };
        let ids: Vec<Id> = answers.iter().filter_map(SubmitAnswer::job).collect();
        assert_eq!(ids, ["5.0".parse().unwrap(), "5.1".parse().unwrap()]);
    }
}
