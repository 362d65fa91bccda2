//! Feedback to JobClients: what the tables have is told to who listens, and what they answer goes into the log.
//!
//! A handler that succeeded is acknowledged nowhere but there: a leader that falls before the answer is committed leaves
//! the feedback in the tables, and the next one tells it again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Leading;
use super::proposal::Origin;
use crate::dispatch::client_notifier::{ClientNotifier, Listening};
use crate::domain::{NodeGroup, RunId, Timestamp};
use crate::jobtracker::leader::lanes::{Lane, Pass};
use crate::jobtracker::session::{ClientOutbox, FromClient, ToClient};
use crate::machine::command::{FeedbackFailed, FeedbackFailure, FeedbackHeard};
use crate::machine::limits::FEEDBACK_BATCH_MAX;
use crate::machine::row::FeedbackRow;
use crate::machine::{BaseError, Command, Machine};

/// How soon feedback whose next try has come is found; the first try is told at once.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Read and told at a time for one group, under the tables' lock.
const TELL_MAX: usize = 128;
/// What one message may carry, roughly; a single larger one goes alone.
const MESSAGE_BYTES: usize = 1 << 20;

/// Who listens, and which groups are to be looked at.
#[derive(Debug)]
pub(super) struct Notifying {
    notifier: ClientNotifier,
    outboxes: BTreeMap<u64, ClientOutbox>,
    dirty: BTreeSet<NodeGroup>,
    look_at: Instant,
}

impl Notifying {
    pub(super) fn new(now: Instant) -> Notifying {
        let (notifier, outboxes, dirty) = (ClientNotifier::default(), BTreeMap::new(), BTreeSet::new());
        Notifying { notifier, outboxes, dirty, look_at: now }
    }

    /// A group that nobody listens for needs no look: it is found when somebody does.
    pub(super) fn look_at(&mut self, group: NodeGroup) {
        if self.notifier.groups().any(|listening| *listening == group) {
            self.dirty.insert(group);
        }
    }

    pub(super) fn thawed(&mut self, now: Instant) {
        self.notifier.thawed(now);
    }

    pub(super) fn next_check(&self) -> Option<Instant> {
        self.notifier.next_check()
    }

    pub(super) fn concluded(&mut self, group: &NodeGroup, runs: &[RunId]) {
        self.notifier.concluded(group, runs);
        self.look_at(group.clone());
    }

    pub(super) fn show(&self, asked: oneshot::Sender<Vec<Listening>>) {
        let listeners = self.notifier.listeners().map(|(_, listening)| listening.clone()).collect();
        // Who went away wants no answer.
        let _ = asked.send(listeners);
    }

    fn forget(&mut self, stream: u64) {
        self.outboxes.remove(&stream);
        if let Some(group) = self.notifier.detach(stream) {
            self.look_at(group);
        }
    }
}

impl Leading {
    pub(super) fn listen(&mut self, listening: Listening, outbox: ClientOutbox, stream: u64) {
        if outbox.try_send(ToClient::Welcome { term: self.term }).is_err() {
            return;
        }
        let group = listening.node_group.clone();
        self.notifying.notifier.attach(stream, listening);
        self.notifying.outboxes.insert(stream, outbox);
        self.notifying.look_at(group);
    }

    pub(super) fn unlisten(&mut self, stream: u64) {
        self.notifying.forget(stream);
    }

    pub(super) fn hear_client(&mut self, stream: u64, what: FromClient, pass: Pass) {
        // A stream that was cut off has nothing to say; what it handled is told again to somebody.
        let Some(client_group) = self.notifying.notifier.group_of(stream).cloned() else { return };
        let group = client_group.clone();
        let (command, runs) = match what {
            FromClient::Heard(runs) => {
                (Command::FeedbackHeard(FeedbackHeard { client_group, runs: runs.clone() }), runs)
            }
            FromClient::Failed(failures) => {
                let runs = failures.iter().map(|failure| failure.run).collect();
                (Command::FeedbackFailed(FeedbackFailed { client_group, failures }), runs)
            }
        };
        self.notifying.notifier.answered(stream, &runs);
        self.lanes.push(Lane::Drain, command, Origin::Feedback { group, runs, _pass: Some(pass) });
    }

