//! The only module that knows how commands and rows become bytes.
//!
//! One frame each: tag, version, length of the body, length of the tail, body, tail. The body is bincode (fields by
//! position, integers of variable length); the tail holds payloads as they came, so that decoding shares them instead
//! of copying. Shapes only grow: a changed shape is a new version beside the old one, and tags never move. Golden bytes
//! in the tests hold this to its word.
//!
//! serde attributes that bincode writes but cannot read back (`tag`, `untagged`, `flatten`, `skip_serializing_if`) are
//! not for stored types.

use std::sync::Arc;

use bincode::error::DecodeError;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::command::{Command, LogEntry, Submit};
use super::key::tag;
use super::reply::Reply;
use super::row::{BodyRow, JobRow, Row};
use crate::domain::{JobId, JobSpec, Timestamp, share_names};

/// The format of an entry and of its frames.
const VERSION: u8 = 1;
/// The longest body of one frame: a batch of 10,000 jobs with long names fits.
const BODY_BYTES_MAX: usize = 16 << 20;
/// The most commands that an entry may claim to have, far above what admission lets in.
const COMMANDS_MAX: usize = 65_536;
const HEADER_BYTES: usize = 10;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("the bytes end after {have} of {need}")]
    Truncated { have: usize, need: usize },
    #[error("version {0} is not known; it was written by a newer release")]
    Version(u8),
    #[error("tag {0} is not known; it was written by a newer release")]
    Tag(u8),
    #[error("the body of tag {tag} is wrong: {problem}")]
    Body { tag: u8, problem: String },
    #[error("{0} bytes are left over")]
    Trailing(usize),
    #[error("{what} is {is}; at most {max}")]
    TooLarge { what: &'static str, is: usize, max: usize },
}

/// The stored tags of commands.
mod command_tag {
    pub(super) const CLIENT_OPEN: u8 = 1;
    pub(super) const SUBMIT: u8 = 2;
    pub(super) const CANCEL: u8 = 3;
    pub(super) const TERMINATE: u8 = 4;
    pub(super) const RETRY: u8 = 5;
    pub(super) const TRACKER_ONLINE: u8 = 6;
    pub(super) const TRACKER_OFFLINE: u8 = 7;
    pub(super) const DISPATCH: u8 = 8;
    pub(super) const RETURN: u8 = 9;
    pub(super) const COMPLETE: u8 = 10;
    pub(super) const RECLAIM: u8 = 11;
    pub(super) const PLAN: u8 = 12;
    pub(super) const TICK: u8 = 13;
    pub(super) const BIZ_LOG: u8 = 14;
    pub(super) const EXPIRE: u8 = 15;
    pub(super) const SET_LIMITS: u8 = 16;
    pub(super) const SUSPEND: u8 = 20;
    pub(super) const RESUME: u8 = 21;
    pub(super) const TRIGGER: u8 = 22;
    pub(super) const DELETE: u8 = 23;
    pub(super) const FEEDBACK_HEARD: u8 = 26;
    pub(super) const FEEDBACK_FAILED: u8 = 27;
    pub(super) const FEEDBACK_RETRY: u8 = 28;
    pub(super) const FEEDBACK_DROP: u8 = 29;
    pub(super) const DELETE_GROUP: u8 = 30;
    pub(super) const UPDATE: u8 = 34;
    pub(super) const PAUSE_QUEUE: u8 = 35;
    pub(super) const RESUME_QUEUE: u8 = 36;
    pub(super) const DRAIN: u8 = 37;
    pub(super) const UNDRAIN: u8 = 38;
    pub(super) const SET_SLOTS: u8 = 39;
    pub(super) const STATS: u8 = 32;
    pub(super) const SET_ALARMS: u8 = 40;
    pub(super) const ALARMS_TOLD: u8 = 41;
    pub(super) const SILENCE_ALARM: u8 = 42;
}

/// The tags of replies, which are sent between JobTrackers and never stored.
mod reply_tag {
    pub(super) const DONE: u8 = 1;
    pub(super) const CLIENT_OPENED: u8 = 2;
    pub(super) const SUBMITTED: u8 = 3;
    pub(super) const CANCELLED: u8 = 4;
    pub(super) const TERMINATING: u8 = 5;
    pub(super) const RETRIED: u8 = 6;
    pub(super) const ONLINE: u8 = 7;
    pub(super) const COMPLETED: u8 = 9;
    pub(super) const REFUSED: u8 = 10;
    pub(super) const AGAIN: u8 = 11;
    pub(super) const ACTED: u8 = 20;
    pub(super) const FEEDBACK_MOVED: u8 = 26;
    pub(super) const UPDATED: u8 = 34;
    pub(super) const SWITCHED: u8 = 35;
}

