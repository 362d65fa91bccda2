//! The client port's requests, from any bytes: refused with a reason that names what is wrong, or as the machine may trust
//! them; and applied entries as the export shows them.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

use super::{edge, export as log_export, job_logs, job_service, lists, page, session};
use crate::domain::{ExecutionId, JobId, RunId, Timestamp};
use crate::jobtracker::session::FromTracker;
use crate::machine::command::RequestKey;
use crate::machine::{LogPlace, Place, codec};
use crate::store::types::log_id;
use crate::store::{AppliedEntry, AppliedOutcome};
use crate::wire::pb;
use crate::wire::pb::session_request::Message as FromTaskTracker;

/// Which request, then its bytes.
pub(crate) fn request(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    match which % 8 {
        0 => submit(rest),
        1 => with(rest, |message: pb::CancelRequest| {
            let (id, task) = match message.target.clone() {
                Some(pb::cancel_request::Target::JobId(id)) => (Some(id), None),
                Some(pb::cancel_request::Target::Task(task)) => (None, Some(task)),
                None => (None, None),
            };
            edge::job_ref(id, task)?;
            edge::request_key(message.idempotency.clone(), "cancel", &message).map(drop)
        }),
        2 => with(rest, |message: pb::ListJobsRequest| {
            lists::filters(&message).place::<Place>(&message.page_token)?;
            page::size(message.page_size);
            lists::filter(&message).map(drop)
        }),
        3 => with(rest, |message: pb::WaitRequest| job_service::WaitFor::parse(message.target).map(drop)),
        4 => with(rest, |message: pb::GetLogsRequest| {
            page::Filters::of("logs", &message).place::<LogPlace>(&message.page_token)?;
            job_logs::parse_target(message.target).map(drop)
        }),
        5 => with(rest, |message: pb::ListRunsRequest| page::after::<u64>(&message.page_token).map(drop)),
        6 => with(rest, |message: pb::Job| {
            let now = Timestamp::from_millis(1_900_000_000_000);
            job_service::parse(message, now).map(drop).map_err(edge::wrong)
        }),
        _ => with(rest, |message: pb::RetryRequest| {
            edge::request_key(message.idempotency.clone(), "retry", &message).map(drop)
        }),
    }
}

fn with<M: Message + Default>(data: &[u8], take: impl FnOnce(M) -> Result<(), Status>) {
    let Ok(message) = M::decode(data) else { return };
    take(message).unwrap_or_else(|status| told(&status));
}

/// A refusal says what is wrong, and that it is the caller's request.
fn told(status: &Status) {
    assert!(!matches!(status.code(), Code::Unknown | Code::Internal | Code::Ok), "{status:?}");
    assert!(!status.message().is_empty(), "{status:?}");
}

/// The same request has the same fingerprint, however its sender wrote it; its trace does not count.
fn submit(data: &[u8]) {
    let Ok(mut message) = pb::SubmitRequest::decode(data) else { return };
    let Ok(mut again) = pb::SubmitRequest::decode(message.encode_to_vec().as_slice()) else {
        panic!("what was just encoded can be decoded")
    };
    again.jobs.iter_mut().for_each(|job| job.trace = Some(pb::TraceContext::default()));
    match (job_service::submit_key(&mut message), job_service::submit_key(&mut again)) {
        (Ok(key), Ok(same)) => assert_eq!(key, same, "one request, one key"),
        (Err(status), Err(_)) => told(&status),
        (one, other) => panic!("{one:?} and {other:?} of one request"),
    }
    let named = pb::Idempotency { request_id: "r".into(), ..Default::default() };
    let key = edge::request_key(Some(named), "submit", &message).expect("a right key");
    assert!(matches!(key, RequestKey::Id { .. }), "{key:?}");
}

/// What a TaskTracker says.
pub(crate) fn session(data: &[u8]) {
    let Ok(pb::SessionRequest { message: Some(message) }) = pb::SessionRequest::decode(data) else { return };
    if let FromTaskTracker::Hello(hello) = message {
        if let Err(violations) = session::hello(hello) {
            told(&edge::wrong(violations));
        }
        return;
    }
    match session::from_tracker(message) {
        Ok(Some(FromTracker::BizLogs(logs))) => {
            assert!(logs.iter().all(|lines| !lines.lines.is_empty()), "no lines are no message");
        }
        Ok(Some(_) | None) => {}
        Err(violations) => told(&edge::wrong(violations)),
    }
}

/// An entry after its length of two bytes, then replies, each after its length: as `log export` shows them.
pub(crate) fn export(data: &[u8]) {
    let mut parts = Parts(data);
    let entry = parts.next().and_then(|bytes| codec::decode_entry(bytes).ok()).map(Arc::new);
    let replies = parts.filter_map(|bytes| codec::decode_reply(bytes).ok()).collect();
    let outcome = Some(AppliedOutcome { digest: 7, replies });
    let record = log_export::record(&AppliedEntry { log_id: log_id(1, 2), entry, outcome });
    for shown in &record.commands {
        let json = serde_json::from_str::<serde_json::Value>(&shown.command_json);
        assert!(json.is_ok_and(|json| json.is_object()), "{}", shown.command_json);
    }
}

struct Parts<'a>(&'a [u8]);

impl Iterator for Parts<'_> {
    type Item = Bytes;
    fn next(&mut self) -> Option<Bytes> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (part, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        self.0 = rest;
        Some(Bytes::copy_from_slice(part))
    }
}

/// Where a listing goes on.
pub(crate) fn page(data: &[u8]) {
    let Ok(token) = std::str::from_utf8(data) else { return };
    page_of::<JobId>(token);
    page_of::<RunId>(token);
    page_of::<ExecutionId>(token);
    page_of::<u64>(token);
    page_of::<Place>(token);
    page_of::<LogPlace>(token);
}

fn page_of<T: std::str::FromStr + ToString + PartialEq + std::fmt::Debug>(token: &str) {
    match page::after::<T>(token) {
        Ok(None) => assert!(token.is_empty(), "{token:?} is the first page"),
        Ok(Some(place)) => {
            let again = page::after::<T>(&place.to_string()).expect("a page that we name is one");
            assert_eq!(again.as_ref(), Some(&place), "{token:?}");
        }
        Err(status) => told(&status),
    }
}