    /// Handlers that take too long have failed.
    pub(super) fn count_unanswered(&mut self, now: Instant) {
        for unanswered in self.notifying.notifier.unanswered(now, FEEDBACK_BATCH_MAX) {
            let (group, run) = (unanswered.node_group, unanswered.run);
            let error = "the JobClient did not answer in time".to_owned();
            let failures = vec![FeedbackFailure { run, attempt: unanswered.attempt, error }];
            let command = Command::FeedbackFailed(FeedbackFailed { client_group: group.clone(), failures });
            self.lanes.push(Lane::Drain, command, Origin::Feedback { group, runs: vec![run], _pass: None });
        }
    }

    /// Tells what is due at `at` to who has room; a bounded number a look, and the rest at the next one.
    pub(in crate::jobtracker::leader) fn tell_clients(
        &mut self,
        now: Instant,
        at: Timestamp,
    ) -> Result<(), BaseError> {
        if self.notifying.outboxes.is_empty() {
            return Ok(());
        }
        if now >= self.notifying.look_at {
            self.notifying.look_at = now + LOOK_EVERY;
            self.notifying.dirty = self.notifying.notifier.groups().cloned().collect();
        }
        let mut more = BTreeSet::new();
        for group in std::mem::take(&mut self.notifying.dirty) {
            let told = self.tell_group(now, at, &group)?;
            if told == TELL_MAX {
                more.insert(group);
            }
        }
        self.notifying.dirty.append(&mut more);
        Ok(())
    }

    fn tell_group(&mut self, now: Instant, at: Timestamp, group: &NodeGroup) -> Result<usize, BaseError> {
        let room = self.notifying.notifier.room(group).min(TELL_MAX);
        if room == 0 {
            return Ok(0);
        }
        let due = self.due(group, at, room)?;
        let told = due.len();
        let mut letters: BTreeMap<u64, Letters> = BTreeMap::new();
        for (run, row) in due {
            let Some(stream) = self.notifying.notifier.tell(now, group, run, row.tries + 1) else { break };
            letters.entry(stream).or_default().add(run, row);
        }
        for (stream, letters) in letters {
            if !self.send_letters(stream, letters) {
                // It does not read, or is gone: what it was told waits for another.
                self.notifying.forget(stream);
            }
        }
        Ok(told)
    }

    fn send_letters(&self, stream: u64, letters: Letters) -> bool {
        let Some(outbox) = self.notifying.outboxes.get(&stream) else { return false };
        letters.messages.into_iter().all(|message| outbox.try_send(ToClient::Feedback(message)).is_ok())
    }

    /// What waits and whose time has come, with its rows.
    fn due(
        &self,
        group: &NodeGroup,
        at: Timestamp,
        limit: usize,
    ) -> Result<Vec<(RunId, Arc<FeedbackRow>)>, BaseError> {
        let machine: &Machine = &self.machine.read();
        let Some(of_group) = machine.tables().indexes().feedback(group) else { return Ok(Vec::new()) };
        // A record's time is the cluster's, which the tables may have seen before this node's clock gets there.
        let at = at.max(machine.now());
        let due = of_group.pending().take_while(|(next_try, _)| *next_try <= at).map(|(_, run)| run);
        let waiting = due.filter(|run| self.notifying.notifier.is_waiting(group, *run)).take(limit);
        let mut found = Vec::new();
        for run in waiting {
            if let Some(row) = machine.tables().feedback_row(group, run)? {
                found.push((run, row));
            }
        }
        Ok(found)
    }
}

/// What goes to one JobClient, in messages of a bounded size.
#[derive(Debug, Default)]
struct Letters {
    messages: Vec<Vec<(RunId, Arc<FeedbackRow>)>>,
    bytes: usize,
}

impl Letters {
    fn add(&mut self, run: RunId, row: Arc<FeedbackRow>) {
        let params: usize = row.params.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = 256 + row.result.len() + row.error.len() + params;
        if self.messages.is_empty() || self.bytes + bytes > MESSAGE_BYTES {
            self.messages.push(Vec::new());
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.messages.last_mut().into_iter().for_each(|message| message.push((run, Arc::clone(&row))));
    }
}
