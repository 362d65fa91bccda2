//! Heartbeats and the StopWorkingMonitor: pure, times come in as milliseconds of a monotonic clock.
//!
//! Silence counts from the *sending* of the last answered heartbeat, so that a cut in one direction is silence too.

use std::collections::VecDeque;

use crate::domain::Millis;
use crate::planted::{self, Bug};

/// Heartbeats that may be without an answer at a time; older ones are forgotten, which only makes silence longer.
const UNANSWERED_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Heartbeats {
    pub(super) interval: Millis,
    pub(super) stop_working_after: Millis,
    sequence: u64,
    next_at: Millis,
    /// Sequence and time of sending, of this stream.
    unanswered: VecDeque<(u64, Millis)>,
    /// When the last answered heartbeat was sent; `None` before the first answer of all.
    heard: Option<Millis>,
}

impl Heartbeats {
    pub(super) fn new(interval: Millis, stop_working_after: Millis) -> Heartbeats {
        let unanswered = VecDeque::new();
        Heartbeats {
            interval,
            stop_working_after,
            sequence: 0,
            next_at: Millis::ZERO,
            unanswered,
            heard: None,
        }
    }

    /// A new stream counts from 1 again; its first heartbeat is due at once.
    pub(super) fn restart(&mut self) {
        self.sequence = 0;
        self.next_at = Millis::ZERO;
        self.unanswered.clear();
    }

    /// The very first session is committed after its hello was sent: that counts as an answer.
    pub(super) fn first_session(&mut self, hello_sent_at: Millis) {
        self.heard.get_or_insert(hello_sent_at);
    }

    /// When the next one is due.
    pub(super) fn due_at(&self) -> Millis {
        self.next_at
    }

    /// The number of a heartbeat that is sent now.
    pub(super) fn send(&mut self, now: Millis) -> u64 {
        self.sequence += 1;
        self.next_at = plus(now, self.interval);
        self.unanswered.push_back((self.sequence, now));
        if self.unanswered.len() > UNANSWERED_MAX {
            self.unanswered.pop_front();
        }
        self.sequence
    }

    /// All heartbeats up to `sequence` are answered.
    pub(super) fn answered(&mut self, sequence: u64) {
        while let Some((_, sent_at)) = self.unanswered.front().copied().filter(|(sent, _)| *sent <= sequence)
        {
            self.unanswered.pop_front();
            self.heard = self.heard.max(Some(sent_at));
        }
    }

    /// When to stop working, unless something is answered before.
    pub(super) fn stop_working_at(&self) -> Option<Millis> {
        let heard = self.heard.filter(|_| !planted::is(Bug::StopWorkingNever));
        heard.map(|heard| plus(heard, self.stop_working_after))
    }
}

pub(super) fn plus(at: Millis, span: Millis) -> Millis {
    Millis::new(at.get().saturating_add(span.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Millis {
        Millis::new(ms)
    }

    #[test]
    fn silence_counts_from_the_sending_of_the_last_answered_one() {
        let mut beats = Heartbeats::new(ms(1000), ms(7000));
        assert_eq!(beats.stop_working_at(), None);
        let first = beats.send(ms(100));
        beats.send(ms(1100));
        beats.answered(first);
        assert_eq!(beats.stop_working_at(), Some(ms(7100)), "the second one is not answered");
        beats.answered(99);
        assert_eq!(beats.stop_working_at(), Some(ms(8100)));
        assert_eq!(beats.due_at(), ms(2100));
    }

    #[test]
    fn an_answer_on_a_new_stream_says_nothing_about_the_old_one() {
        let mut beats = Heartbeats::new(ms(1000), ms(7000));
        beats.first_session(ms(50));
        beats.send(ms(3000));
        beats.restart();
        assert_eq!(beats.due_at(), Millis::ZERO);
        beats.answered(1);
        assert_eq!(beats.stop_working_at(), Some(ms(7050)));
        assert_eq!(beats.send(ms(9000)), 1);
        beats.answered(1);
        assert_eq!(beats.stop_working_at(), Some(ms(16000)));
    }

    #[test]
    fn what_waits_for_an_answer_is_bounded() {
        let mut beats = Heartbeats::new(ms(1), ms(7000));
        (0..1000).for_each(|at| assert_eq!(beats.send(ms(at)), at + 1));
        assert_eq!(beats.unanswered.len(), UNANSWERED_MAX);
    }
}
