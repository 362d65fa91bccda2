//! What the FailStore of a JobClient writes down, and under which numbers.
//!
//! A submission has an even number, in the order in which submissions came. The odd number after the last submission of
//! a batch holds the key under which the batch is tried: it is on disk before the batch leaves, so that a restarted
//! client repeats the same request and the cluster does it once. Dead letters have the highest bit.

use prost::Message;

use crate::wire::pb;

/// Set in the number of a dead letter; the rest is the submission's.
const DEAD: u64 = 1 << 63;

/// Submissions of one call, which were not answered by the cluster.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Kept {
    #[prost(message, repeated, tag = "1")]
    pub(super) jobs: Vec<pb::Job>,
    /// Milliseconds since the epoch, by the client's clock.
    #[prost(uint64, tag = "2")]
    pub(super) saved_at: u64,
    /// What the first try, whose outcome is unknown, went under. None if there was surely none.
    #[prost(message, optional, tag = "3")]
    pub(super) tried: Option<pb::Idempotency>,
}

/// All submissions before this record are one request under this key.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Mark {
    #[prost(message, optional, tag = "1")]
    pub(super) key: Option<pb::Idempotency>,
}

/// What cannot be sent any more, of one submission.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Dead {
    #[prost(message, repeated, tag = "1")]
    pub(super) jobs: Vec<DeadJob>,
    #[prost(uint64, tag = "2")]
    pub(super) saved_at: u64,
    #[prost(uint64, tag = "3")]
    pub(super) died_at: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct DeadJob {
    /// Its place in the submission.
    #[prost(uint32, tag = "1")]
    pub(super) index: u32,
    #[prost(message, optional, tag = "2")]
    pub(super) job: Option<pb::Job>,
    /// Of docs/errors.md.
    #[prost(string, tag = "3")]
    pub(super) reason: String,
    #[prost(string, tag = "4")]
    pub(super) message: String,
    /// Whether the cluster may have done it.
    #[prost(bool, tag = "5")]
    pub(super) maybe_done: bool,
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Kept(u64),
    Mark(u64),
    Dead(u64),
}

impl Place {
    pub(super) fn of(number: u64) -> Place {
        match (number & DEAD != 0, number % 2) {
            (true, _) => Place::Dead((number & !DEAD) / 2),
            (false, 0) => Place::Kept(number / 2),
            (false, _) => Place::Mark(number / 2),
        }
    }

    pub(super) const fn number(self) -> u64 {
        match self {
            Place::Kept(submission) => submission * 2,
            Place::Mark(submission) => submission * 2 + 1,
            Place::Dead(submission) => DEAD | (submission * 2),
        }
    }

    /// The submission that it is about.
    pub(super) const fn submission(self) -> u64 {
        match self {
            Place::Kept(submission) | Place::Mark(submission) | Place::Dead(submission) => submission,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_order_and_tell_what_they_mean() {
        let in_order = [Place::Kept(0), Place::Kept(1), Place::Mark(1), Place::Kept(2), Place::Dead(0)];
        assert!(in_order.windows(2).all(|two| two[0].number() < two[1].number()));
        for place in in_order {
            assert_eq!(Place::of(place.number()), place);
        }
    }

    #[test]
    fn what_was_written_by_this_version_stays_readable() {
        let key = pb::Idempotency { client_id: "7.0".into(), sequence: 3, request_id: String::new() };
        let job = pb::Job { task_id: "t".into(), kind: "k".into(), ..Default::default() };
        let kept = Kept { jobs: vec![job.clone()], saved_at: 5, tried: Some(key.clone()) };
        let dead =
            DeadJob { index: 1, job: Some(job), reason: "R".into(), message: "m".into(), maybe_done: true };
        let dead = Dead { jobs: vec![dead], saved_at: 5, died_at: 6 };
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        expect_test::expect![[r#"
            kept 0a060a01741a016b10051a070a03372e301003
            mark 0a070a03372e301003
            dead 0a12080112060a01741a016b1a015222016d280110051806"#]]
        .assert_eq(&format!(
            "kept {}\nmark {}\ndead {}",
            hex(kept.encode_to_vec()),
            hex(Mark { key: Some(key) }.encode_to_vec()),
            hex(dead.encode_to_vec())
        ));
    }
}
