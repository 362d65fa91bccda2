//! How long to wait before trying again: first retries come within milliseconds, so that a failover costs little, and
//! the delays grow, so that a cluster that is down is not hammered.

use std::time::Duration;

/// The first delay is at most this.
const FIRST_MS: u64 = 4;
/// No delay is longer than this: it is what a returned JobTracker may wait to be noticed.
const LONGEST_MS: u64 = 250;

/// A doubling delay with jitter; the same seed gives the same delays.
#[derive(Debug)]
pub struct Backoff {
    random: fastrand::Rng,
    upper_ms: u64,
}

impl Backoff {
    /// Starts with a delay of 1 to 4 ms.
    pub fn seeded(seed: u64) -> Backoff {
        Backoff { random: fastrand::Rng::with_seed(seed), upper_ms: FIRST_MS }
    }

    /// The next delay; between a quarter and the whole of the present bound, which then doubles.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.random.u64(self.upper_ms / 4..=self.upper_ms);
        self.upper_ms = (self.upper_ms * 2).min(LONGEST_MS);
        Duration::from_millis(delay)
    }

    /// Something worked: the next failure starts small again.
    pub fn reset(&mut self) {
        self.upper_ms = FIRST_MS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_start_at_milliseconds_grow_and_stay_below_a_quarter_second() {
        for seed in 0..50 {
            let mut backoff = Backoff::seeded(seed);
            let delays: Vec<u64> = (0..20).map(|_| backoff.next_delay().as_millis() as u64).collect();
            assert!((1..=4).contains(&delays[0]), "seed {seed}: {delays:?}");
            assert!(delays.iter().all(|ms| *ms <= LONGEST_MS), "seed {seed}: {delays:?}");
            assert!(delays[10..].iter().all(|ms| *ms >= LONGEST_MS / 4), "seed {seed}: {delays:?}");
            backoff.reset();
            assert!(backoff.next_delay().as_millis() <= 4);
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let delays = |seed| {
            std::iter::repeat_with({
                let mut backoff = Backoff::seeded(seed);
                move || backoff.next_delay()
            })
        };
        assert!(delays(7).take(10).eq(delays(7).take(10)));
        assert!(delays(7).take(10).ne(delays(8).take(10)));
    }
}