/// An entry as the log stores it and as JobTrackers send it.
pub fn encode_entry(entry: &LogEntry) -> Bytes {
    let mut out = BytesMut::with_capacity(256 * entry.commands.len() + 16);
    out.put_u8(VERSION);
    out.put_u64_le(entry.at.as_millis());
    out.put_u32_le(
        u32::try_from(entry.commands.len()).expect("admission keeps an entry far below 2^32 commands"),
    );
    for command in &entry.commands {
        put_command(&mut out, command);
    }
    out.freeze()
}

/// # Errors
/// If the bytes are not exactly one entry that this version knows.
pub fn decode_entry(mut bytes: Bytes) -> Result<LogEntry, CodecError> {
    need(&bytes, 13)?;
    let version = bytes.get_u8();
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    let at = Timestamp::from_millis(bytes.get_u64_le());
    let count = bytes.get_u32_le() as usize;
    if count > COMMANDS_MAX {
        return Err(CodecError::TooLarge { what: "the number of commands", is: count, max: COMMANDS_MAX });
    }
    let mut commands = Vec::with_capacity(count.min(bytes.len() / HEADER_BYTES));
    for _ in 0..count {
        commands.push(take_command(&mut bytes)?);
    }
    if bytes.is_empty() { Ok(LogEntry { at, commands }) } else { Err(CodecError::Trailing(bytes.len())) }
}

/// One command, for forwarding to the leader.
pub fn encode_command(command: &Command) -> Bytes {
    let mut out = BytesMut::with_capacity(256);
    put_command(&mut out, command);
    out.freeze()
}

/// # Errors
/// If the bytes are not exactly one command that this version knows.
pub fn decode_command(mut bytes: Bytes) -> Result<Command, CodecError> {
    let command = take_command(&mut bytes)?;
    if bytes.is_empty() { Ok(command) } else { Err(CodecError::Trailing(bytes.len())) }
}

fn put_command(out: &mut BytesMut, command: &Command) {
    use command_tag as t;
    match command {
        Command::ClientOpen(c) => put_frame(out, t::CLIENT_OPEN, c, &[]),
        Command::Submit(c) => put_frame(out, t::SUBMIT, c, &c.jobs),
        Command::Cancel(c) => put_frame(out, t::CANCEL, c, &[]),
        Command::Terminate(c) => put_frame(out, t::TERMINATE, c, &[]),
        Command::Retry(c) => put_frame(out, t::RETRY, c, &[]),
        Command::TrackerOnline(c) => put_frame(out, t::TRACKER_ONLINE, c, &[]),
        Command::TrackerOffline(c) => put_frame(out, t::TRACKER_OFFLINE, c, &[]),
        Command::Dispatch(c) => put_frame(out, t::DISPATCH, c, &[]),
        Command::Return(c) => put_frame(out, t::RETURN, c, &[]),
        Command::Complete(c) => put_frame(out, t::COMPLETE, c, &[]),
        Command::Reclaim(c) => put_frame(out, t::RECLAIM, c, &[]),
        Command::Plan(c) => put_frame(out, t::PLAN, c, &[]),
        Command::Tick => put_frame(out, t::TICK, &(), &[]),
        Command::BizLog(c) => put_frame(out, t::BIZ_LOG, c, &[]),
        Command::Expire => put_frame(out, t::EXPIRE, &(), &[]),
        Command::SetLimits(c) => put_frame(out, t::SET_LIMITS, c, &[]),
        Command::Suspend(c) => put_frame(out, t::SUSPEND, c, &[]),
        Command::Resume(c) => put_frame(out, t::RESUME, c, &[]),
        Command::Trigger(c) => put_frame(out, t::TRIGGER, c, &[]),
        Command::Delete(c) => put_frame(out, t::DELETE, c, &[]),
        Command::FeedbackHeard(c) => put_frame(out, t::FEEDBACK_HEARD, c, &[]),
        Command::FeedbackFailed(c) => put_frame(out, t::FEEDBACK_FAILED, c, &[]),
        Command::FeedbackRetry(c) => put_frame(out, t::FEEDBACK_RETRY, c, &[]),
        Command::FeedbackDrop(c) => put_frame(out, t::FEEDBACK_DROP, c, &[]),
        Command::DeleteGroup(c) => put_frame(out, t::DELETE_GROUP, c, &[]),
        Command::Update(c) => put_frame(out, t::UPDATE, c, &[]),
        Command::PauseQueue(c) => put_frame(out, t::PAUSE_QUEUE, c, &[]),
        Command::ResumeQueue(c) => put_frame(out, t::RESUME_QUEUE, c, &[]),
        Command::Drain(c) => put_frame(out, t::DRAIN, c, &[]),
        Command::Undrain(c) => put_frame(out, t::UNDRAIN, c, &[]),
        Command::SetSlots(c) => put_frame(out, t::SET_SLOTS, c, &[]),
        Command::Stats(c) => put_frame(out, t::STATS, c, &[]),
        Command::SetAlarms(c) => put_frame(out, t::SET_ALARMS, c, &[]),
        Command::AlarmsTold(c) => put_frame(out, t::ALARMS_TOLD, c, &[]),
        Command::SilenceAlarm(c) => put_frame(out, t::SILENCE_ALARM, c, &[]),
    }
}

