//! How a command fails: what is told on stderr, and the exit code that scripts see.

use std::fmt::Write as _;
use std::io;

use crate::client::ClientError;
use crate::domain::FieldError;
use crate::wire::Reason;

/// Ctrl-C, as shells count it.
const INTERRUPTED: u8 = 130;

/// Why a command did not do what was asked, named by its exit code.
#[derive(Debug)]
pub(super) enum Failure {
    /// 1: it was tried and went wrong.
    Failed(anyhow::Error),
    /// 2: the command line or a field is wrong.
    Usage(Vec<FieldError>),
    /// By its reason: the cluster said no or could not be asked.
    Cluster(ClientError),
    /// 3: it does not exist.
    NotFound(String),
    /// 6: it is not in the state that this needs.
    Conflict(String),
    /// 7: the job ended otherwise than with success. It was shown already.
    Unsuccessful,
    /// 9: no JobTracker answered, and the FailStore has it. It was shown already.
    SavedLocally,
    /// 130: Ctrl-C.
    Interrupted,
}

/// What a command returns.
pub(super) type Outcome = Result<(), Failure>;

impl Failure {
    pub(super) fn usage(field: &'static str, problem: impl Into<String>) -> Failure {
        Failure::Usage(vec![FieldError::new(field, problem)])
    }

    /// Whoever read our output has gone away, which is no error of ours.
    pub(super) fn is_broken_pipe(&self) -> bool {
        let Failure::Failed(error) = self else { return false };
        let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        error.chain().filter_map(|cause| cause.downcast_ref()).any(broken)
    }

    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Cluster(ClientError::Unsuccessful { .. }) | Failure::Unsuccessful => 7,
            Failure::Cluster(error) => error.reason().map_or(1, Reason::exit_code),
            Failure::NotFound(_) => 3,
            Failure::Conflict(_) => 6,
            Failure::SavedLocally => 9,
            Failure::Interrupted => INTERRUPTED,
        }
    }

    /// What stderr shows: what is wrong, with its reason and fields, and what to do; empty if nothing is to be said.
    pub(super) fn message(&self) -> String {
        match self {
            Failure::Failed(error) => format!("error: {error:#}\n"),
            Failure::Usage(wrong) => fields("error: the command is wrong", wrong),
            Failure::Cluster(error) => cluster(error),
            Failure::NotFound(text) | Failure::Conflict(text) => format!("error: {text}\n"),
            Failure::Unsuccessful | Failure::SavedLocally | Failure::Interrupted => String::new(),
        }
    }
}

fn fields(title: &str, wrong: &[FieldError]) -> String {
    let mut text = format!("{title}\n");
    for violation in wrong {
        writeln!(text, "  {violation}").expect("a String takes everything");
    }
    text
}

fn cluster(error: &ClientError) -> String {
    let (title, fault) = match error {
        ClientError::Refused(fault) => ("refused", fault),
        ClientError::NotDone(fault) => ("nothing was done", fault),
        ClientError::Unknown(fault) => ("it is not known whether it was done", fault),
        ClientError::Wrong(wrong) => {
            return fields("error: the command is wrong", std::slice::from_ref(wrong));
        }
        ClientError::FailStore(_) | ClientError::Unsuccessful { .. } | ClientError::Undecodable { .. } => {
            return format!("error: {error}\n");
        }
    };
    let mut text = match fault.violations.is_empty() {
        true => format!("error: {title}: {} [{}]\n", fault.message, fault.reason),
        false => fields(&format!("error: {title} [{}]", fault.reason), &fault.violations),
    };
    writeln!(text, "  {}", fault.reason.fix()).expect("a String takes everything");
    text
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::Cluster(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Failure {
        Failure::Failed(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Failed(error.into())
    }
}

impl From<FieldError> for Failure {
    fn from(wrong: FieldError) -> Failure {
        Failure::Usage(vec![wrong])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Fault;

    fn of(reason: Reason) -> Failure {
        ClientError::Refused(Fault::not_applied(reason, "no")).into()
    }

    #[test]
    fn each_kind_of_failure_has_its_exit_code() {
        let io = io::Error::other("disk on fire");
        let codes = [
            (Failure::from(io), 1),
            (Failure::usage("--every", "is 0"), 2),
            (of(Reason::InvalidArgument), 2),
            (of(Reason::JobNotFound), 3),
            (Failure::NotFound("no such run".into()), 3),
            (of(Reason::NoJobTracker), 4),
            (of(Reason::NoLeader), 4),
            (of(Reason::DeadlineExceeded), 4),
            (of(Reason::JobExists), 6),
            (Failure::Conflict("it has ended".into()), 6),
            (Failure::Unsuccessful, 7),
            (Failure::SavedLocally, 9),
            (Failure::Interrupted, 130),
        ];
        for (failure, code) in codes {
            assert_eq!(failure.exit_code(), code, "{failure:?}");
        }
    }

    #[test]
    fn no_reason_has_a_code_that_the_documentation_does_not_list() {
        for reason in Reason::ALL {
            assert!((1..=8).contains(&reason.exit_code()), "{reason}");
        }
    }

    #[test]
    fn an_error_tells_its_reason_its_fields_and_what_to_do() {
        let wrong = vec![
            FieldError::new("cron.expression", "has 3 fields; give 5 to 7"),
            FieldError::new("cron.time_zone", "is \"Mars\"; give an IANA zone"),
        ];
        let refused = Failure::from(ClientError::Refused(Fault::wrong_fields(wrong)));
        let unknown = Fault::unknown(Reason::OutcomeUnknown, "the leader changed");
        let text = refused.message()
            + &Failure::from(ClientError::Unknown(unknown)).message()
            + &Failure::usage("--count", "is given without --every").message();
        expect_test::expect![[r#"
            error: refused [INVALID_ARGUMENT]
              cron.expression: has 3 fields; give 5 to 7
              cron.time_zone: is "Mars"; give an IANA zone
              Correct the named fields and call again.
            error: it is not known whether it was done: the leader changed [OUTCOME_UNKNOWN]
              Call again with the same sequence or request id: it is done once.
            error: the command is wrong
              --count: is given without --every
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let broken: Failure = io::Error::from(io::ErrorKind::BrokenPipe).into();
        let other: Failure = io::Error::from(io::ErrorKind::NotFound).into();
        assert!(broken.is_broken_pipe() && !other.is_broken_pipe());
    }
}
