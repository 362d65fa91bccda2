//! Biz log lines on their way: kept until the cluster has them, sent again on a new stream, bounded.

use std::collections::BTreeMap;

use crate::wire::pb;

/// All lines that wait together; beyond it new ones are dropped, since logs must not hold up results.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// What one message carries at most.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct Lines {
    waiting: BTreeMap<u64, Waiting>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<pb::BizLogLine>,
    /// How many of `lines` were sent on this stream.
    sent: usize,
}

impl Lines {
    pub(super) fn add(&mut self, execution: u64, lines: Vec<pb::BizLogLine>) {
        let bytes: usize = lines.iter().map(cost).sum();
        if lines.is_empty() || self.bytes + bytes > WAITING_BYTES_MAX {
            return;
        }
        self.bytes += bytes;
        self.waiting.entry(execution).or_default().lines.extend(lines);
    }

    /// What was said in `execution` and is not acknowledged.
    pub(super) fn unacknowledged(&self, execution: u64) -> Option<pb::ExecutionLines> {
        let lines = self.waiting.get(&execution)?.lines.clone();
        Some(pb::ExecutionLines { execution, lines })
    }

    /// A new stream: everything is sent again.
    pub(super) fn restart(&mut self) {
        self.waiting.values_mut().for_each(|waiting| waiting.sent = 0);
    }

    pub(super) fn acknowledged(&mut self, execution: u64, up_to: u64) {
        let Some(waiting) = self.waiting.get_mut(&execution) else { return };
        let done = waiting.lines.iter().take_while(|line| line.number <= up_to).count();
        self.bytes -= waiting.lines.drain(..done).map(|line| cost(&line)).sum::<usize>();
        waiting.sent = waiting.sent.saturating_sub(done);
        if waiting.lines.is_empty() {
            self.waiting.remove(&execution);
        }
    }

    /// The next message of lines that were not sent on this stream; `None` when there is nothing.
    pub(super) fn next_message(&mut self) -> Option<pb::BizLogs> {
        let mut room = MESSAGE_BYTES_MAX;
        let mut executions = Vec::new();
        for (execution, waiting) in &mut self.waiting {
            let fits = |line: &&pb::BizLogLine| {
                let fits = room > 0;
                room = room.saturating_sub(cost(line));
                fits
            };
            let lines: Vec<pb::BizLogLine> =
                waiting.lines[waiting.sent..].iter().take_while(fits).cloned().collect();
            if !lines.is_empty() {
                waiting.sent += lines.len();
                executions.push(pb::ExecutionLines { execution: *execution, lines });
            }
        }
        (!executions.is_empty()).then_some(pb::BizLogs { executions })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

fn cost(line: &pb::BizLogLine) -> usize {
    line.text.len() + 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, bytes: usize) -> pb::BizLogLine {
        pb::BizLogLine { number, text: "x".repeat(bytes), ..Default::default() }
    }

    fn numbers(message: Option<pb::BizLogs>) -> Vec<u64> {
        let executions = message.into_iter().flat_map(|message| message.executions);
        executions.flat_map(|execution| execution.lines).map(|line| line.number).collect()
    }

    #[test]
    fn lines_are_sent_once_a_stream_until_they_are_acknowledged() {
        let mut lines = Lines::default();
        lines.add(7, vec![line(1, 1), line(2, 1), line(3, 1)]);
        assert_eq!(numbers(lines.next_message()), [1, 2, 3]);
        assert_eq!(numbers(lines.next_message()), [0; 0]);
        lines.acknowledged(7, 2);
        lines.add(7, vec![line(4, 1)]);
        assert_eq!(numbers(lines.next_message()), [4]);
        lines.restart();
        assert_eq!(numbers(lines.next_message()), [3, 4]);
        lines.acknowledged(7, 4);
        assert!(lines.is_empty() && lines.bytes == 0);
    }

    #[test]
    fn messages_and_what_waits_are_bounded() {
        let mut lines = Lines::default();
        (0..1000).for_each(|n| lines.add(n, vec![line(1, 8 << 10)]));
        assert!(lines.bytes <= WAITING_BYTES_MAX);
        let mut messages = 0;
        while let Some(message) = lines.next_message() {
            messages += 1;
            assert!(message.executions.len() <= MESSAGE_BYTES_MAX / (8 << 10) + 1);
        }
        assert!(messages > 10, "{messages}");
    }
}
