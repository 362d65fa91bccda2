//! Why a call was refused or failed: one enum that yields the code, both protocols' status, and what to do.
//!
//! A reason travels as google.rpc.ErrorInfo with domain `raftsman`. Names never change and are never reused.
//! `docs/errors.md` is made from this file by its test.

use std::fmt;

use tonic::Code;

macro_rules! reasons {
    ($($name:ident $text:literal $code:ident $http:literal $retry:ident exit $exit:literal: $means:literal fix $fix:literal)*) => {
        /// Why a call was refused or failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $means] $name,)*
        }

        impl Reason {
            /// All reasons, in the order of `docs/errors.md`.
            pub const ALL: &'static [Reason] = &[$(Reason::$name),*];

            /// The name on the wire, such as `NO_LEADER`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $text),* }
            }

            /// The gRPC status code.
            pub const fn code(self) -> Code {
                match self { $(Reason::$name => Code::$code),* }
            }

            /// The HTTP status.
            pub const fn http_status(self) -> u16 {
                match self { $(Reason::$name => $http),* }
            }

            /// Whether the same call, with the same idempotency, may be made again as it is.
            pub const fn is_retryable(self) -> bool {
                matches!(match self { $(Reason::$name => Repeat::$retry),* }, Repeat::Again)
            }

            /// What a command line tool should exit with.
            pub const fn exit_code(self) -> u8 {
                match self { $(Reason::$name => $exit),* }
            }

            /// What it means, one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Reason::$name => $means),* }
            }

            /// What to do about it, one sentence.
            pub const fn fix(self) -> &'static str {
                match self { $(Reason::$name => $fix),* }
            }
        }
    };
}

enum Repeat {
    Again,
    Never,
}

