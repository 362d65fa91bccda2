//! When a run that failed may try again.
//!
//! The machine computes the delay, so it must be the same on every replica: jitter is derived from ids, not drawn.

use serde::{Deserialize, Serialize};

use super::{FieldError, Millis, RunId};

/// LTS's fixed delay.
const DELAY_DEFAULT: Millis = Millis::from_secs(30);
/// The longest delay that a policy may ask for.
const DELAY_MAX: Millis = Millis::from_secs(30 * 24 * 3600);
/// The most retries that a job may ask for.
const RETRIES_MAX: u32 = 10_000;

/// How the delay grows with the retries. The order is the stored order: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backoff {
    /// Always the same delay (LTS: 30 s).
    Fixed(Millis),
    /// `initial`, doubled by each retry, at most `max`; then a part of it, `jitter_percent`, is taken off by chance.
    Exponential { initial: Millis, max: Millis, jitter_percent: u8 },
}

/// How often and when a run is tried again after LATER or EXCEPTION.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// LTS's `maxRetryTimes`: 0 means that the first execution is the only one.
    pub retries_max: u32,
    pub backoff: Backoff,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy { retries_max: 0, backoff: Backoff::Fixed(DELAY_DEFAULT) }
    }
}

impl RetryPolicy {
    /// The delay before retry number `retry` (the first is 1) of `run`.
    pub fn delay(&self, run: RunId, retry: u32) -> Millis {
        match self.backoff {
            Backoff::Fixed(delay) => delay,
            Backoff::Exponential { initial, max, jitter_percent } => {
                let doublings = retry.saturating_sub(1).min(32);
                let full = initial.get().saturating_mul(1 << doublings).min(max.get());
                let jitter = u128::from(full) * u128::from(jitter_percent) / 100;
                let off = u128::from(spread(run, retry)) * jitter / u128::from(u64::MAX);
                Millis::new(full - u64::try_from(off).expect("at most the whole delay"))
            }
        }
    }

    /// # Errors
    /// One violation for each field that is out of bounds.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let mut wrong = Vec::new();
        if self.retries_max > RETRIES_MAX {
            wrong.push(FieldError::new(
                "retries_max",
                format!("is {}; at most {RETRIES_MAX}", self.retries_max),
            ));
        }
        match self.backoff {
            Backoff::Fixed(delay) if delay > DELAY_MAX => {
                wrong.push(FieldError::new("delay", format!("is {delay}; at most {DELAY_MAX}")));
            }
            Backoff::Exponential { initial, max, .. } if initial > max || max > DELAY_MAX => {
                wrong.push(FieldError::new(
                    "max",
                    format!("is {max}; between initial ({initial}) and {DELAY_MAX}"),
                ));
            }
            Backoff::Exponential { initial, .. } if initial.is_zero() => {
                wrong.push(FieldError::new("initial", "is 0; at least 1ms"));
            }
            Backoff::Exponential { jitter_percent, .. } if jitter_percent > 100 => {
                wrong.push(FieldError::new("jitter_percent", format!("is {jitter_percent}; 0 to 100")));
            }
            Backoff::Fixed(_) | Backoff::Exponential { .. } => {}
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

/// A number that looks random but is a function of the ids: splitmix64's finalizer (Steele, Lea and Flood, 2014).
fn spread(run: RunId, retry: u32) -> u64 {
    let mut x =
        run.job.as_u64() ^ run.number.rotate_left(40) ^ u64::from(retry).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{JobId, Position};

    fn run(number: u64) -> RunId {
        RunId { job: JobId(Position::new(42, 0)), number }
    }

    #[test]
    fn the_default_is_ltss_thirty_seconds() {
        assert_eq!(RetryPolicy::default().delay(run(0), 7), Millis::from_secs(30));
    }

    #[test]
    fn an_exponential_delay_doubles_up_to_its_cap() {
        let backoff =
            Backoff::Exponential { initial: Millis::new(100), max: Millis::new(1000), jitter_percent: 0 };
        let policy = RetryPolicy { retries_max: 9, backoff };
        let delays: Vec<u64> = (1..=6).map(|retry| policy.delay(run(0), retry).get()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        assert_eq!(policy.delay(run(0), u32::MAX).get(), 1000);
    }

    #[test]
    fn jitter_is_a_function_of_the_ids_and_spreads_them() {
        let backoff =
            Backoff::Exponential { initial: Millis::new(1000), max: Millis::new(1000), jitter_percent: 50 };
        let policy = RetryPolicy { retries_max: 9, backoff };
        let delays: Vec<u64> = (0..100).map(|number| policy.delay(run(number), 1).get()).collect();
        assert_eq!(delays, (0..100).map(|number| policy.delay(run(number), 1).get()).collect::<Vec<_>>());
        assert!(delays.iter().all(|ms| (500..=1000).contains(ms)));
        let distinct: std::collections::BTreeSet<_> = delays.iter().collect();
        assert!(distinct.len() > 80, "{} distinct delays", distinct.len());
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let backoff =
            Backoff::Exponential { initial: Millis::new(5), max: Millis::new(1), jitter_percent: 0 };
        let wrong = RetryPolicy { retries_max: 10_001, backoff }.check().expect_err("two fields are wrong");
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(
            wrong,
            ["retries_max: is 10001; at most 10000", "max: is 1ms; between initial (5ms) and 2592000s"]
        );
    }
}
