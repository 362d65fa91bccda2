//! How a run ended is told to whoever wants to hear it, told again.

use super::{Model, State, Telling};
use crate::domain::{Millis, NodeGroup, RunId};
use crate::machine::command::{FeedbackFailure, FeedbackWhich};
use crate::machine::reply::Reply;
use crate::machine::row::Fate;

impl Model {
    /// A run has ended: whoever wants to hear of it shall.
    pub(super) fn tell(&mut self, id: RunId) {
        let (max, Some(run)) = (self.limits.feedback_max, self.run(id)) else { return };
        let (State::Ended(fate, ended), Some(group)) = (&run.state, run.spec.feedback_group()) else {
            return;
        };
        let (fate, ended, group) = (*fate, *ended, group.clone());
        let never_ran = match fate {
            Fate::Cancelled => run.executions == 0,
            Fate::Skipped { .. } => true,
            Fate::Succeeded | Fate::Failed | Fate::Dead => false,
        };
        if never_ran {
            return self.rare("no feedback of what never ran");
        }
        let feedback = self.feedback.entry(group).or_default();
        feedback.made += 1;
        if feedback.pending() >= max {
            feedback.dropped += 1;
            return self.rare("feedback dropped");
        }
        feedback.told.insert(id, Telling { fate, ended, tries: 0, next_try: Some(ended) });
    }

    pub(super) fn feedback_failed(&mut self, group: &NodeGroup, failure: &FeedbackFailure) {
        let (now, limits) = (self.now, self.limits);
        let Some(feedback) = self.feedback.get_mut(group) else { return };
        let dead = feedback.dead();
        let Some(it) = feedback.told.get_mut(&failure.run) else { return };
        if it.next_try.is_none() || it.tries + 1 != failure.attempt {
            return self.rare("failed feedback again");
        }
        it.tries += 1;
        if it.tries < limits.feedback_tries_max {
            let seconds = 2_u64.pow((it.tries - 1).min(12)).min(600);
            it.next_try = Some(now + Millis::from_secs(seconds));
        } else if dead < limits.feedback_max {
            it.next_try = None;
            self.rare("dead letter");
        } else {
            feedback.told.remove(&failure.run);
            feedback.dropped += 1;
            self.rare("dead letter dropped");
        }
    }

    pub(super) fn chosen_feedback(&self, group: &NodeGroup, which: &FeedbackWhich) -> Vec<RunId> {
        let all = self.feedback.get(group).into_iter().flat_map(|feedback| &feedback.told);
        match which {
            FeedbackWhich::Runs(runs) => runs.clone(),
            FeedbackWhich::Dead => all.filter(|(_, it)| it.next_try.is_none()).map(|(run, _)| *run).collect(),
            FeedbackWhich::Pending => {
                all.filter(|(_, it)| it.next_try.is_some()).map(|(run, _)| *run).collect()
            }
        }
    }

    pub(super) fn tell_again(&mut self, group: &NodeGroup, which: &FeedbackWhich) -> Reply {
        let (now, max, chosen) = (self.now, self.limits.feedback_max, self.chosen_feedback(group, which));
        let mut moved = 0;
        let Some(feedback) = self.feedback.get_mut(group) else { return Reply::FeedbackMoved(0) };
        for run in chosen {
            let pending = feedback.pending();
            let Some(it) = feedback.told.get_mut(&run) else { continue };
            let stays = it.next_try.map_or(pending >= max, |next_try| next_try <= now);
            if !stays {
                (it.tries, it.next_try) = (0, Some(now));
                moved += 1;
            }
        }
        *self.rare.entry("feedback told again by hand").or_default() += u64::from(moved);
        Reply::FeedbackMoved(moved)
    }
}
