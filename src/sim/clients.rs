//! JobClients that listen: some handlers succeed, some fail, some answers come twice, and some never. What is told is what
//! the leader's tables have; the streams between are not here (`tests/server`, `jst`).

use super::jobs;
use super::rare::Rare;
use super::world::World;
use crate::domain::RunId;
use crate::machine::Command;
use crate::machine::command::{FeedbackFailed, FeedbackFailure, FeedbackHeard};

/// What one look hears at most.
const HEARD_MAX: usize = 4;
/// More failed tries would wait for longer than a world takes to drain.
const FAILED_MAX: u32 = 4;

impl World {
    /// Somebody of the group hears what is due.
    pub(super) fn clients_hear(&mut self) {
        let now = self.cluster.time(self.truth());
        let Some(office) = &mut self.office else { return };
        let tables = self.cluster.replicas[office.node].machine.tables();
        let group = jobs::client_group();
        let of_group = tables.indexes().feedback(&group);
        let due =
            of_group.into_iter().flat_map(|it| it.pending()).take_while(|(next_try, _)| *next_try <= now);
        let due: Vec<RunId> = due.map(|(_, run)| run).take(HEARD_MAX).collect();
        for run in due {
            let Some(row) = tables.feedback_row(&group, run).expect("memory does not fail") else { continue };
            let heard =
                Command::FeedbackHeard(FeedbackHeard { client_group: group.clone(), runs: vec![run] });
            match self.rng.between(0, 99) {
                _ if self.calm => office.answer_feedback(heard),
                0..=39 => office.answer_feedback(heard),
                40..=49 => {
                    self.history.counts.saw(Rare::FeedbackHeardTwice);
                    office.answer_feedback(heard.clone());
                    office.answer_feedback(heard);
                }
                50..=64 if row.tries < FAILED_MAX => {
                    self.history.counts.saw(Rare::FeedbackFailed);
                    let failures = vec![FeedbackFailure { run, attempt: row.tries + 1, error: "no".into() }];
                    let client_group = group.clone();
                    office
                        .answer_feedback(Command::FeedbackFailed(FeedbackFailed { client_group, failures }));
                }
                _ => {}
            }
        }
    }

    /// Whether somebody is still to be told.
    pub(super) fn feedback_waits(&self) -> bool {
        let node = self.office.as_ref().map_or(0, |office| office.node);
        let indexes = self.cluster.replicas[node].machine.tables().indexes();
        indexes.feedback_groups().any(|(_, of_group)| of_group.pending().next().is_some())
    }
}
