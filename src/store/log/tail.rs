//! The newest entries, decoded and in memory: replication to each follower and `apply` read every entry once, moments
//! after it was appended, and should meet neither disk nor decoder.

use std::collections::VecDeque;

use super::super::types::Entry;

/// Consecutive entries up to the last one of the log, bounded by bytes.
#[derive(Debug)]
pub(super) struct Tail {
    entries: VecDeque<Sized>,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Sized {
    entry: Entry,
    bytes: usize,
}

impl Tail {
    pub(super) fn new(bytes_max: usize) -> Tail {
        Tail { entries: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// The index of the oldest entry in here.
    pub(super) fn first(&self) -> Option<u64> {
        self.entries.front().map(|sized| sized.entry.log_id.index)
    }

    /// Appends the next entry, which takes `bytes` on disk, and lets the oldest go beyond the bound.
    pub(super) fn push(&mut self, entry: Entry, bytes: usize) {
        self.bytes += bytes;
        self.entries.push_back(Sized { entry, bytes });
        while self.bytes > self.bytes_max && self.pop_front() {}
    }

    /// Forgets the entries after `last`.
    pub(super) fn cut(&mut self, last: Option<u64>) {
        while self.entries.back().is_some_and(|sized| Some(sized.entry.log_id.index) > last) {
            let dropped = self.entries.pop_back().expect("the back was just seen");
            self.bytes -= dropped.bytes;
        }
    }

    /// Forgets the entries up to `index`.
    pub(super) fn purge(&mut self, index: u64) {
        while self.first().is_some_and(|first| first <= index) {
            self.pop_front();
        }
    }

    /// The entries in `from..to` that are in here, until they take more than `bytes_max`; at least one.
    pub(super) fn read(&self, from: u64, to: u64, bytes_max: usize) -> Vec<Entry> {
        let Some(first) = self.first() else { return Vec::new() };
        let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        self.entries
            .iter()
            .skip(skip)
            .take_while(|sized| {
                let fits = bytes == 0 || bytes + sized.bytes <= bytes_max;
                bytes += sized.bytes;
                fits && sized.entry.log_id.index < to
            })
            .map(|sized| sized.entry.clone())
            .collect()
    }

    fn pop_front(&mut self) -> bool {
        let dropped = self.entries.pop_front();
        self.bytes -= dropped.as_ref().map_or(0, |sized| sized.bytes);
        dropped.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::types::{Payload, log_id};
    use super::*;

    fn tail(indexes: std::ops::Range<u64>, bytes_max: usize) -> Tail {
        let mut tail = Tail::new(bytes_max);
        indexes.for_each(|index| tail.push(Entry { log_id: log_id(1, index), payload: Payload::Blank }, 10));
        tail
    }

    fn read(tail: &Tail, from: u64, to: u64, bytes_max: usize) -> Vec<u64> {
        tail.read(from, to, bytes_max).iter().map(|entry| entry.log_id.index).collect()
    }

    #[test]
    fn the_oldest_go_first_and_reads_are_bounded() {
        let mut tail = tail(0..10, 55);
        assert_eq!(tail.first(), Some(5));
        assert_eq!(read(&tail, 6, 9, 1000), [6, 7, 8]);
        assert_eq!(read(&tail, 6, 9, 20), [6, 7]);
        assert_eq!(read(&tail, 6, 9, 1), [6], "one entry is always given");
        tail.cut(Some(7));
        tail.purge(5);
        assert_eq!(read(&tail, 0, 100, 1000), [6, 7]);
        tail.cut(None);
        assert_eq!((tail.first(), tail.bytes), (None, 0));
    }
}
