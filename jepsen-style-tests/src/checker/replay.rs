//! The model replayed over the agreed log: where it agrees with the recorded replies it fills in those that no node
//! exported, so that all later rules see what happened also around a power cut.

use std::collections::BTreeMap;

use super::agreed_log::AgreedLog;
use super::model::Model;
use super::operation::Operation;
use super::reads::Reads;
use super::reply::Reply;

#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(crate) model: Model,
    /// Recorded, else what the model says; in the order of an entry's commands.
    pub(crate) replies: BTreeMap<u64, Vec<Option<Reply>>>,
    pub(crate) compared: usize,
    pub(crate) filled_in: usize,
    /// The first reply that is not the model's; the replay ends there.
    pub(crate) disagreement: Option<String>,
    /// Why the replay ended early otherwise.
    pub(crate) stopped: Option<String>,
    pub(crate) reads: Reads,
}

impl Replay {
    pub(crate) fn run(log: &AgreedLog, operations: &[Operation]) -> Replay {
        let mut replay = Replay { reads: Reads::of(operations), ..Replay::default() };
        let mut reads: Vec<(u64, &Operation)> = operations
            .iter()
            .filter(|operation| operation.is_read())
            .filter_map(|operation| Some((operation.rdx?, operation)))
            .collect();
        reads.sort_by_key(|(rdx, _)| *rdx);
        let mut reads = reads.into_iter().peekable();
        let first_gap = log.gaps().first().copied();
        if let Some(why) = log.unreadable.first() {
            replay.stopped = Some(format!("an unreadable entry: {why}"));
        }
        for (&index, entry) in &log.entries {
            if let Some((from, to)) = first_gap.filter(|(from, _)| index > *from) {
                let why = format!("nobody exported the entries {from} to {to}");
                replay.stopped.get_or_insert(why);
            }
            while let Some((_, read)) = reads.next_if(|(rdx, _)| *rdx < index) {
                replay.compare_read(read);
            }
            if let Some(at) = entry.at {
                replay.model.enter(index, at.0);
            }
            let replies = entry.commands.iter();
            let replies = replies.map(|one| replay.step(index, &one.command, one.reply.as_ref())).collect();
            replay.replies.insert(index, replies);
        }
        for (_, read) in reads {
            replay.compare_read(read);
        }
        replay
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.disagreement.is_none() && self.stopped.is_none()
    }

    fn step(
        &mut self,
        index: u64,
        command: &super::command::Command,
        recorded: Option<&Reply>,
    ) -> Option<Reply> {
        if !self.is_whole() {
            return recorded.cloned();
        }
        match (self.model.apply(command, recorded), recorded) {
            (Err(why), _) => self.stopped = Some(format!("index {index}: the model does not know {why}")),
            (Ok(told), None) => {
                self.filled_in += 1;
                return Some(told);
            }
            (Ok(told), Some(recorded)) => {
                self.compared += 1;
                if told != *recorded {
                    self.disagreement = Some(format!(
                        "index {index}: {command:?} was answered {recorded:?}, the model says {told:?}"
                    ));
                }
            }
        }
        recorded.cloned()
    }

    fn compare_read(&mut self, read: &Operation) {
        if self.is_whole() {
            self.reads.compare(&self.model, read);
        }
    }
}
