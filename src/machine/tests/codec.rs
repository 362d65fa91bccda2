//! Bytes: golden ones for every shape that is stored or sent, there and back for any, errors for what is none.

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::Bytes;
use expect_test::expect_file;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::arbitrary;
use crate::domain::{
    AlarmRule, AlarmSubject, ClientId, Identity, JobId, NodeGroup, Position, RequestId, RunId, TaskId,
    Timestamp,
};
use crate::machine::codec::{
    CodecError, decode_command, decode_entry, decode_reply, decode_row, encode_command, encode_entry,
    encode_reply, encode_row,
};
use crate::machine::command::Return;
use crate::machine::{Command, Key, codec};

/// Values to choose samples from: so many that each variant within each comes.
const DRAWN: usize = 4000;
/// A sample of each multiple of this length shows more of the fields.
const RICH_BYTES: usize = 60;
const FILE: &str = include_str!("../testdata/golden_bytes.txt");

/// One kind of frame in the golden file.
struct Golden<T> {
    name: &'static str,
    encode: fn(&T) -> Bytes,
    decode: fn(Bytes) -> Result<T, CodecError>,
}

/// What was written once must be read for ever, as the same value. A new variant adds a sample; a line that is there
/// already must never change, and a rewrite by `UPDATE_EXPECT=1` that changes one is a broken format.
#[test]
fn golden_bytes_read_as_they_always_did() {
    let command = Golden { name: "command", encode: |it| encode_command(it), decode: decode_command };
    let reply = Golden { name: "reply", encode: |it| encode_reply(it), decode: decode_reply };
    let row = Golden { name: "row", encode: |it| encode_row(it), decode: decode_row };
    let mut text = String::new();
    text += &command.lines(arbitrary::command());
    text += &reply.lines(arbitrary::reply());
    text += &row.lines(arbitrary::row());
    text += &keys();
    expect_file!["../testdata/golden_bytes.txt"].assert_eq(&text);
}

impl<T: Debug + PartialEq> Golden<T> {
    /// The file's own lines, read and written again, and samples of what they do not show yet.
    fn lines(&self, any: impl Strategy<Value = T>) -> String {
        let mut seen = BTreeSet::new();
        let mut text = String::new();
        for hex in FILE.lines().filter_map(|line| line.strip_prefix(self.name)?.strip_prefix(' ')) {
            let value = (self.decode)(from_hex(hex)).unwrap_or_else(|error| panic!("{hex}: {error}"));
            seen.extend(self.words(&value));
            text += &self.line(&value);
        }
        let mut drawn = draw(any);
        drawn.sort_by_key(|value| (self.encode)(value).len());
        for value in drawn {
            let new: Vec<String> =
                self.words(&value).into_iter().filter(|word| !seen.contains(word)).collect();
            if !new.is_empty() {
                seen.extend(new);
                text += &self.line(&value);
            }
        }
        text
    }

    fn line(&self, value: &T) -> String {
        format!("{} {}\n    {value:?}\n", self.name, hex(&(self.encode)(value)))
    }
}

impl<T: Debug> Golden<T> {
    /// What a value shows: the variants within it, and whether it is one with its fields filled.
    fn words(&self, value: &T) -> BTreeSet<String> {
        let mut words = words(value);
        let text = format!("{value:?}");
        let name = text.split('(').next().unwrap_or_default();
        let length = (self.encode)(value).len() / RICH_BYTES;
        words.extend((1..=length.min(3)).map(|length| format!("{name} {length}")));
        words
    }
}

/// The names of the types and variants within a value.
fn words(value: &impl Debug) -> BTreeSet<String> {
    let is_name = |word: &&str| {
        let mut chars = word.chars();
        word.len() > 3
            && chars.next().is_some_and(|c| c.is_ascii_uppercase())
            && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_uppercase())
            && word.chars().nth(1).is_some_and(|c| c.is_ascii_lowercase())
    };
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_alphanumeric()).filter(is_name).map(str::to_owned).collect()
}

