//! The tables' keys. A key's byte order is its meaning: the bytes sort as the variants and fields do, so that a scan of
//! the disk and a scan of the in-memory layers merge.
//!
//! One tag byte, then numbers in big endian and names ended by a zero byte (names hold no control characters). A tag
//! never changes its meaning and is never used again.

use crate::domain::{
    AlarmRule, AlarmSubject, ClientId, Identity, JobId, NodeGroup, Position, RequestId, RunId, TaskId,
    Timestamp,
};

/// Where a row is. The order of the variants is the order of their tags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Consensus keeps its marks here.
    Mark(u8),
    Meta,
    Job(JobId),
    /// The specification of an older revision that a live run still uses.
    Body(JobId, u32),
    TaskKey(NodeGroup, TaskId),
    Live(RunId),
    Periodic(JobId),
    Ledger(RunId),
    /// For expiry, by the time at which a run ended; the greatest number stands for the end of the job itself.
    Finished(NodeGroup, Timestamp, RunId),
    /// The greatest number stands for the job itself.
    JobLog(RunId, Position),
    Tracker(NodeGroup, Identity),
    Group(NodeGroup),
    Client(ClientId),
    Answer(ClientId, u64),
    Request(RequestId),
    RequestAge(Timestamp, RequestId),
    /// A job that was deleted or forgotten, as long as rows of it are left.
    Deleted(JobId),
    /// By the group of JobClients that shall hear it.
    Feedback(NodeGroup, RunId),
    FeedbackGroup(NodeGroup),
    /// The history of nodes, in the order of the log.
    NodeEvent(Position),
    /// For the job log's retention: the first of the lines that one command wrote about a run.
    LogAge(Position, RunId),
    /// By its minute, so that old ones are found; so the next two.
    GroupStats(Timestamp, NodeGroup),
    TrackerStats(Timestamp, NodeGroup, Identity),
    /// By the JobTracker's name.
    JobTrackerStats(Timestamp, Identity),
    Sampled(NodeGroup),
    /// The node groups that are paused.
    Paused(NodeGroup),
    Alarm(AlarmRule, AlarmSubject),
    /// Of one subject; none stands for all of the rule.
    Silence(AlarmRule, Option<AlarmSubject>),
}

/// The stored tags, one a table.
pub(crate) mod tag {
    pub(crate) const MARK: u8 = 1;
    pub(crate) const META: u8 = 2;
    pub(crate) const JOB: u8 = 3;
    pub(crate) const BODY: u8 = 4;
    pub(crate) const TASK_KEY: u8 = 5;
    pub(crate) const LIVE: u8 = 6;
    pub(crate) const PERIODIC: u8 = 7;
    pub(crate) const LEDGER: u8 = 8;
    pub(crate) const FINISHED: u8 = 9;
    pub(crate) const JOB_LOG: u8 = 10;
    pub(crate) const TRACKER: u8 = 11;
    pub(crate) const GROUP: u8 = 12;
    pub(crate) const CLIENT: u8 = 13;
    pub(crate) const ANSWER: u8 = 14;
    pub(crate) const REQUEST: u8 = 15;
    pub(crate) const REQUEST_AGE: u8 = 16;
    pub(crate) const DELETED: u8 = 20;
    pub(crate) const FEEDBACK: u8 = 22;
    pub(crate) const FEEDBACK_GROUP: u8 = 23;
    pub(crate) const NODE_EVENT: u8 = 26;
    pub(crate) const LOG_AGE: u8 = 27;
    pub(crate) const GROUP_STATS: u8 = 30;
    pub(crate) const TRACKER_STATS: u8 = 31;
    pub(crate) const JOBTRACKER_STATS: u8 = 32;
    pub(crate) const SAMPLED: u8 = 33;
    pub(crate) const PAUSED: u8 = 34;
    pub(crate) const ALARM: u8 = 36;
    pub(crate) const SILENCE: u8 = 37;
}