reasons! {
    InvalidArgument "INVALID_ARGUMENT" InvalidArgument 400 Never exit 2:
        "A field of the request is wrong; each violation names one."
        fix "Correct the named fields and call again."
    PageTokenInvalid "PAGE_TOKEN_INVALID" InvalidArgument 400 Never exit 2:
        "The page token is not one that this listing gave out, or the filters changed."
        fix "List from the first page again."
    RequestTooLarge "REQUEST_TOO_LARGE" OutOfRange 413 Never exit 2:
        "The request is larger than 4 MiB or has more than 10,000 jobs."
        fix "Send it in several smaller requests."
    Unsupported "UNSUPPORTED" Unimplemented 501 Never exit 1:
        "This JobTracker does not know the call or the option."
        fix "Compare the versions of both sides; upgrade the older one."
    JobNotFound "JOB_NOT_FOUND" NotFound 404 Never exit 3:
        "No such job is known; finished ones are forgotten after 7 days."
        fix "Look for it with `raftsman job list`."
    RunNotFound "RUN_NOT_FOUND" NotFound 404 Never exit 3:
        "No such run is known; finished ones are forgotten after 7 days."
        fix "Look for it with `raftsman job get`."
    NodeNotFound "NODE_NOT_FOUND" NotFound 404 Never exit 3:
        "No such JobTracker is a member or answers."
        fix "Look for it with `raftsman cluster status`."
    GroupNotFound "GROUP_NOT_FOUND" NotFound 404 Never exit 3:
        "No such node group is known: no job was submitted to it and no TaskTracker of it was seen."
        fix "Look for it with `raftsman group list`."
    GroupInUse "GROUP_IN_USE" FailedPrecondition 412 Never exit 6:
        "The node group has live jobs, finished runs that are kept, or TaskTrackers that are online."
        fix "Cancel its jobs, stop its TaskTrackers, and wait until its finished runs are forgotten."
    JobExists "JOB_EXISTS" AlreadyExists 409 Never exit 6:
        "A live job has this task id in this node group, and the submit said REJECT."
        fix "Cancel the live job, take another task id, or submit with IGNORE or REPLACE."
    RevisionConflict "REVISION_CONFLICT" Aborted 409 Never exit 6:
        "The job has another revision than the expected one; the message names it."
        fix "Read the job, and decide anew on what it is now."
    TooManyRuns "TOO_MANY_RUNS" FailedPrecondition 409 Never exit 6:
        "So many runs of the job are live that none is added by hand."
        fix "Wait until some of them have ended, or cancel the job."
    IdempotencyMismatch "IDEMPOTENCY_MISMATCH" AlreadyExists 409 Never exit 6:
        "The sequence or request id was used for another request."
        fix "Use a new one for each new request and the old one only for a retry."
    SequenceForgotten "SEQUENCE_FORGOTTEN" FailedPrecondition 412 Never exit 6:
        "The answer to this sequence is no longer remembered, so whether it was done is unknown; nothing was done now."
        fix "Read the job by its task id to see what became of it."
    ClientUnknown "CLIENT_UNKNOWN" FailedPrecondition 412 Never exit 6:
        "The client session is not known or has expired."
        fix "Open a new client session; read before repeating what may have been done."
    SessionUnknown "SESSION_UNKNOWN" FailedPrecondition 412 Never exit 6:
        "The TaskTracker's session is not known."
        fix "Attach again without a session id."
    StreamReplaced "STREAM_REPLACED" Aborted 409 Again exit 6:
        "Another stream of the same TaskTracker process carries its session."
        fix "Go on with the newest stream; if this is it, attach again."
    TaskTrackerUnknown "TASKTRACKER_UNKNOWN" NotFound 404 Never exit 3:
        "No TaskTracker of this identity is known in the node group."
        fix "See `raftsman tasktracker list`."
    TaskTrackerOffline "TASKTRACKER_OFFLINE" FailedPrecondition 412 Never exit 6:
        "The TaskTracker is not online, so it cannot be told to leave."
        fix "Drain it without leaving: a later start of it gets nothing."
    IdentityInUse "IDENTITY_IN_USE" AlreadyExists 409 Never exit 6:
        "Another live TaskTracker process has this identity."
        fix "Give each TaskTracker its own identity, or wait until the other one is offline."
    NotLeader "NOT_LEADER" Unavailable 503 Again exit 4:
        "The JobTracker that was asked does not lead and could not forward the call."
        fix "Call again; the client follows the leader."
    NoLeader "NO_LEADER" Unavailable 503 Again exit 4:
        "The cluster has no leader at this moment."
        fix "Call again; if it lasts, see `raftsman cluster status` for missing JobTrackers."
    NotInitialized "NOT_INITIALIZED" Unavailable 503 Again exit 4:
        "The JobTracker is not part of a cluster yet."
        fix "Run `raftsman cluster init` once, or add the node."
    NoJobTracker "NO_JOBTRACKER" Unavailable 503 Again exit 4:
        "No JobTracker could be reached, or the connection broke before the answer."
        fix "Check the addresses (RAFTSMAN_ADDR) and that the JobTrackers run."
    ShuttingDown "SHUTTING_DOWN" Unavailable 503 Again exit 4:
        "The JobTracker is stopping."
        fix "Call again; another JobTracker answers."
    DeadlineExceeded "DEADLINE_EXCEEDED" DeadlineExceeded 504 Again exit 4:
        "There was no answer in time; a mutating call may have been done."
        fix "Call again with the same sequence or request id, or give it more time."
    OutcomeUnknown "OUTCOME_UNKNOWN" Unavailable 503 Again exit 4:
        "The leader changed while the command was under way; it may have been done."
        fix "Call again with the same sequence or request id: it is done once."
    Busy "BUSY" ResourceExhausted 429 Again exit 4:
        "The cluster has more to do than it can take in now."
        fix "Call again after the time that the answer names."
    DiskLow "DISK_LOW" ResourceExhausted 429 Again exit 4:
        "A JobTracker has less than a tenth of its disk free; completions and cancels still pass."
        fix "Free space on the JobTrackers' disks."
    SubmitLimited "SUBMIT_LIMITED" ResourceExhausted 429 Again exit 4:
        "The JobClient's own limit of jobs a second was reached; the cluster was not asked."
        fix "Submit more slowly, or raise the limit that the client was built with."
    FailStoreFull "FAIL_STORE_FULL" ResourceExhausted 507 Never exit 4:
        "No JobTracker answers, and the JobClient's FailStore has no room for more."
        fix "Bring a JobTracker back; look into the FailStore with `raftsman fail-store status`, or give it more room."
    MembershipBusy "MEMBERSHIP_BUSY" Aborted 409 Again exit 6:
        "Another change of the membership is under way."
        fix "Call again when `raftsman cluster status` shows it done."
    NodeBehind "NODE_BEHIND" FailedPrecondition 412 Never exit 6:
        "The JobTracker has not caught up with the log."
        fix "Wait until its lag is small, then promote it."
    MajorityAtRisk "MAJORITY_AT_RISK" FailedPrecondition 412 Never exit 6:
        "The change would leave the cluster without a majority of live voters."
        fix "Bring the missing JobTrackers back or add others first."
    Internal "INTERNAL" Internal 500 Never exit 1:
        "A fault of Raftsman itself."
        fix "Please report it with the JobTrackers' logs."
}

impl Reason {
    /// The reason that is written so on the wire.
    pub fn from_wire(text: &str) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let mut page = String::from(
            "# Errors\n\nEvery refusal and failure carries one of these reasons, as `google.rpc.ErrorInfo` with domain \
             `raftsman` (gRPC) or in `error.details` (HTTP).\nThe trailer `x-raftsman-outcome: not-applied` is there \
             only when nothing was, or will be, done; without it the outcome\nof a failed mutating call is unknown, and \
             a retry with the same sequence or request id is done once.\n\n<!-- made from src/wire/reason.rs: \
             UPDATE_EXPECT=1 cargo test --lib wire::reason -->\n",
        );
        for reason in Reason::ALL {
            let again = if reason.is_retryable() { "call again as it is" } else { "do not repeat as it is" };
            page += &format!(
                "\n## {reason}\n\n{}\n\n{}\n\ngRPC `{:?}`, HTTP {}, exit code {}; {again}.\n",
                reason.meaning(),
                reason.fix(),
                reason.code(),
                reason.http_status(),
                reason.exit_code(),
            );
        }
        page
    }

    #[test]
    fn the_errors_page_lists_every_reason() {
        expect_test::expect_file!["../../docs/errors.md"].assert_eq(&page());
    }

    #[test]
    fn a_reason_reads_back_from_the_wire_and_fits_error_info() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_wire(reason.as_str()), Some(*reason));
            let legal = |c: char| c.is_ascii_uppercase() || c == '_';
            assert!(reason.as_str().len() <= 63 && reason.as_str().chars().all(legal), "{reason}");
        }
        assert_eq!(Reason::from_wire("NO_SUCH_REASON"), None);
    }
}
