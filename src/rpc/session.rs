//! A TaskTracker's messages as the leader's words, and back.

use std::collections::BTreeSet;

use crate::domain::{
    BizLogLevel, BizLogLine, ExecutionId, FieldError, Identity, Kind, Millis, NodeGroup, RunId, Timestamp,
    limits,
};
use crate::jobtracker::SessionTimes;
use crate::jobtracker::session::{ExecutionResult, FromTracker, Hello, Lines, Refused, Sample, ToTracker};
use crate::machine::limits::{CAPACITY_MAX, Limits};
use crate::machine::reply::{CompleteAnswer, Push};
use crate::machine::stats::{ProcessStats, TrackerStats};
use crate::wire::pb::session_request::Message as Request;
use crate::wire::pb::session_response::Message as Response;
use crate::wire::{Reason, cut, duration, parse_result, pb, read_duration, read_timestamp, timestamp};

/// The longest biz log line in bytes; a longer one is cut.
const LINE_BYTES_MAX: usize = 8 << 10;

pub(super) fn hello(hello: pb::Hello) -> Result<Hello, Vec<FieldError>> {
    let mut wrong = Vec::new();
    let (group, identity) = (NodeGroup::new(hello.node_group), Identity::new(hello.identity));
    if !(1..=CAPACITY_MAX).contains(&hello.capacity) {
        wrong.push(FieldError::new("capacity", format!("is {}; 1 to {CAPACITY_MAX}", hello.capacity)));
    }
    let kinds: Result<BTreeSet<Kind>, FieldError> = hello.kinds.into_iter().map(Kind::new).collect();
    match (group, identity, kinds) {
        (Ok(node_group), Ok(identity), Ok(kinds)) if wrong.is_empty() => Ok(Hello {
            node_group,
            identity,
            start: hello.start_number,
            capacity: hello.capacity,
            kinds,
            running: ids(hello.running),
            owed: ids(hello.owed),
            draining: hello.draining,
            stream_number: hello.stream_number,
        }),
        (group, identity, kinds) => {
            wrong.extend(group.err().into_iter().chain(identity.err()).chain(kinds.err()));
            Err(wrong)
        }
    }
}

fn ids(ids: Vec<u64>) -> BTreeSet<ExecutionId> {
    ids.into_iter().map(ExecutionId::from_u64).collect()
}

/// What a message says, or what is wrong with it; `None` for what this release does not act on.
pub(super) fn from_tracker(message: Request) -> Result<Option<FromTracker>, Vec<FieldError>> {
    Ok(Some(match message {
        Request::Hello(_) => return Err(vec![FieldError::new("hello", "came twice; one a stream")]),
        Request::Pull(pull) => FromTracker::Accepting(pull.free_slots > 0),
        Request::Completed(completed) => FromTracker::Completed {
            results: completed.results.into_iter().map(result).collect::<Result<_, _>>()?,
            has_room: completed.free_slots > 0,
        },
        Request::BizLogs(logs) => {
            FromTracker::BizLogs(logs.executions.into_iter().filter_map(lines).collect())
        }
        Request::Heartbeat(beat) => {
            FromTracker::Heartbeat { sequence: beat.sequence, running: ids(beat.running) }
        }
        Request::Returned(returned) => {
            let began = returned.reason() == pb::ReturnReason::Interrupted;
            FromTracker::Returned { executions: ids(returned.executions).into_iter().collect(), began }
        }
        Request::AskAnswer(answer) => {
            let unknown = |standing: &pb::ExecutionStanding| standing.standing() == pb::Standing::Unknown;
            let unknown = answer.executions.into_iter().filter(unknown);
            FromTracker::Unknown(unknown.map(|standing| ExecutionId::from_u64(standing.execution)).collect())
        }
        Request::Leave(leave) if leave.done => FromTracker::Left,
        Request::Leave(_) => FromTracker::Accepting(false),
        Request::Resize(pb::Resize { slots }) if (1..=CAPACITY_MAX).contains(&slots) => {
            FromTracker::Resize(slots)
        }
        Request::Resize(pb::Resize { slots }) => {
            let problem = format!("is {slots}; 1 to {CAPACITY_MAX}");
            return Err(vec![FieldError::new("resize.slots", problem)]);
        }
        Request::Samples(told) => FromTracker::Samples(told.samples.into_iter().filter_map(sample).collect()),
        Request::Progress(_) => return Ok(None),
    }))
}

/// One without a time is of no minute.
fn sample(told: pb::Sample) -> Option<Sample> {
    let minute = told.minute.and_then(|at| read_timestamp(at).ok())?;
    let span = |span: Option<prost_types::Duration>| {
        span.and_then(|span| read_duration(span).ok()).unwrap_or(Millis::ZERO)
    };
    let stats = TrackerStats {
        exe_success: told.exe_success,
        exe_failed: told.exe_failed,
        exe_later: told.exe_later,
        exe_exception: told.exe_exception,
        running_time: span(told.running_time),
        fail_store_bytes: told.fail_store_bytes,
        running: told.running,
        slots: told.slots,
        process: ProcessStats {
            memory_bytes: told.memory_bytes,
            cpu: span(told.cpu),
            threads: told.threads,
            tasks: told.tasks,
            open_files: told.open_files,
        },
    };
    Some(Sample { number: told.number, minute, stats })
}

