//! A command's way to the leader: here, or by one hop at another node, until the caller's deadline.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::oneshot;

use super::JobTracker;
use super::leader_news::{LEADER_POLL, LeaderNews};
use crate::jobtracker::leader::lanes::weight;
use crate::jobtracker::leader::{Lane, LeaderHandle, Outcome, ToLeader};
use crate::machine::{Command, Reply};
use crate::raft::{Digest, ForwardError, ForwardTarget, Forwarded, Leadership, NotApplied};

/// What a caller is told to wait when a lane is full.
const BUSY_RETRY: Duration = Duration::from_millis(50);

/// What became of a command that has no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Surely not applied.
    #[error("too much is waiting")]
    Busy { retry_after: Duration },
    /// Surely not applied.
    #[error("the leader's disk is almost full")]
    DiskLow,
    /// Surely not applied.
    #[error("no leader was found in time")]
    NoLeader,
    /// Surely not applied.
    #[error("this JobTracker is not part of a cluster yet")]
    NotInitialized,
    #[error("{0}")]
    Unknown(String),
}

/// A command that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub index: u64,
    pub term: u64,
    pub reply: Reply,
    /// It is the first answer to a request that came again.
    pub replayed: bool,
}

impl Committed {
    fn of(index: u64, term: u64, reply: Reply) -> Committed {
        let (reply, replayed) = match reply {
            Reply::Again(first) => (*first, true),
            now => (now, false),
        };
        Committed { index, term, reply, replayed }
    }

    /// As the machine said it.
    pub(crate) fn into_reply(self) -> Reply {
        if self.replayed { Reply::Again(Box::new(self.reply)) } else { self.reply }
    }
}

impl JobTracker {
    /// Proposes a command here or, by one hop, at the leader. What was surely not applied is tried again until the
    /// deadline, so that a change of leadership is a delay.
    ///
    /// # Errors
    /// What surely was not applied and what nobody can tell, apart.
    pub async fn command(
        &self,
        lane: Lane,
        command: Command,
        within: Duration,
    ) -> Result<Committed, CommandError> {
        if self.shared.raft.identity().cluster().is_none() {
            return Err(CommandError::NotInitialized);
        }
        let deadline = tokio::time::Instant::now() + within;
        let mut news = self.leader_news();
        loop {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            let tried = match self.leader() {
                Some(leader) => self.propose(&leader, lane, command.clone(), left).await,
                None => self.forward(&command, left).await,
            };
            match tried {
                Err(CommandError::NoLeader) if !left.is_zero() => news.wait(LEADER_POLL.min(left)).await,
                outcome => return outcome,
            }
        }
    }

    pub(super) fn leader_news(&self) -> LeaderNews<Leadership, Option<LeaderHandle>> {
        LeaderNews::from_now(self.leadership(), self.watch_leader())
    }

    async fn propose(
        &self,
        leader: &LeaderHandle,
        lane: Lane,
        command: Command,
        within: Duration,
    ) -> Result<Committed, CommandError> {
        if self.is_disk_low() && matches!(command, Command::Submit(_) | Command::BizLog(_)) {
            return Err(CommandError::DiskLow);
        }
        let busy = CommandError::Busy { retry_after: BUSY_RETRY };
        let pass = leader.door.enter(lane, weight(&command)).map_err(|_| busy)?;
        let (reply, answer) = oneshot::channel();
        let message = ToLeader::Propose { lane, command, pass, reply };
        if leader.messages.send(message).is_err() {
            return Err(CommandError::NoLeader);
        }
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(Outcome::Applied { index, reply })) => Ok(Committed::of(index, leader.term, reply)),
            Ok(Ok(Outcome::NotApplied)) => Err(CommandError::NoLeader),
            // The loop ended with the message unread in its inbox: it was never proposed.
            Ok(Err(_)) => Err(CommandError::NoLeader),
            Ok(Ok(Outcome::Unknown)) => {
                Err(CommandError::Unknown("leadership was lost before it was committed".into()))
            }
            Err(_) => Err(CommandError::Unknown("it was not committed in time".into())),
        }
    }

    async fn forward(&self, command: &Command, within: Duration) -> Result<Committed, CommandError> {
        match self.shared.raft.forward(command, within).await {
            Ok(Forwarded { index, term, reply }) => Ok(Committed::of(index, term, reply)),
            Err(ForwardError::NotApplied { cause, .. }) => Err(match cause {
                NotApplied::DiskLow => CommandError::DiskLow,
                NotApplied::Busy { retry_after } => CommandError::Busy { retry_after },
                NotApplied::Elsewhere => CommandError::NoLeader,
            }),
            Err(ForwardError::Unknown { reason }) => Err(CommandError::Unknown(reason)),
        }
    }
}

impl ForwardTarget for JobTracker {
    fn forward(
        &self,
        command: Command,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Forwarded, ForwardError>> {
        let tracker = self.clone();
        async move {
            let Some(leader) = tracker.leader() else {
                return Err(not_applied(NotApplied::Elsewhere, &CommandError::NoLeader));
            };
            let lane = lane_of(&command);
            match tracker.propose(&leader, lane, command, deadline).await {
                Ok(committed) => {
                    let (index, term) = (committed.index, committed.term);
                    Ok(Forwarded { index, term, reply: committed.into_reply() })
                }
                Err(error) => Err(match error {
                    CommandError::Busy { retry_after } => {
                        not_applied(NotApplied::Busy { retry_after }, &error)
                    }
                    CommandError::DiskLow => not_applied(NotApplied::DiskLow, &error),
                    CommandError::NoLeader | CommandError::NotInitialized => {
                        not_applied(NotApplied::Elsewhere, &error)
                    }
                    CommandError::Unknown(reason) => ForwardError::Unknown { reason },
                }),
            }
        }
        .boxed()
    }

    fn digest(&self) -> Digest {
        self.look(|machine| Digest { index: machine.applied_index(), value: machine.digest() })
    }
}

fn not_applied(cause: NotApplied, error: &CommandError) -> ForwardError {
    ForwardError::NotApplied { cause, reason: error.to_string() }
}

/// What clients ask for goes behind what drains the system.
pub fn lane_of(command: &Command) -> Lane {
    match command {
        Command::ClientOpen(_)
        | Command::Submit(_)
        | Command::Cancel(_)
        | Command::Terminate(_)
        | Command::Retry(_)
        | Command::Suspend(_)
        | Command::Resume(_)
        | Command::Trigger(_)
        | Command::Delete(_)
        | Command::Update(_)
        | Command::PauseQueue(_)
        | Command::ResumeQueue(_)
        | Command::Drain(_)
        | Command::Undrain(_)
        | Command::SetSlots(_)
        | Command::SilenceAlarm(_)
        | Command::DeleteGroup(_)
        | Command::SetLimits(_)
        | Command::FeedbackRetry(_)
        | Command::FeedbackDrop(_) => Lane::Request,
        Command::BizLog(_) | Command::Stats(_) => Lane::Log,
        Command::TrackerOnline(_)
        | Command::TrackerOffline(_)
        | Command::Dispatch(_)
        | Command::Return(_)
        | Command::Complete(_)
        | Command::Reclaim(_)
        | Command::Plan(_)
        | Command::Tick
        | Command::Expire
        | Command::SetAlarms(_)
        | Command::AlarmsTold(_)
        | Command::FeedbackHeard(_)
        | Command::FeedbackFailed(_) => Lane::Drain,
    }
}