fn take_command(bytes: &mut Bytes) -> Result<Command, CodecError> {
    use command_tag as t;
    let frame = take_frame(bytes)?;
    Ok(match frame.tag {
        t::CLIENT_OPEN => Command::ClientOpen(frame.body()?),
        t::SUBMIT => Command::Submit(frame.submit()?),
        t::CANCEL => Command::Cancel(frame.body()?),
        t::TERMINATE => Command::Terminate(frame.body()?),
        t::RETRY => Command::Retry(frame.body()?),
        t::TRACKER_ONLINE => Command::TrackerOnline(frame.body()?),
        t::TRACKER_OFFLINE => Command::TrackerOffline(frame.body()?),
        t::DISPATCH => Command::Dispatch(frame.body()?),
        t::RETURN => Command::Return(frame.body()?),
        t::COMPLETE => Command::Complete(frame.body()?),
        t::RECLAIM => Command::Reclaim(frame.body()?),
        t::PLAN => Command::Plan(frame.body()?),
        t::TICK => frame.body::<()>().map(|()| Command::Tick)?,
        t::BIZ_LOG => Command::BizLog(frame.body()?),
        t::EXPIRE => frame.body::<()>().map(|()| Command::Expire)?,
        t::SET_LIMITS => Command::SetLimits(frame.body()?),
        t::SUSPEND => Command::Suspend(frame.body()?),
        t::RESUME => Command::Resume(frame.body()?),
        t::TRIGGER => Command::Trigger(frame.body()?),
        t::DELETE => Command::Delete(frame.body()?),
        t::FEEDBACK_HEARD => Command::FeedbackHeard(frame.body()?),
        t::FEEDBACK_FAILED => Command::FeedbackFailed(frame.body()?),
        t::FEEDBACK_RETRY => Command::FeedbackRetry(frame.body()?),
        t::FEEDBACK_DROP => Command::FeedbackDrop(frame.body()?),
        t::DELETE_GROUP => Command::DeleteGroup(frame.body()?),
        t::UPDATE => Command::Update(frame.body()?),
        t::PAUSE_QUEUE => Command::PauseQueue(frame.body()?),
        t::RESUME_QUEUE => Command::ResumeQueue(frame.body()?),
        t::DRAIN => Command::Drain(frame.body()?),
        t::UNDRAIN => Command::Undrain(frame.body()?),
        t::SET_SLOTS => Command::SetSlots(frame.body()?),
        t::STATS => Command::Stats(frame.body()?),
        t::SET_ALARMS => Command::SetAlarms(frame.body()?),
        t::ALARMS_TOLD => Command::AlarmsTold(frame.body()?),
        t::SILENCE_ALARM => Command::SilenceAlarm(frame.body()?),
        unknown => return Err(CodecError::Tag(unknown)),
    })
}

