//! What the TaskTracker tells of its minutes: counted as executions end, kept until the cluster has it.
//!
//! LTS's buffer: while nobody listens up to 500 samples wait, then the oldest goes.

use std::collections::VecDeque;

use crate::domain::{Action, Millis};
use crate::wire::{duration, pb};

/// Samples that wait.
const WAITING_MAX: usize = 500;
/// What one message carries at most.
const MESSAGE_MAX: usize = 100;

/// How the process stands at the end of a minute.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::tasktracker) struct Standing {
    /// The minute that ended.
    pub(in crate::tasktracker) minute: Option<prost_types::Timestamp>,
    pub(in crate::tasktracker) fail_store_bytes: u64,
    pub(in crate::tasktracker) memory_bytes: u64,
    /// Processor time within the minute.
    pub(in crate::tasktracker) cpu: Millis,
    pub(in crate::tasktracker) threads: u64,
    pub(in crate::tasktracker) tasks: u64,
    pub(in crate::tasktracker) open_files: u64,
}

#[derive(Debug, Default)]
pub(super) struct Samples {
    counts: pb::Sample,
    running_time: Millis,
    waiting: VecDeque<pb::Sample>,
    /// How many of those were sent on this stream.
    sent: usize,
    /// Of the last one.
    number: u64,
}

impl Samples {
    /// An execution ended after this time.
    pub(super) fn ended(&mut self, action: Action, took: Millis) {
        match action {
            Action::ExecuteSuccess => self.counts.exe_success += 1,
            Action::ExecuteFailed => self.counts.exe_failed += 1,
            Action::ExecuteLater => self.counts.exe_later += 1,
            Action::ExecuteException => self.counts.exe_exception += 1,
        }
        self.running_time = Millis::new(self.running_time.get().saturating_add(took.get()));
    }

    /// A minute is over: what was counted in it waits to be sent.
    pub(super) fn minute(&mut self, standing: Standing, running: u64, slots: u64) {
        self.number += 1;
        let counts = std::mem::take(&mut self.counts);
        self.waiting.push_back(pb::Sample {
            number: self.number,
            minute: standing.minute,
            running_time: Some(duration(std::mem::take(&mut self.running_time))),
            fail_store_bytes: standing.fail_store_bytes,
            running,
            slots,
            memory_bytes: standing.memory_bytes,
            cpu: Some(duration(standing.cpu)),
            threads: standing.threads,
            tasks: standing.tasks,
            open_files: standing.open_files,
            ..counts
        });
        if self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// A new stream: everything is sent again.
    pub(super) fn restart(&mut self) {
        self.sent = 0;
    }

    pub(super) fn acknowledged(&mut self, up_to: u64) {
        while self.waiting.front().is_some_and(|sample| sample.number <= up_to) {
            self.waiting.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// The next message of what was not sent on this stream; `None` when there is nothing.
    pub(super) fn next_message(&mut self) -> Option<pb::Samples> {
        let samples: Vec<pb::Sample> =
            self.waiting.iter().skip(self.sent).take(MESSAGE_MAX).cloned().collect();
        self.sent += samples.len();
        (!samples.is_empty()).then_some(pb::Samples { samples })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(message: Option<pb::Samples>) -> Vec<u64> {
        message.into_iter().flat_map(|message| message.samples).map(|sample| sample.number).collect()
    }

    #[test]
    fn what_was_counted_is_of_the_minute_in_which_it_ended() {
        let mut samples = Samples::default();
        samples.ended(Action::ExecuteSuccess, Millis::new(30));
        samples.ended(Action::ExecuteLater, Millis::new(12));
        samples.minute(Standing { memory_bytes: 7, ..Standing::default() }, 1, 4);
        samples.minute(Standing::default(), 0, 4);
        let told = samples.next_message().expect("two samples").samples;
        let counts =
            |it: &pb::Sample| (it.exe_success, it.exe_later, it.running_time, it.memory_bytes, it.running);
        assert_eq!(counts(&told[0]), (1, 1, Some(duration(Millis::new(42))), 7, 1));
        assert_eq!(counts(&told[1]), (0, 0, Some(duration(Millis::ZERO)), 0, 0));
    }

    #[test]
    fn samples_are_sent_once_a_stream_until_they_are_acknowledged() {
        let mut samples = Samples::default();
        (0..3).for_each(|_| samples.minute(Standing::default(), 0, 1));
        assert_eq!(numbers(samples.next_message()), [1, 2, 3]);
        assert_eq!(numbers(samples.next_message()), [0; 0]);
        samples.acknowledged(2);
        samples.minute(Standing::default(), 0, 1);
        assert_eq!(numbers(samples.next_message()), [4]);
        samples.restart();
        assert_eq!(numbers(samples.next_message()), [3, 4]);
        samples.acknowledged(9);
        assert_eq!(numbers(samples.next_message()), [0; 0]);
    }

    #[test]
    fn of_those_that_nobody_hears_the_newest_500_wait() {
        let mut samples = Samples::default();
        (0..620).for_each(|_| samples.minute(Standing::default(), 0, 1));
        let mut told = Vec::new();
        while let Some(message) = samples.next_message() {
            assert!(message.samples.len() <= MESSAGE_MAX);
            told.extend(numbers(Some(message)));
        }
        assert_eq!(told, (121..=620).collect::<Vec<u64>>());
    }
}