impl Key {
    pub const fn tag(&self) -> u8 {
        match self {
            Key::Mark(_) => tag::MARK,
            Key::Meta => tag::META,
            Key::Job(_) => tag::JOB,
            Key::Body(..) => tag::BODY,
            Key::TaskKey(..) => tag::TASK_KEY,
            Key::Live(_) => tag::LIVE,
            Key::Periodic(_) => tag::PERIODIC,
            Key::Ledger(_) => tag::LEDGER,
            Key::Finished(..) => tag::FINISHED,
            Key::JobLog(..) => tag::JOB_LOG,
            Key::Tracker(..) => tag::TRACKER,
            Key::Group(_) => tag::GROUP,
            Key::Client(_) => tag::CLIENT,
            Key::Answer(..) => tag::ANSWER,
            Key::Request(_) => tag::REQUEST,
            Key::RequestAge(..) => tag::REQUEST_AGE,
            Key::Deleted(_) => tag::DELETED,
            Key::Feedback(..) => tag::FEEDBACK,
            Key::FeedbackGroup(_) => tag::FEEDBACK_GROUP,
            Key::NodeEvent(_) => tag::NODE_EVENT,
            Key::LogAge(..) => tag::LOG_AGE,
            Key::GroupStats(..) => tag::GROUP_STATS,
            Key::TrackerStats(..) => tag::TRACKER_STATS,
            Key::JobTrackerStats(..) => tag::JOBTRACKER_STATS,
            Key::Sampled(_) => tag::SAMPLED,
            Key::Paused(_) => tag::PAUSED,
            Key::Alarm(..) => tag::ALARM,
            Key::Silence(..) => tag::SILENCE,
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(40);
        self.write(&mut bytes);
        bytes
    }

    /// Appends the key's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.tag());
        match self {
            Key::Mark(which) => out.push(*which),
            Key::Meta => {}
            Key::Job(job) | Key::Periodic(job) | Key::Deleted(job) => number(out, job.as_u64()),
            Key::Body(job, revision) => {
                number(out, job.as_u64());
                out.extend_from_slice(&revision.to_be_bytes());
            }
            Key::TaskKey(group, task) => {
                name(out, group.as_str());
                name(out, task.as_str());
            }
            Key::Live(run) | Key::Ledger(run) => run_id(out, *run),
            Key::Finished(group, at, run) => {
                name(out, group.as_str());
                number(out, at.as_millis());
                run_id(out, *run);
            }
            Key::JobLog(run, position) => {
                run_id(out, *run);
                number(out, position.as_u64());
            }
            Key::Tracker(group, identity) => {
                name(out, group.as_str());
                name(out, identity.as_str());
            }
            Key::Group(group) | Key::FeedbackGroup(group) | Key::Sampled(group) | Key::Paused(group) => {
                name(out, group.as_str())
            }
            Key::Client(client) => number(out, client.as_u64()),
            Key::Answer(client, sequence) => {
                number(out, client.as_u64());
                number(out, *sequence);
            }
            Key::Request(request) => name(out, request.as_str()),
            Key::RequestAge(at, request) => {
                number(out, at.as_millis());
                name(out, request.as_str());
            }
            Key::Feedback(group, run) => {
                name(out, group.as_str());
                run_id(out, *run);
            }
            Key::NodeEvent(position) => number(out, position.as_u64()),
            Key::LogAge(position, run) => {
                number(out, position.as_u64());
                run_id(out, *run);
            }
            Key::GroupStats(minute, group) => {
                number(out, minute.as_millis());
                name(out, group.as_str());
            }
            Key::TrackerStats(minute, group, identity) => {
                number(out, minute.as_millis());
                name(out, group.as_str());
                name(out, identity.as_str());
            }
            Key::JobTrackerStats(minute, who) => {
                number(out, minute.as_millis());
                name(out, who.as_str());
            }
            Key::Alarm(rule, subject) => {
                out.push(rule.number());
                name(out, subject.as_str());
            }
            Key::Silence(rule, subject) => {
                out.push(rule.number());
                name(out, subject.as_ref().map_or("", |subject| subject.as_str()));
            }
        }
    }