/// Always the same values: the seed is a constant.
fn draw<T: Debug>(any: impl Strategy<Value = T>) -> Vec<T> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    (0..DRAWN).map(|_| any.new_tree(&mut runner).unwrap().current()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Bytes {
    let byte = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn keys() -> String {
    let (group, task) = (NodeGroup::new("trade").unwrap(), TaskId::new("t1").unwrap());
    let (who, request) = (Identity::new("w1").unwrap(), RequestId::new("abc").unwrap());
    let subject = AlarmSubject::new("trade/w1").unwrap();
    let (job, at) = (JobId(Position::new(42, 1)), Timestamp::from_millis(1000));
    let (run, client) = (RunId { job, number: 3 }, ClientId(Position::new(43, 0)));
    let keys = [
        Key::Mark(7),
        Key::Meta,
        Key::Job(job),
        Key::Body(job, 2),
        Key::TaskKey(group.clone(), task),
        Key::Live(run),
        Key::Periodic(job),
        Key::Ledger(run),
        Key::Finished(group.clone(), at, run),
        Key::JobLog(run, Position::new(44, 5)),
        Key::Tracker(group.clone(), who),
        Key::Group(group.clone()),
        Key::Client(client),
        Key::Answer(client, 6),
        Key::Request(request.clone()),
        Key::RequestAge(at, request),
        Key::Feedback(group.clone(), run),
        Key::FeedbackGroup(group),
        Key::Deleted(job),
        Key::NodeEvent(Position::new(45, 0)),
        Key::LogAge(Position::new(44, 5), run),
        Key::GroupStats(at, NodeGroup::new("trade").unwrap()),
        Key::TrackerStats(at, NodeGroup::new("trade").unwrap(), Identity::new("w1").unwrap()),
        Key::JobTrackerStats(at, Identity::new("n1").unwrap()),
        Key::Sampled(NodeGroup::new("trade").unwrap()),
        Key::Alarm(AlarmRule::BacklogAge, subject.clone()),
        Key::Silence(AlarmRule::DeadRun, None),
        Key::Silence(AlarmRule::DeadRun, Some(subject)),
    ];
    let line = |key: &Key| format!("key {}\n    {key:?}\n", hex(&key.to_bytes()));
    keys.iter().map(line).collect()
}

proptest! {
    #[test]
    fn any_entry_reads_back(entry in arbitrary::entry()) {
        prop_assert_eq!(decode_entry(encode_entry(&entry)), Ok(entry));
    }

    #[test]
    fn any_command_reads_back(command in arbitrary::command()) {
        prop_assert_eq!(decode_command(encode_command(&command)), Ok(command));
    }

    #[test]
    fn any_reply_reads_back(reply in arbitrary::reply()) {
        prop_assert_eq!(decode_reply(encode_reply(&reply)), Ok(reply));
    }

    #[test]
    fn any_row_reads_back(row in arbitrary::row()) {
        prop_assert_eq!(decode_row(encode_row(&row)), Ok(row));
    }

    #[test]
    fn an_entry_that_is_cut_off_or_too_long_is_an_error(entry in arbitrary::entry()) {
        let bytes = encode_entry(&entry);
        for end in 0..bytes.len() {
            prop_assert!(decode_entry(bytes.slice(..end)).is_err(), "{} of {} bytes", end, bytes.len());
        }
        let longer = [bytes.as_ref(), &[0]].concat();
        prop_assert_eq!(decode_entry(longer.into()), Err(CodecError::Trailing(1)));
    }

    #[test]
    fn a_row_that_is_cut_off_or_too_long_is_an_error(row in arbitrary::row()) {
        let bytes = encode_row(&row);
        for end in 0..bytes.len() {
            prop_assert!(decode_row(bytes.slice(..end)).is_err(), "{} of {} bytes", end, bytes.len());
        }
        let longer = [bytes.as_ref(), &[0]].concat();
        prop_assert!(decode_row(longer.into()).is_err());
    }

    /// Whatever the bytes are: an error, or a value that can be shown and reads back.
    #[test]
    fn garbled_bytes_never_panic(
        entry in arbitrary::entry(),
        row in arbitrary::row(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        if let Ok(entry) = decode_entry(garble(&encode_entry(&entry), &flips)) {
            prop_assert_eq!(decode_entry(encode_entry(&entry)), Ok(entry.clone()));
            let _ = format!("{entry:?}");
        }
        if let Ok(row) = decode_row(garble(&encode_row(&row), &flips)) {
            prop_assert_eq!(decode_row(encode_row(&row)), Ok(row));
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = (decode_entry(bytes.clone()), decode_command(bytes.clone()), decode_reply(bytes.clone()));
        let _ = decode_row(bytes);
    }
}

fn garble(bytes: &Bytes, flips: &[(prop::sample::Index, u8)]) -> Bytes {
    let mut bytes = bytes.to_vec();
    for (at, byte) in flips {
        let at = at.index(bytes.len());
        bytes[at] ^= byte;
    }
    bytes.into()
}

/// A frame of this tag whose body claims what it does not have.
fn frame(tag: u8, body_bytes: u32, tail_bytes: u32, body: &[u8]) -> Bytes {
    let (body_bytes, tail_bytes) = (body_bytes.to_le_bytes(), tail_bytes.to_le_bytes());
    [&[tag, 1][..], &body_bytes, &tail_bytes, body].concat().into()
}

#[test]
fn what_claims_to_be_huge_is_refused_before_it_is_believed() {
    let all = u32::MAX;
    let entry: Bytes = [&[1][..], &[0; 8], &all.to_le_bytes()].concat().into();
    assert!(matches!(decode_entry(entry), Err(CodecError::TooLarge { what: "the number of commands", .. })));
    assert!(matches!(decode_command(frame(2, all, 0, &[])), Err(CodecError::TooLarge { .. })));
    assert!(matches!(decode_command(frame(2, 0, all, &[])), Err(CodecError::Truncated { have: 0, .. })));
    // Vectors, strings and byte strings inside a body that claim 2^32 - 1 and 2^64 - 1 elements.
    for claim in [[&[252][..], &[255; 4]].concat(), [&[253][..], &[255; 8]].concat()] {
        let after = |before: &[u8]| [before, &claim].concat();
        // A client's identity, results, executions, plans, lines; a submit's jobs, a request id.
        for (tag, body) in [1, 9, 10, 11, 12, 14]
            .map(|tag| (tag, after(&[])))
            .into_iter()
            .chain([(2, after(&[0])), (3, after(&[2]))])
        {
            let bytes = frame(tag, u32::try_from(body.len()).unwrap(), 0, &body);
            assert!(matches!(decode_command(bytes), Err(CodecError::Body { .. })), "command {tag}");
        }
        // A mark's bytes, a live run's group, an answer's vector.
        for (tag, body) in [(1, after(&[])), (6, after(&[])), (14, after(&[0]))] {
            let bytes = frame(tag, u32::try_from(body.len()).unwrap(), 0, &body);
            assert!(matches!(decode_row(bytes), Err(CodecError::Body { .. })), "row {tag}");
        }
    }
}

#[test]
fn what_was_encoded_is_decoded_however_dense_it_is() {
    let executions = vec![crate::domain::ExecutionId::default(); 2_500_000];
    let command = Command::Return(Return { executions, began: false });
    assert!(decode_command(encode_command(&command)) == Ok(command));
}

#[test]
fn versions_and_tags_of_newer_releases_are_named() {
    let mut newer = encode_command(&Command::Tick).to_vec();
    newer[1] = 2;
    assert_eq!(decode_command(newer.into()), Err(CodecError::Version(2)));
    assert_eq!(decode_command(frame(99, 0, 0, &[])), Err(CodecError::Tag(99)));
    assert_eq!(decode_row(frame(99, 0, 0, &[])), Err(CodecError::Tag(99)));
    assert_eq!(decode_reply(frame(8, 0, 0, &[])), Err(CodecError::Tag(8)));
    let problem = codec::decode_row(frame(3, 1, 0, &[1])).expect_err("no job").to_string();
    assert!(problem.starts_with("the body of tag 3 is wrong: "), "{problem}");
}
