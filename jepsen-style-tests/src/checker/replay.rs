//! The model replayed over the agreed log: where it agrees with the recorded replies it fills in those that no node
//! exported, so that all later rules see what happened also around a power cut.

use std::collections::BTreeMap;

use super::agreed_log::AgreedLog;
use super::model::Model;
use super::operation::{Answer, Operation};
use super::reply::{Fate, Reply};

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
    /// Reads that show another state than the model has at their index.
    pub(crate) wrong_reads: Vec<String>,
    pub(crate) reads_compared: usize,
}

impl Replay {
    pub(crate) fn run(log: &AgreedLog, operations: &[Operation]) -> Replay {
        let mut replay = Replay::default();
        let mut reads: Vec<(u64, &Operation)> = operations
            .iter()
            .filter(|operation| operation.f == "get" && !operation.is_stale_read())
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
        if !self.is_whole() {
            return;
        }
        let Answer::Got(seen) = &read.answer else { return };
        self.reads_compared += 1;
        let wrong = |what: String| format!("{} ({}) at index {:?}: {what}", read.req, read.f, read.rdx);
        let Some(seen) = seen else {
            let asked = read.asked.get("job_id").and_then(serde_json::Value::as_str);
            let known = asked.and_then(|id| id.parse().ok()).filter(|id| self.model.jobs.contains_key(id));
            if let Some(id) = known {
                self.wrong_reads.push(wrong(format!("{id} was not found and is there")));
            }
            return;
        };
        let Some(state) = self.model.shown_state(seen.id) else {
            if !self.model.jobs.contains_key(&seen.id) {
                self.wrong_reads.push(wrong(format!("{} was found and is not there", seen.id)));
            }
            return;
        };
        let shown = seen.state.to_ascii_lowercase();
        let shown = shown.rsplit("state_").next().unwrap_or_default();
        // An ended job is judged by one of its runs; the contract does not say by which.
        let both_ended = Fate::from_word(state).is_some() && Fate::from_word(shown).is_some();
        let periodic = self.model.jobs[&seen.id].spec.is_periodic();
        if !shown.is_empty() && shown != state && !(both_ended && periodic) {
            self.wrong_reads.push(wrong(format!("{} was shown {shown} and is {state}", seen.id)));
        }
    }
}