    /// The tables whose rows are indexed in memory, each from its first key up to but without the second one.
    pub fn indexed_ranges() -> [(Key, Key); 5] {
        let end = RunId { job: JobId(Position::MAX), number: u64::MAX };
        [
            (Key::Live(RunId::default()), Key::Live(end)),
            (Key::Periodic(JobId(Position::MIN)), Key::Periodic(JobId(Position::MAX))),
            (Key::first_tracker(), Key::first_group()),
            (Key::first_feedback(), Key::first_feedback_group()),
            (Key::first_paused(), Key::alarms().0),
        ]
    }

    /// Not after any TaskTracker's key.
    pub fn first_tracker() -> Key {
        let first = "\u{20}";
        let (group, identity) = (NodeGroup::new(first), Identity::new(first));
        Key::Tracker(group.expect("a space is printable"), identity.expect("a space is printable"))
    }

    /// After every TaskTracker's key and not after any group's.
    pub fn first_group() -> Key {
        Key::Group(first_group_name())
    }

    /// Not after any paused group's key.
    pub fn first_paused() -> Key {
        Key::Paused(NodeGroup::new("\u{20}").expect("a space is printable"))
    }

    /// After every group's key.
    pub fn first_client() -> Key {
        Key::Client(ClientId::default())
    }

    /// Not after any feedback's key.
    pub fn first_feedback() -> Key {
        Key::Feedback(first_group_name(), RunId::default())
    }

    /// After every feedback's key and not after any counter of it.
    pub fn first_feedback_group() -> Key {
        Key::FeedbackGroup(first_group_name())
    }

    /// After every counter of feedback.
    pub fn after_feedback_groups() -> Key {
        Key::NodeEvent(Position::MIN)
    }

    /// For each of the three tables of series: not after any row of this minute.
    pub fn first_stats(minute: Timestamp) -> [Key; 3] {
        let first = "\u{20}";
        let group = NodeGroup::new(first).expect("a space is printable");
        let who = Identity::new(first).expect("a space is printable");
        [
            Key::GroupStats(minute, group.clone()),
            Key::TrackerStats(minute, group, who.clone()),
            Key::JobTrackerStats(minute, who),
        ]
    }

    /// The minute of a row of the series.
    pub fn stats_minute(&self) -> Option<Timestamp> {
        match self {
            Key::GroupStats(minute, _) | Key::TrackerStats(minute, ..) | Key::JobTrackerStats(minute, _) => {
                Some(*minute)
            }
            _ => None,
        }
    }

    /// After every key of this version.
    pub fn end() -> Key {
        let last = AlarmSubject::new("\u{10ffff}".repeat(2)).expect("it is printable");
        Key::Silence(*AlarmRule::ALL.last().expect("there are rules"), Some(last))
    }

    /// The alarms of a rule, up to but without the second key.
    pub fn alarms_of(rule: AlarmRule) -> (Key, Key) {
        let name = |name: &str| AlarmSubject::new(name).expect("it is printable");
        (Key::Alarm(rule, name("\u{20}")), Key::Alarm(rule, name(&"\u{10ffff}".repeat(2))))
    }

    /// All alarms, up to but without the second key.
    pub fn alarms() -> (Key, Key) {
        let first = AlarmRule::ALL.first().expect("there are rules");
        (Key::alarms_of(*first).0, Key::Silence(*first, None))
    }

    /// All silences, up to but without the second key.
    pub fn silences() -> (Key, Key) {
        (Key::alarms().1, Key::end())
    }

