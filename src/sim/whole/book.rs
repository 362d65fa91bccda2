//! The one log, as all JobTrackers applied it: whoever applies an entry first writes it down, and all others, also after a
//! restart, must have applied the same, with the same replies and the same digest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::history::{Broken, History};
use crate::domain::Timestamp;
use crate::machine::{Applied, Command, LogEntry, Reply};
use crate::store::AppliedEntry;

#[derive(Debug)]
struct Line {
    term: u64,
    entry: Option<Arc<LogEntry>>,
    replies: Arc<[Reply]>,
    digest: u64,
}

#[derive(Debug, Default)]
pub(super) struct Book {
    lines: BTreeMap<u64, Line>,
    /// All lines before this were told to the history.
    told: u64,
}

impl Book {
    /// A host applied an entry.
    ///
    /// # Errors
    /// If another host applied something else there.
    pub(super) fn write(&mut self, host: usize, applied: AppliedEntry) -> Result<(), Broken> {
        let (index, term) = (applied.log_id.index, applied.log_id.leader_id.term);
        let Some(outcome) = applied.outcome else {
            return Err(format!("A1: entry {index} came without its outcome"));
        };
        let Some(line) = self.lines.get(&index) else {
            let line = Line { term, entry: applied.entry, replies: outcome.replies, digest: outcome.digest };
            self.lines.insert(index, line);
            return Ok(());
        };
        let differs = |what: &str, first: String, then: String| {
            Err(format!(
                "A1: entry {index} is applied by n{} with another {what}: {then} instead of {first}",
                host + 1
            ))
        };
        if line.term != term {
            return differs("term", line.term.to_string(), term.to_string());
        }
        if line.entry != applied.entry {
            return differs("content", format!("{:?}", line.entry), format!("{:?}", applied.entry));
        }
        if line.replies != outcome.replies {
            return differs("reply", format!("{:?}", line.replies), format!("{:?}", outcome.replies));
        }
        if line.digest != outcome.digest {
            return differs("digest", format!("{:016x}", line.digest), format!("{:016x}", outcome.digest));
        }
        Ok(())
    }

    /// Tells the history what has become contiguous; `truth` is the latest time that an entry may bear.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn tell(&mut self, history: &mut History, truth: Timestamp) -> Result<(), Broken> {
        while let Some(line) = self.lines.get(&self.told) {
            if let Some(entry) = &line.entry {
                history.truth = truth;
                let replies = line.replies.to_vec();
                history.entry(entry, &Applied { index: self.told, replies, ..Applied::default() })?;
            }
            self.told += 1;
        }
        Ok(())
    }

    pub(super) fn entries(&self) -> u64 {
        self.told
    }

    /// A client was told that its command was applied at `index`, and that it was answered like this.
    ///
    /// # Errors
    /// If the log says otherwise.
    pub(super) fn acknowledged(&self, index: u64, command: &Command, reply: &Reply) -> Result<(), Broken> {
        let line = self.lines.get(&index).filter(|_| index < self.told);
        let line =
            line.ok_or_else(|| format!("B1: acknowledged at {index}, which nobody applied: {command:?}"))?;
        let commands = line.entry.iter().flat_map(|entry| &entry.commands);
        let found = commands.zip(line.replies.iter()).any(|(at, answer)| at == command && answer == reply);
        if found {
            Ok(())
        } else {
            Err(format!("B1: acknowledged at {index} as {reply:?}, and the log does not say so: {command:?}"))
        }
    }

    /// Whether the log has a command.
    pub(super) fn has(&self, wanted: &Command) -> Option<u64> {
        let has = |line: &Line| line.entry.as_ref().is_some_and(|entry| entry.commands.contains(wanted));
        self.lines.iter().find(|(_, line)| has(line)).map(|(index, _)| *index)
    }
}
