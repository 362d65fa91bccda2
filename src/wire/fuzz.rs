//! The public protocol's requests as domain values, from any bytes.

use prost::Message;

use super::{parse_id, parse_job, parse_result, pb, result_to_wire};
use crate::domain::{ExecutionId, JobId, Millis, RunId, SessionId, Timestamp};

/// A job: refused with reasons, or as right as its domain demands, and the same after a second journey.
pub(crate) fn job(data: &[u8]) {
    let Ok(job) = pb::Job::decode(data) else { return };
    let now = Timestamp::from_millis(1_900_000_000_000);
    match parse_job(job, now) {
        Err(violations) => assert!(!violations.is_empty(), "refused without a reason"),
        Ok(spec) => {
            assert_eq!(spec.check(), Ok(()), "what was let in is right");
            assert_eq!(parse_job(pb::Job::from(spec.clone()), now), Ok(spec), "there and back");
        }
    }
}

/// What a TaskTracker reports of an execution.
pub(crate) fn result(data: &[u8]) {
    let Ok(result) = pb::ExecutionResult::decode(data) else { return };
    match parse_result(result) {
        Err(violations) => assert!(!violations.is_empty(), "refused without a reason"),
        Ok((execution, outcome)) => {
            let again = parse_result(result_to_wire(execution, outcome.clone()));
            assert_eq!(again, Ok((execution, outcome)), "there and back");
        }
    }
}

/// Ids, times and spans as people and pages write them.
pub(crate) fn words(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    again::<JobId>(text);
    again::<RunId>(text);
    again::<ExecutionId>(text);
    again::<SessionId>(text);
    again::<Timestamp>(text);
    again::<Millis>(text);
    let _ = parse_id::<JobId>("job_id", text);
}

/// What is read prints as something that is read as the same.
fn again<T: std::str::FromStr<Err: std::fmt::Debug> + ToString + PartialEq + std::fmt::Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let printed = value.to_string();
    assert_eq!(
        printed.parse::<T>().expect("what was printed is read"),
        value,
        "{text:?} printed {printed:?}"
    );
}