    /// The key that these bytes are, or `None` if they are no key.
    pub fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let (tag, rest) = bytes.split_first()?;
        let mut rest = Reader(rest);
        let key = match *tag {
            tag::MARK => Key::Mark(rest.byte()?),
            tag::META => Key::Meta,
            tag::JOB => Key::Job(JobId::from_u64(rest.number()?)),
            tag::BODY => Key::Body(JobId::from_u64(rest.number()?), rest.revision()?),
            tag::TASK_KEY => {
                Key::TaskKey(NodeGroup::new(rest.name()?).ok()?, TaskId::new(rest.name()?).ok()?)
            }
            tag::LIVE => Key::Live(rest.run_id()?),
            tag::PERIODIC => Key::Periodic(JobId::from_u64(rest.number()?)),
            tag::LEDGER => Key::Ledger(rest.run_id()?),
            tag::FINISHED => {
                let group = NodeGroup::new(rest.name()?).ok()?;
                Key::Finished(group, rest.time()?, rest.run_id()?)
            }
            tag::JOB_LOG => Key::JobLog(rest.run_id()?, Position::from_u64(rest.number()?)),
            tag::TRACKER => {
                Key::Tracker(NodeGroup::new(rest.name()?).ok()?, Identity::new(rest.name()?).ok()?)
            }
            tag::GROUP => Key::Group(NodeGroup::new(rest.name()?).ok()?),
            tag::CLIENT => Key::Client(ClientId::from_u64(rest.number()?)),
            tag::ANSWER => Key::Answer(ClientId::from_u64(rest.number()?), rest.number()?),
            tag::REQUEST => Key::Request(RequestId::new(rest.name()?).ok()?),
            tag::REQUEST_AGE => Key::RequestAge(rest.time()?, RequestId::new(rest.name()?).ok()?),
            tag::DELETED => Key::Deleted(JobId::from_u64(rest.number()?)),
            tag::FEEDBACK => Key::Feedback(NodeGroup::new(rest.name()?).ok()?, rest.run_id()?),
            tag::FEEDBACK_GROUP => Key::FeedbackGroup(NodeGroup::new(rest.name()?).ok()?),
            tag::NODE_EVENT => Key::NodeEvent(Position::from_u64(rest.number()?)),
            tag::LOG_AGE => Key::LogAge(Position::from_u64(rest.number()?), rest.run_id()?),
            tag::GROUP_STATS => Key::GroupStats(rest.time()?, NodeGroup::new(rest.name()?).ok()?),
            tag::TRACKER_STATS => {
                let (minute, group) = (rest.time()?, NodeGroup::new(rest.name()?).ok()?);
                Key::TrackerStats(minute, group, Identity::new(rest.name()?).ok()?)
            }
            tag::JOBTRACKER_STATS => Key::JobTrackerStats(rest.time()?, Identity::new(rest.name()?).ok()?),
            tag::SAMPLED => Key::Sampled(NodeGroup::new(rest.name()?).ok()?),
            tag::PAUSED => Key::Paused(NodeGroup::new(rest.name()?).ok()?),
            tag::ALARM => Key::Alarm(rest.rule()?, AlarmSubject::new(rest.name()?).ok()?),
            tag::SILENCE => {
                let rule = rest.rule()?;
                let subject = Some(rest.name()?).filter(|subject| !subject.is_empty());
                Key::Silence(rule, subject.map(AlarmSubject::new).transpose().ok()?)
            }
            _ => return None,
        };
        rest.0.is_empty().then_some(key)
    }
}

/// Not after any group's name.
fn first_group_name() -> NodeGroup {
    NodeGroup::new("\u{20}").expect("a space is printable")
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(0);
}

