//! The clocks of the machine. All that a run records is stamped with the monotonic one, which every process shares.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of CLOCK_MONOTONIC.
pub(crate) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}

/// Nanoseconds since 1970.
pub(crate) fn wall_ns() -> i64 {
    let now = clock_gettime(ClockId::Realtime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// The wall clock, RFC 3339 with milliseconds.
pub(crate) fn wall_text() -> String {
    text_of_ns(wall_ns())
}

/// RFC 3339 with milliseconds.
pub(crate) fn text_of_ns(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}
