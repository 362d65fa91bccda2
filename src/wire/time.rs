//! Times and spans on the wire, in whole milliseconds below; what is finer is cut off.

use crate::domain::{Millis, Timestamp};

const NANOS_PER_MS: i32 = 1_000_000;

/// The wire form of an instant.
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let ms = at.as_millis();
    let seconds = i64::try_from(ms / 1000).expect("a Timestamp ends in the year 9999");
    let nanos = i32::try_from(ms % 1000).expect("less than 1000") * NANOS_PER_MS;
    prost_types::Timestamp { seconds, nanos }
}

/// The wire form of a span.
pub fn duration(span: Millis) -> prost_types::Duration {
    let seconds = i64::try_from(span.get() / 1000).expect("u64::MAX / 1000 fits i64");
    let nanos = i32::try_from(span.get() % 1000).expect("less than 1000") * NANOS_PER_MS;
    prost_types::Duration { seconds, nanos }
}

/// # Errors
/// A lower-case fragment if it is before 1970, after the year 9999, or has more than a second of nanoseconds.
pub fn read_timestamp(at: prost_types::Timestamp) -> Result<Timestamp, String> {
    let seconds = u64::try_from(at.seconds).map_err(|_| "is before 1970; give a time from 1970 to 9999")?;
    let nanos = u64::try_from(at.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let nanos = nanos.ok_or_else(|| format!("has {} nanoseconds; 0 to 999999999", at.nanos))?;
    let ms = seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000);
    if ms > Timestamp::MAX.as_millis() {
        return Err("is after the year 9999; give a time from 1970 to 9999".into());
    }
    Ok(Timestamp::from_millis(ms))
}

/// # Errors
/// A lower-case fragment if it is negative.
pub fn read_duration(span: prost_types::Duration) -> Result<Millis, String> {
    let (Ok(seconds), Ok(nanos)) = (u64::try_from(span.seconds), u64::try_from(span.nanos)) else {
        return Err("is negative; give a span of zero or more".into());
    };
    Ok(Millis::new(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_time_reads_back(ms in 0..=Timestamp::MAX.as_millis()) {
            let at = Timestamp::from_millis(ms);
            prop_assert_eq!(read_timestamp(timestamp(at)), Ok(at));
        }

        #[test]
        fn every_span_reads_back(ms: u64) {
            prop_assert_eq!(read_duration(duration(Millis::new(ms))), Ok(Millis::new(ms)));
        }

        #[test]
        fn no_bytes_of_a_stranger_panic(seconds: i64, nanos: i32) {
            let _ = read_timestamp(prost_types::Timestamp { seconds, nanos });
            let _ = read_duration(prost_types::Duration { seconds, nanos });
        }
    }

    #[test]
    fn what_no_clock_can_show_is_refused() {
        assert!(read_timestamp(prost_types::Timestamp { seconds: -1, nanos: 0 }).is_err());
        assert!(read_timestamp(prost_types::Timestamp { seconds: i64::MAX, nanos: 0 }).is_err());
        assert!(read_duration(prost_types::Duration { seconds: 0, nanos: -1 }).is_err());
    }
}