fn run_id(out: &mut Vec<u8>, run: RunId) {
    number(out, run.job.as_u64());
    number(out, run.number);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn rule(&mut self) -> Option<AlarmRule> {
        AlarmRule::from_number(self.byte()?)
    }

    fn number(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    /// A time that this version can show, so that a key has one spelling.
    fn time(&mut self) -> Option<Timestamp> {
        let ms = self.number()?;
        (ms <= Timestamp::MAX.as_millis()).then(|| Timestamp::from_millis(ms))
    }

    fn revision(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    fn name(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|&byte| byte == 0)?;
        let (name, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        std::str::from_utf8(name).ok()
    }

    fn run_id(&mut self) -> Option<RunId> {
        Some(RunId { job: JobId::from_u64(self.number()?), number: self.number()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_name() -> impl Strategy<Value = String> + Clone {
        "[ -~é-ÿ]{1,12}"
    }

    fn any_rule() -> impl Strategy<Value = AlarmRule> {
        proptest::sample::select(AlarmRule::ALL)
    }

    fn any_run() -> impl Strategy<Value = RunId> {
        (any::<u64>(), 0..9u64).prop_map(|(job, number)| RunId { job: JobId::from_u64(job), number })
    }

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (0..9_000u64).prop_map(Timestamp::from_millis)
    }

    fn any_key() -> impl Strategy<Value = Key> {
        let named = (any_name(), any_name());
        prop_oneof![
            any::<u8>().prop_map(Key::Mark),
            Just(Key::Meta),
            any::<u64>().prop_map(|id| Key::Job(JobId::from_u64(id))),
            (any::<u64>(), any::<u32>()).prop_map(|(id, revision)| Key::Body(JobId::from_u64(id), revision)),
            named
                .clone()
                .prop_map(|(g, t)| Key::TaskKey(NodeGroup::new(g).unwrap(), TaskId::new(t).unwrap())),
            any_run().prop_map(Key::Live),
            any::<u64>().prop_map(|id| Key::Periodic(JobId::from_u64(id))),
            any_run().prop_map(Key::Ledger),
            (any_name(), any_time(), any_run()).prop_map(|(g, at, run)| Key::Finished(
                NodeGroup::new(g).unwrap(),
                at,
                run
            )),
            (any_run(), any::<u64>()).prop_map(|(run, at)| Key::JobLog(run, Position::from_u64(at))),
            named.prop_map(|(g, i)| Key::Tracker(NodeGroup::new(g).unwrap(), Identity::new(i).unwrap())),
            any_name().prop_map(|g| Key::Group(NodeGroup::new(g).unwrap())),
            any::<u64>().prop_map(|id| Key::Client(ClientId::from_u64(id))),
            (any::<u64>(), any::<u64>()).prop_map(|(id, seq)| Key::Answer(ClientId::from_u64(id), seq)),
            any_name().prop_map(|r| Key::Request(RequestId::new(r).unwrap())),
            (any_time(), any_name()).prop_map(|(at, r)| Key::RequestAge(at, RequestId::new(r).unwrap())),
            any::<u64>().prop_map(|id| Key::Deleted(JobId::from_u64(id))),
            (any_name(), any_run()).prop_map(|(g, run)| Key::Feedback(NodeGroup::new(g).unwrap(), run)),
            any_name().prop_map(|g| Key::FeedbackGroup(NodeGroup::new(g).unwrap())),
            any::<u64>().prop_map(|at| Key::NodeEvent(Position::from_u64(at))),
            (any::<u64>(), any_run()).prop_map(|(at, run)| Key::LogAge(Position::from_u64(at), run)),
            (any_time(), any_name()).prop_map(|(at, g)| Key::GroupStats(at, NodeGroup::new(g).unwrap())),
            (any_time(), any_name(), any_name()).prop_map(|(at, g, i)| Key::TrackerStats(
                at,
                NodeGroup::new(g).unwrap(),
                Identity::new(i).unwrap()
            )),
            (any_time(), any_name()).prop_map(|(at, i)| Key::JobTrackerStats(at, Identity::new(i).unwrap())),
            any_name().prop_map(|g| Key::Sampled(NodeGroup::new(g).unwrap())),
            any_name().prop_map(|g| Key::Paused(NodeGroup::new(g).unwrap())),
            (any_rule(), any_name()).prop_map(|(rule, s)| Key::Alarm(rule, AlarmSubject::new(s).unwrap())),
            (any_rule(), proptest::option::of(any_name()))
                .prop_map(|(rule, s)| Key::Silence(rule, s.map(|s| AlarmSubject::new(s).unwrap()))),
        ]
    }

    proptest! {
        #[test]
        fn a_key_reads_back_from_its_bytes(key in any_key()) {
            prop_assert_eq!(Key::from_bytes(&key.to_bytes()), Some(key));
        }

        #[test]
        fn bytes_sort_as_keys_do(a in any_key(), b in any_key()) {
            prop_assert_eq!(a.to_bytes().cmp(&b.to_bytes()), a.cmp(&b));
        }

        #[test]
        fn any_bytes_are_a_key_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(key) = Key::from_bytes(&bytes) {
                prop_assert_eq!(key.to_bytes(), bytes);
            }
        }
    }
}
