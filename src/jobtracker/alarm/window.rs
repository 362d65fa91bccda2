//! What finished lately: every node samples the counters, leader or not, so that the next leader knows how it was.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::numbers::Finished;
use crate::domain::NodeGroup;

/// Samples of the longest window.
const SAMPLES_MAX: u32 = 60;

/// The counters of all groups, now and then.
#[derive(Debug)]
pub(super) struct Window {
    longest: Duration,
    samples: VecDeque<(Instant, BTreeMap<NodeGroup, Finished>)>,
}

impl Window {
    pub(super) fn new(longest: Duration) -> Window {
        Window { longest, samples: VecDeque::new() }
    }

    /// Takes the counters in; samples that are too old, or too close to each other, are dropped.
    pub(super) fn sample(&mut self, now: Instant, groups: BTreeMap<NodeGroup, Finished>) {
        let age = |at: Instant| now.saturating_duration_since(at);
        while self.samples.len() > 1 && age(self.samples[1].0) >= self.longest {
            self.samples.pop_front();
        }
        let least = self.longest / SAMPLES_MAX;
        let newest = self.samples.iter().rev().map(|(at, _)| *at);
        if let Some((last, before)) = newest.clone().zip(newest.skip(1)).next()
            && last.saturating_duration_since(before) < least
        {
            self.samples.pop_back();
        }
        self.samples.push_back((now, groups));
    }

    /// What finished in each group within `span`, or since the first sample.
    pub(super) fn within(&self, span: Duration) -> BTreeMap<NodeGroup, Finished> {
        let Some((now, newest)) = self.samples.back() else { return BTreeMap::new() };
        let old = self.samples.iter().rev().find(|(at, _)| now.saturating_duration_since(*at) >= span);
        let (_, oldest) = old.or_else(|| self.samples.front()).expect("there is a newest one");
        let since = |(group, now): (&NodeGroup, &Finished)| {
            let before = oldest.get(group).copied().unwrap_or_default();
            let finished = Finished {
                succeeded: now.succeeded.saturating_sub(before.succeeded),
                failed: now.failed.saturating_sub(before.failed),
                dead: now.dead.saturating_sub(before.dead),
            };
            (group.clone(), finished)
        };
        newest.iter().map(since).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> NodeGroup {
        NodeGroup::new("trade").unwrap()
    }

    fn dead(count: u64) -> BTreeMap<NodeGroup, Finished> {
        BTreeMap::from([(group(), Finished { dead: count, ..Finished::default() })])
    }

    #[test]
    fn only_what_finished_within_the_window_counts() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let mut window = Window::new(Duration::from_secs(600));
        let seconds = Duration::from_secs;
        let count = |window: &Window, span| window.within(seconds(span))[&group()].dead;
        for (second, total) in (0..=1200).step_by(5).map(|second| (second, second / 100)) {
            window.sample(start + seconds(second), dead(total));
        }
        assert_eq!(count(&window, 600), 6);
        assert_eq!(count(&window, 100), 1);
        assert!(window.samples.len() <= SAMPLES_MAX as usize + 2, "{} samples", window.samples.len());
    }

    #[test]
    fn a_group_that_was_not_there_began_with_nothing() {
        #[expect(clippy::disallowed_methods, reason = "any instant will do")]
        let start = Instant::now();
        let mut window = Window::new(Duration::from_secs(600));
        assert!(window.within(Duration::from_secs(600)).is_empty());
        window.sample(start, BTreeMap::new());
        window.sample(start + Duration::from_secs(5), dead(3));
        assert_eq!(window.within(Duration::from_secs(600))[&group()].dead, 3);
    }
}