fn result(result: pb::ExecutionResult) -> Result<ExecutionResult, Vec<FieldError>> {
    // Only for the job log: a result without it counts all the same.
    let run: Option<RunId> = result.run_id.parse().ok();
    let read = |at: Option<prost_types::Timestamp>| at.and_then(|at| read_timestamp(at).ok());
    let took = read(result.end_time).zip(read(result.start_time)).map(|(end, start)| end.since(start));
    let resent = result.resent;
    parse_result(result).map(|(execution, outcome)| ExecutionResult { execution, run, outcome, resent, took })
}

/// The lines of one execution; they are numbered without gaps, since a lost one is sent again.
fn lines(of: pb::ExecutionLines) -> Option<Lines> {
    let first = of.lines.first()?.number;
    let line = |line: pb::BizLogLine| {
        let level = line.level().to_domain().unwrap_or(BizLogLevel::Info);
        let at = line.time.and_then(|at| read_timestamp(at).ok()).unwrap_or(Timestamp::ZERO);
        BizLogLine { at, level, text: cut(line.text, LINE_BYTES_MAX) }
    };
    let lines = of.lines.into_iter().map(line).collect();
    Some(Lines { execution: ExecutionId::from_u64(of.execution), first, lines })
}

/// What a session is told about how it is run.
pub(super) struct Terms {
    pub(super) times: SessionTimes,
    pub(super) limits: Limits,
    pub(super) leader: String,
}

pub(super) fn to_tracker(message: ToTracker, terms: &Terms) -> pb::SessionResponse {
    let message = match message {
        ToTracker::Welcome { session, term } => Response::Welcome(pb::Welcome {
            session_id: session.to_string(),
            term,
            heartbeat_interval: Some(duration(terms.times.heartbeat.into())),
            stop_working_after: Some(duration(terms.times.stop_working_after.into())),
            limits: Some(pb::SessionLimits {
                result_bytes_max: u32::try_from(limits::RESULT_BYTES_MAX).expect("64 KiB"),
                error_bytes_max: u32::try_from(limits::ERROR_BYTES_MAX).expect("8 KiB"),
                biz_log_bytes_max: terms.limits.biz_log_bytes_max,
                terminate_grace: Some(duration(terms.times.terminate_grace.into())),
            }),
            leader: terms.leader.clone(),
        }),
        ToTracker::Refused(refused) => Response::Refused(refusal(refused)),
        ToTracker::Push { term, pushes } => {
            Response::Push(pb::Push { jobs: pushes.into_iter().map(|push| job_push(push, term)).collect() })
        }
        ToTracker::HeartbeatAck(sequence) => Response::HeartbeatAck(pb::HeartbeatAck { sequence }),
        ToTracker::CompletedAck(answers) => {
            Response::CompletedAck(pb::CompletedAck { answers: answers.into_iter().map(answer).collect() })
        }
        ToTracker::BizLogsAck(acks) => {
            let ack = |(execution, up_to): (ExecutionId, u64)| pb::ExecutionLinesAck {
                execution: execution.as_u64(),
                up_to,
            };
            Response::BizLogsAck(pb::BizLogsAck { executions: acks.into_iter().map(ack).collect() })
        }
        ToTracker::SamplesAck(up_to) => Response::SamplesAck(pb::SamplesAck { up_to }),
        ToTracker::Terminate { execution, why } => Response::Terminate(pb::Terminate {
            execution: execution.as_u64(),
            reason: why.to_owned(),
            grace: Some(duration(terms.times.terminate_grace.into())),
        }),
        ToTracker::Ask(executions) => {
            Response::Ask(pb::Ask { executions: executions.into_iter().map(ExecutionId::as_u64).collect() })
        }
        ToTracker::Drain { draining, leave, reason } => {
            Response::Drain(pb::Drain { draining, leave, reason })
        }
        ToTracker::Resize(slots) => Response::Resize(pb::Resize { slots }),
    };
    pb::SessionResponse { message: Some(message) }
}

fn refusal(refused: Refused) -> pb::Refused {
    let (reason, message) = match refused {
        Refused::IdentityInUse => (Reason::IdentityInUse, "another live TaskTracker has this identity"),
        Refused::Replaced => (Reason::StreamReplaced, "another stream of this TaskTracker took over"),
        Refused::SessionEnded => (Reason::SessionUnknown, "the session has ended; say hello again"),
        Refused::NotLeader => (Reason::NotLeader, "this JobTracker no longer leads"),
    };
    pb::Refused { reason: reason.as_str().to_owned(), message: message.to_owned(), retry_after: None }
}

fn answer((execution, answer): (ExecutionId, CompleteAnswer)) -> pb::CompletedAnswer {
    let outcome = match answer {
        CompleteAnswer::Accepted => pb::CompletedOutcome::Accepted,
        CompleteAnswer::Stale => pb::CompletedOutcome::Stale,
    };
    pb::CompletedAnswer { execution: execution.as_u64(), outcome: outcome.into() }
}

fn job_push(push: Push, term: u64) -> pb::JobPush {
    let spec = &push.spec;
    pb::JobPush {
        execution: push.execution.as_u64(),
        execution_id: push.execution.to_string(),
        run_id: push.run.to_string(),
        job_id: push.run.job.to_string(),
        task_id: spec.task_id.to_string(),
        node_group: spec.node_group.to_string(),
        kind: spec.kind.to_string(),
        content_type: spec.content_type.to_string(),
        payload: spec.payload.clone(),
        params: spec.params.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        attempt: push.attempt,
        retries: push.retries,
        reclaims: push.reclaims,
        planned_time: Some(timestamp(push.due)),
        due_time: Some(timestamp(push.due)),
        start_at: None,
        run_timeout: spec.run_timeout.map(duration),
        deadline: None,
        term,
        trace: spec.trace.clone().map(Into::into),
    }
}