/// A reply on its way back to the JobTracker that forwarded the command.
///
/// `Dispatched` never travels: only the leader dispatches, and it pushes by itself.
pub fn encode_reply(reply: &Reply) -> Bytes {
    use reply_tag as t;
    let mut out = BytesMut::with_capacity(64);
    match reply {
        Reply::Done | Reply::Dispatched(_) => put_frame(&mut out, t::DONE, &(), &[]),
        Reply::ClientOpened(r) => put_frame(&mut out, t::CLIENT_OPENED, r, &[]),
        Reply::Submitted(r) => put_frame(&mut out, t::SUBMITTED, r, &[]),
        Reply::Cancelled(r) => put_frame(&mut out, t::CANCELLED, r, &[]),
        Reply::Terminating(r) => put_frame(&mut out, t::TERMINATING, r, &[]),
        Reply::Retried(r) => put_frame(&mut out, t::RETRIED, r, &[]),
        Reply::Acted(r) => put_frame(&mut out, t::ACTED, r, &[]),
        Reply::Online(r) => put_frame(&mut out, t::ONLINE, r, &[]),
        Reply::Completed(r) => put_frame(&mut out, t::COMPLETED, r, &[]),
        Reply::Refused(r) => put_frame(&mut out, t::REFUSED, r, &[]),
        Reply::FeedbackMoved(r) => put_frame(&mut out, t::FEEDBACK_MOVED, r, &[]),
        Reply::Updated(r) => put_frame(&mut out, t::UPDATED, r, &[]),
        Reply::Switched(r) => put_frame(&mut out, t::SWITCHED, r, &[]),
        Reply::Again(first) => put_frame(&mut out, t::AGAIN, &encode_reply(first), &[]),
    }
    out.freeze()
}

/// # Errors
/// If the bytes are not exactly one reply that this version knows.
pub fn decode_reply(mut bytes: Bytes) -> Result<Reply, CodecError> {
    use reply_tag as t;
    let frame = take_frame(&mut bytes)?;
    if !bytes.is_empty() {
        return Err(CodecError::Trailing(bytes.len()));
    }
    Ok(match frame.tag {
        t::DONE => frame.body::<()>().map(|()| Reply::Done)?,
        t::CLIENT_OPENED => Reply::ClientOpened(frame.body()?),
        t::SUBMITTED => Reply::Submitted(frame.body()?),
        t::CANCELLED => Reply::Cancelled(frame.body()?),
        t::TERMINATING => Reply::Terminating(frame.body()?),
        t::RETRIED => Reply::Retried(frame.body()?),
        t::ACTED => Reply::Acted(frame.body()?),
        t::ONLINE => Reply::Online(frame.body()?),
        t::COMPLETED => Reply::Completed(frame.body()?),
        t::REFUSED => Reply::Refused(frame.body()?),
        t::FEEDBACK_MOVED => Reply::FeedbackMoved(frame.body()?),
        t::UPDATED => Reply::Updated(frame.body()?),
        t::SWITCHED => Reply::Switched(frame.body()?),
        t::AGAIN => match decode_reply(frame.body()?)? {
            Reply::Again(_) => {
                return Err(CodecError::Body { tag: t::AGAIN, problem: "an answer within an answer".into() });
            }
            first => Reply::Again(Box::new(first)),
        },
        unknown => return Err(CodecError::Tag(unknown)),
    })
}

/// A row as the disk stores it; its tag is its key's.
pub fn encode_row(row: &Row) -> Bytes {
    let mut out = BytesMut::with_capacity(128);
    put_row(&mut out, row);
    out.freeze()
}

/// Appends a row's bytes.
pub fn put_row(out: &mut BytesMut, row: &Row) {
    match row {
        Row::Job(r) => put_frame(out, tag::JOB, r, std::slice::from_ref(&r.spec)),
        Row::Body(r) => put_frame(out, tag::BODY, r, std::slice::from_ref(&r.spec)),
        // The flag said whether the job lives. It is always set now, and not read.
        Row::TaskKey(job) => put_frame(out, tag::TASK_KEY, &(*job, true), &[]),
        Row::Live(r) => put_frame(out, tag::LIVE, r, &[]),
        Row::Periodic(r) => put_frame(out, tag::PERIODIC, r, &[]),
        Row::Ledger(r) => put_frame(out, tag::LEDGER, r, &[]),
        Row::Finished => put_frame(out, tag::FINISHED, &(), &[]),
        Row::JobLog(r) => put_frame(out, tag::JOB_LOG, r.as_ref(), &[]),
        Row::Tracker(r) => put_frame(out, tag::TRACKER, r, &[]),
        Row::Group(r) => put_frame(out, tag::GROUP, r.as_ref(), &[]),
        Row::Client(r) => put_frame(out, tag::CLIENT, r, &[]),
        Row::Answer(r) => put_frame(out, tag::ANSWER, r.as_ref(), &[]),
        Row::Request(r) => put_frame(out, tag::REQUEST, r.as_ref(), &[]),
        Row::RequestAge => put_frame(out, tag::REQUEST_AGE, &(), &[]),
        Row::Deleted(r) => put_frame(out, tag::DELETED, r, &[]),
        Row::NodeEvent(r) => put_frame(out, tag::NODE_EVENT, r.as_ref(), &[]),
        Row::LogAge(r) => put_frame(out, tag::LOG_AGE, r, &[]),
        Row::Paused(r) => put_frame(out, tag::PAUSED, r.as_ref(), &[]),
        Row::Sampled(r) => put_frame(out, tag::SAMPLED, r.as_ref(), &[]),
        Row::GroupStats(r) => put_frame(out, tag::GROUP_STATS, r.as_ref(), &[]),
        Row::TrackerStats(r) => put_frame(out, tag::TRACKER_STATS, r.as_ref(), &[]),
        Row::JobTrackerStats(r) => put_frame(out, tag::JOBTRACKER_STATS, r.as_ref(), &[]),
        Row::Alarm(r) => put_frame(out, tag::ALARM, r.as_ref(), &[]),
        Row::Silence(r) => put_frame(out, tag::SILENCE, r.as_ref(), &[]),
        Row::Meta(r) => put_frame(out, tag::META, r.as_ref(), &[]),
        Row::Mark(r) => put_frame(out, tag::MARK, r, &[]),
        Row::Feedback(r) => put_frame(out, tag::FEEDBACK, r, &[]),
        Row::FeedbackGroup(r) => put_frame(out, tag::FEEDBACK_GROUP, r.as_ref(), &[]),
    }
}

