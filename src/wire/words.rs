//! The small words on the wire: enums, ids and results, and the same in the domain.

use std::fmt::Display;
use std::str::FromStr;

use super::{duration, pb, read_duration};
use crate::domain::{
    Action, BizLogLevel, BizLogLine, ContentType, DstRule, ExecutionId, FieldError, JobType, OnConflict,
    Outcome, limits,
};

/// Reads an id such as `42.0`.
///
/// # Errors
/// The violation, named `field`.
pub fn parse_id<Id: FromStr<Err: Display>>(field: &'static str, text: &str) -> Result<Id, FieldError> {
    text.parse().map_err(|wrong: Id::Err| FieldError::new(field, wrong.to_string()))
}

macro_rules! same_words {
    ($domain:ty, $wire:ident { $($theirs:ident <=> $ours:path),* $(,)? }) => {
        impl From<$domain> for pb::$wire {
            fn from(word: $domain) -> pb::$wire {
                match word { $($ours => pb::$wire::$theirs),* }
            }
        }
        impl pb::$wire {
            /// The domain's word; `None` when it is not given.
            pub fn to_domain(self) -> Option<$domain> {
                match self { pb::$wire::Unspecified => None, $(pb::$wire::$theirs => Some($ours)),* }
            }
        }
    };
}

same_words!(Action, Action {
    ExecuteSuccess <=> Action::ExecuteSuccess,
    ExecuteFailed <=> Action::ExecuteFailed,
    ExecuteLater <=> Action::ExecuteLater,
    ExecuteException <=> Action::ExecuteException,
});
same_words!(BizLogLevel, LogLevel {
    Debug <=> BizLogLevel::Debug,
    Info <=> BizLogLevel::Info,
    Warn <=> BizLogLevel::Warn,
    Error <=> BizLogLevel::Error,
});
same_words!(JobType, JobType {
    RealTime <=> JobType::RealTime,
    TriggerTime <=> JobType::TriggerTime,
    Cron <=> JobType::Cron,
    Repeat <=> JobType::Repeat,
});
same_words!(OnConflict, OnConflict {
    Ignore <=> OnConflict::Ignore,
    Replace <=> OnConflict::Replace,
    Reject <=> OnConflict::Reject,
});
same_words!(DstRule, DstRule {
    Auto <=> DstRule::Auto,
    SkipSecond <=> DstRule::SkipSecond,
    SkipFirst <=> DstRule::SkipFirst,
    ShiftFirst <=> DstRule::ShiftFirst,
    ShiftBoth <=> DstRule::ShiftBoth,
});

/// Reads an enum, `None` when it is not given.
///
/// # Errors
/// The violation, named `field`, when this version does not know the number.
pub(super) fn read_enum<E: TryFrom<i32>>(field: &'static str, number: i32) -> Result<E, FieldError> {
    E::try_from(number)
        .map_err(|_| FieldError::new(field, format!("is {number}; this version does not know it")))
}

/// The media type of a payload whose submitter named none.
pub(super) fn octet_stream() -> ContentType {
    ContentType::new("application/octet-stream").expect("a fixed name within the limits")
}

/// What an execution reports, parsed; what is too long is cut, since a result must never be refused for its size.
///
/// # Errors
/// One violation for each field that is wrong.
pub fn parse_result(result: pb::ExecutionResult) -> Result<(ExecutionId, Outcome), Vec<FieldError>> {
    let mut wrong = Vec::new();
    let action = read_enum::<pb::Action>("action", result.action);
    let action = action.and_then(|action| {
        action
            .to_domain()
            .ok_or_else(|| FieldError::new("action", "is missing; give one of the four outcomes"))
    });
    let retry_after = result.retry_after.map(read_duration).transpose();
    let retry_after = retry_after.map_err(|problem| FieldError::new("retry_after", problem));
    match (action, retry_after) {
        (Ok(action), Ok(retry_after)) => {
            let mut bytes = result.result;
            bytes.truncate(limits::RESULT_BYTES_MAX);
            let error = cut(result.error, limits::ERROR_BYTES_MAX);
            return Ok((
                ExecutionId::from_u64(result.execution),
                Outcome { action, result: bytes, error, retry_after },
            ));
        }
        (action, retry_after) => wrong.extend(action.err().into_iter().chain(retry_after.err())),
    }
    Err(wrong)
}

/// The wire form of what an execution reports, without its times and its run.
pub fn result_to_wire(execution: ExecutionId, outcome: Outcome) -> pb::ExecutionResult {
    pb::ExecutionResult {
        execution: execution.as_u64(),
        action: pb::Action::from(outcome.action).into(),
        result: outcome.result,
        error: outcome.error,
        retry_after: outcome.retry_after.map(duration),
        start_time: None,
        end_time: None,
        run_id: String::new(),
        resent: false,
    }
}

/// The wire form of one biz log line.
pub fn line_to_wire(number: u64, line: BizLogLine) -> pb::BizLogLine {
    let level = pb::LogLevel::from(line.level).into();
    pb::BizLogLine { number, time: Some(super::timestamp(line.at)), level, text: line.text }
}

/// At most `bytes_max` bytes of `text`, cut between characters.
pub fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_reads_back_and_is_cut_rather_than_refused() {
        let outcome = Outcome {
            action: Action::ExecuteLater,
            result: vec![7; limits::RESULT_BYTES_MAX + 1].into(),
            error: "é".repeat(limits::ERROR_BYTES_MAX),
            retry_after: Some(crate::domain::Millis::new(1500)),
        };
        let execution = ExecutionId::from_u64(42 << 20);
        let (read, result) = parse_result(result_to_wire(execution, outcome.clone())).expect("is right");
        assert_eq!(
            (read, result.action, result.retry_after),
            (execution, outcome.action, outcome.retry_after)
        );
        assert_eq!(
            (result.result.len(), result.error.len()),
            (limits::RESULT_BYTES_MAX, limits::ERROR_BYTES_MAX)
        );
    }

    #[test]
    fn a_result_without_an_action_is_refused_by_name() {
        let retry_after = Some(prost_types::Duration { seconds: -1, nanos: 0 });
        let wrong =
            parse_result(pb::ExecutionResult { retry_after, ..Default::default() }).expect_err("is wrong");
        let fields: Vec<&str> = wrong.iter().map(|violation| violation.field.as_ref()).collect();
        assert_eq!(fields, ["action", "retry_after"]);
    }

    #[test]
    fn an_id_that_is_none_is_named() {
        let wrong =
            parse_id::<crate::domain::RunId>("run_id", "42.0").expect_err("a job's id is not a run's");
        assert_eq!(wrong.to_string(), "run_id: \"42.0\" is not an id such as 42.0/3");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("aé".into(), 2), "a");
        assert_eq!(cut("aé".into(), 3), "aé");
    }
}