/// # Errors
/// If the bytes are not exactly one row that this version knows.
pub fn decode_row(mut bytes: Bytes) -> Result<Row, CodecError> {
    let frame = take_frame(&mut bytes)?;
    if !bytes.is_empty() {
        return Err(CodecError::Trailing(bytes.len()));
    }
    Ok(match frame.tag {
        tag::JOB => Row::Job(Arc::new(frame.job()?)),
        tag::BODY => Row::Body(frame.old_body()?),
        tag::TASK_KEY => Row::TaskKey(frame.body::<(JobId, bool)>()?.0),
        tag::LIVE => Row::Live(Arc::new(frame.body()?)),
        tag::PERIODIC => Row::Periodic(Arc::new(frame.body()?)),
        tag::LEDGER => Row::Ledger(Arc::new(frame.body()?)),
        tag::FINISHED => frame.body::<()>().map(|()| Row::Finished)?,
        tag::JOB_LOG => Row::JobLog(Box::new(frame.body()?)),
        tag::TRACKER => Row::Tracker(Arc::new(frame.body()?)),
        tag::GROUP => Row::Group(Box::new(frame.body()?)),
        tag::CLIENT => Row::Client(frame.body()?),
        tag::ANSWER => Row::Answer(Box::new(frame.body()?)),
        tag::REQUEST => Row::Request(Box::new(frame.body()?)),
        tag::REQUEST_AGE => frame.body::<()>().map(|()| Row::RequestAge)?,
        tag::DELETED => Row::Deleted(frame.body()?),
        tag::NODE_EVENT => Row::NodeEvent(Box::new(frame.body()?)),
        tag::LOG_AGE => Row::LogAge(frame.body()?),
        tag::PAUSED => Row::Paused(Box::new(frame.body()?)),
        tag::SAMPLED => Row::Sampled(Box::new(frame.body()?)),
        tag::GROUP_STATS => Row::GroupStats(Box::new(frame.body()?)),
        tag::TRACKER_STATS => Row::TrackerStats(Box::new(frame.body()?)),
        tag::JOBTRACKER_STATS => Row::JobTrackerStats(Box::new(frame.body()?)),
        tag::ALARM => Row::Alarm(Box::new(frame.body()?)),
        tag::SILENCE => Row::Silence(Box::new(frame.body()?)),
        tag::META => Row::Meta(Box::new(frame.body()?)),
        tag::MARK => Row::Mark(frame.body()?),
        tag::FEEDBACK => Row::Feedback(Arc::new(frame.body()?)),
        tag::FEEDBACK_GROUP => Row::FeedbackGroup(Box::new(frame.body()?)),
        unknown => return Err(CodecError::Tag(unknown)),
    })
}

fn put_frame(out: &mut BytesMut, tag: u8, body: &impl Serialize, payloads: &[Arc<JobSpec>]) {
    let header = out.len();
    out.put_u8(tag);
    out.put_u8(VERSION);
    out.put_u64_le(0);
    let start = out.len();
    let mut writer = out.writer();
    bincode::serde::encode_into_std_write(body, &mut writer, bincode::config::standard())
        .expect("stored types have no shape that bincode cannot write, and memory does not fail");
    let body_bytes = out.len() - start;
    for spec in payloads {
        out.put_u32_le(u32::try_from(spec.payload.len()).expect("a payload is at most 1 MiB"));
        out.put_slice(&spec.payload);
    }
    let tail_bytes = out.len() - start - body_bytes;
    let length = |bytes| u32::try_from(bytes).expect("a request is at most a few MiB").to_le_bytes();
    out[header + 2..header + 6].copy_from_slice(&length(body_bytes));
    out[header + 6..header + 10].copy_from_slice(&length(tail_bytes));
}

struct Frame {
    tag: u8,
    body: Bytes,
    tail: Bytes,
}

fn take_frame(bytes: &mut Bytes) -> Result<Frame, CodecError> {
    need(bytes, HEADER_BYTES)?;
    let (tag, version) = (bytes.get_u8(), bytes.get_u8());
    if version != VERSION {
        return Err(CodecError::Version(version));
    }
    let (body, tail) = (bytes.get_u32_le() as usize, bytes.get_u32_le() as usize);
    if body > BODY_BYTES_MAX {
        return Err(CodecError::TooLarge { what: "a body's length", is: body, max: BODY_BYTES_MAX });
    }
    need(bytes, body.saturating_add(tail))?;
    Ok(Frame { tag, body: bytes.split_to(body), tail: bytes.split_to(tail) })
}

impl Frame {
    /// A body whose type has no payloads.
    fn body<T: DeserializeOwned>(self) -> Result<T, CodecError> {
        let body = self.decode()?;
        if self.tail.is_empty() { Ok(body) } else { Err(CodecError::Trailing(self.tail.len())) }
    }

    fn submit(self) -> Result<Submit, CodecError> {
        let mut submit: Submit = self.decode()?;
        self.fill(submit.jobs.iter_mut())?;
        share_names(&mut submit.jobs);
        Ok(submit)
    }

    fn job(self) -> Result<JobRow, CodecError> {
        let mut job: JobRow = self.decode()?;
        self.fill(std::iter::once(&mut job.spec))?;
        Ok(job)
    }

    fn old_body(self) -> Result<BodyRow, CodecError> {
        let mut old: BodyRow = self.decode()?;
        self.fill(std::iter::once(&mut old.spec))?;
        Ok(old)
    }

    fn decode<T: DeserializeOwned>(&self) -> Result<T, CodecError> {
        // A body may claim eight bytes in memory for each of its own: a number that takes one may be a u64. The limit
        // follows the length, so that a short body cannot claim, and get, what only a long one may.
        let decoded = match self.body.len() {
            0..=0x200 => decode_within::<0x1000, T>(&self.body),
            0x201..=0x1000 => decode_within::<0x8000, T>(&self.body),
            0x1001..=0x8000 => decode_within::<0x4_0000, T>(&self.body),
            0x8001..=0x4_0000 => decode_within::<0x20_0000, T>(&self.body),
            0x4_0001..=0x20_0000 => decode_within::<0x100_0000, T>(&self.body),
            _ => decode_within::<{ 8 * BODY_BYTES_MAX }, T>(&self.body),
        };
        let wrong = |error: DecodeError| CodecError::Body { tag: self.tag, problem: error.to_string() };
        let (body, used) = decoded.map_err(wrong)?;
        if used == self.body.len() { Ok(body) } else { Err(CodecError::Trailing(self.body.len() - used)) }
    }

    /// Gives each specification its payload, shared with the frame's bytes.
    fn fill<'a>(mut self, specs: impl Iterator<Item = &'a mut Arc<JobSpec>>) -> Result<(), CodecError> {
        for spec in specs {
            need(&self.tail, 4)?;
            let length = self.tail.get_u32_le() as usize;
            need(&self.tail, length)?;
            let payload = self.tail.split_to(length);
            Arc::get_mut(spec).expect("decoded just now, so nobody shares it").payload = payload;
        }
        if self.tail.is_empty() { Ok(()) } else { Err(CodecError::Trailing(self.tail.len())) }
    }
}

fn decode_within<const LIMIT: usize, T: DeserializeOwned>(body: &[u8]) -> Result<(T, usize), DecodeError> {
    bincode::serde::decode_from_slice(body, bincode::config::standard().with_limit::<LIMIT>())
}

fn need(bytes: &Bytes, need: usize) -> Result<(), CodecError> {
    let have = bytes.len();
    if have >= need { Ok(()) } else { Err(CodecError::Truncated { have, need }) }
}
