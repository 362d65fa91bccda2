//! The FailStore's books: which submissions wait, what goes next and under which key, what cannot be sent any more.
//! Everything is written, and synced, before the method that says so returns. No sockets, no tasks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;

use super::record::{Dead, DeadJob, Kept, Mark, Place};
use super::{DeadLetter, FailStoreStats};
use crate::client::batches::{BATCH_BYTES_MAX, BATCH_JOBS_MAX};
use crate::domain::Timestamp;
use crate::link::{FailStore, FailStoreError};
use crate::planted::{self, Bug};
use crate::wire::{Fault, cut, pb};

/// What a dead letter says at most.
const MESSAGE_BYTES_MAX: usize = 256;

/// Why something was not kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShelfError {
    #[error(
        "the failstore has no room: {jobs} jobs with {bytes} bytes are in it; {jobs_max} and {bytes_max} are the most"
    )]
    Full { jobs: usize, bytes: usize, jobs_max: usize, bytes_max: usize },
    #[error("the failstore: {0}")]
    Store(#[from] FailStoreError),
}

#[derive(Debug)]
pub(super) struct Shelf {
    path: PathBuf,
    store: FailStore,
    jobs_max: usize,
    bytes_max: usize,
    /// The number that the next submission gets.
    next: u64,
    waiting_jobs: usize,
    dead_letters: usize,
    /// The submission before the mark, if what goes next has one.
    marked: Option<u64>,
    /// The mark was made by this process, and nothing that left under its key may have been done.
    certain: bool,
}

/// What goes next: one request.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// Each submission of it, with when it was saved.
    submissions: Vec<(u64, u64, usize)>,
    pub(super) jobs: Vec<pb::Job>,
    /// What it goes under; none while nobody has tried it.
    pub(super) key: Option<pb::Idempotency>,
    /// Surely nothing of it was done until now.
    pub(super) certain: bool,
    /// The last record of it.
    through: u64,
}

impl Head {
    /// Which submission, and which job of it, each of the jobs is.
    pub(super) fn places(&self) -> impl Iterator<Item = (u64, usize)> {
        self.submissions.iter().flat_map(|(number, _, jobs)| (0..*jobs).map(|index| (*number, index)))
    }
}

impl Shelf {
    pub(super) fn open(directory: &Path, jobs_max: usize, bytes_max: usize) -> Result<Shelf, FailStoreError> {
        // The bounds are kept here: what was kept may become a dead letter in a full store.
        let store = FailStore::open(directory, usize::MAX)?;
        let mut shelf = Shelf {
            path: directory.to_owned(),
            store,
            jobs_max,
            bytes_max,
            next: 0,
            waiting_jobs: 0,
            dead_letters: 0,
            marked: None,
            certain: false,
        };
        for (number, record) in shelf.store.live() {
            let place = Place::of(number);
            shelf.next = shelf.next.max(place.submission() + 1);
            match place {
                Place::Kept(_) => shelf.waiting_jobs += read::<Kept>(directory, number, record)?.jobs.len(),
                Place::Mark(last) => shelf.marked = Some(last),
                Place::Dead(_) => shelf.dead_letters += read::<Dead>(directory, number, record)?.jobs.len(),
            }
        }
        Ok(shelf)
    }

    pub(super) fn stats(&self) -> FailStoreStats {
        let first =
            self.store.live().next().filter(|(number, _)| matches!(Place::of(*number), Place::Kept(_)));
        let oldest = first.and_then(|(_, record)| Kept::decode(record.clone()).ok());
        FailStoreStats {
            waiting_jobs: self.waiting_jobs,
            dead_letters: self.dead_letters,
            bytes: self.store.bytes(),
            jobs_max: self.jobs_max,
            bytes_max: self.bytes_max,
            oldest_saved_at: oldest.map(|kept| Timestamp::from_millis(kept.saved_at)),
        }
    }

    /// Keeps the jobs of one call, under `tried` if they may have been done under it; returns their number.
    ///
    /// # Errors
    /// Nothing is kept if there is no room. After an error of the disk it is not known whether it is kept.
    pub(super) fn keep(
        &mut self,
        jobs: Vec<pb::Job>,
        tried: Option<pb::Idempotency>,
        now: Timestamp,
    ) -> Result<u64, ShelfError> {
        let count = jobs.len();
        let number = numbered(self.next, &jobs);
        let kept = Kept { jobs, saved_at: now.as_millis(), tried };
        let record: Bytes = kept.encode_to_vec().into();
        let (jobs, bytes) = (self.waiting_jobs + self.dead_letters, self.store.bytes());
        if jobs + count > self.jobs_max || bytes + record.len() > self.bytes_max {
            let (jobs_max, bytes_max) = (self.jobs_max, self.bytes_max);
            return Err(ShelfError::Full { jobs, bytes, jobs_max, bytes_max });
        }
        let place = Place::Kept(number).number();
        if let Err(error) = self.store.put(vec![(place, record)]).and_then(|()| self.store.sync()) {
            // The caller hears that it was not kept, so it should not be sent; if the disk does not even take this, the
            // caller's answer is the honest one: unknown.
            let _ = self.store.forget([place]);
            return Err(error.into());
        }
        self.next = self.next.max(number + 1);
        self.waiting_jobs += count;
        Ok(number)
    }

    /// What goes next: what was tried goes alone, as it was; what was not goes together, in order.
    pub(super) fn head(&self) -> Result<Option<Head>, FailStoreError> {
        let mut head =
            Head { submissions: Vec::new(), jobs: Vec::new(), key: None, certain: true, through: 0 };
        let mut bytes = 0;
        for (number, record) in self.store.live() {
            let Place::Kept(submission) = Place::of(number) else {
                if let (Place::Mark(_), Some(_)) = (Place::of(number), self.marked) {
                    head.key = read::<Mark>(&self.path, number, record)?.key;
                    (head.certain, head.through) = (self.certain, number);
                }
                break;
            };
            let kept = read::<Kept>(&self.path, number, record)?;
            let full =
                head.jobs.len() + kept.jobs.len() > BATCH_JOBS_MAX || bytes + record.len() > BATCH_BYTES_MAX;
            let ends = kept.tried.is_some() || full;
            if self.marked.is_none() && ends && !head.jobs.is_empty() {
                break;
            }
            bytes += record.len();
            head.through = number;
            head.submissions.push((submission, kept.saved_at, kept.jobs.len()));
            head.jobs.extend(kept.jobs);
            if let Some(key) = kept.tried {
                (head.key, head.certain) = (Some(key), false);
                break;
            }
        }
        Ok((!head.jobs.is_empty()).then_some(head))
    }

    /// Writes down that `head` goes under `key`. It may leave when this returns.
    pub(super) fn mark(&mut self, head: &mut Head, key: pb::Idempotency) -> Result<(), FailStoreError> {
        let Some((last, ..)) = head.submissions.last().copied() else { return Ok(()) };
        let place = Place::Mark(last).number();
        self.store.put(vec![(place, Mark { key: Some(key.clone()) }.encode_to_vec().into())])?;
        self.store.sync()?;
        (self.marked, self.certain) = (Some(last), true);
        (head.key, head.certain, head.through) = (Some(key), true, place);
        Ok(())
    }

    /// The key is of no use, and surely nothing was done under it: another one will be taken.
    pub(super) fn unmark(&mut self) -> Result<(), FailStoreError> {
        let Some(last) = self.marked.take() else { return Ok(()) };
        self.store.forget([Place::Mark(last).number()])
    }

    /// What goes next has left, and nobody knows what became of it.
    pub(super) fn left(&mut self) {
        self.certain = false;
    }

    /// The cluster has answered `head`: what it refused becomes dead letters, everything else is forgotten.
    pub(super) fn settle(
        &mut self,
        head: &Head,
        refused: &BTreeMap<usize, Fault>,
        maybe_done: bool,
        now: Timestamp,
    ) -> Result<Vec<DeadLetter>, FailStoreError> {
        let (mut records, mut letters) = (Vec::new(), Vec::new());
        let mut at = 0;
        for (submission, saved_at, count) in &head.submissions {
            let jobs: Vec<DeadJob> = (0..*count)
                .filter_map(|index| dead_job(head, at + index, index, refused, maybe_done))
                .collect();
            at += count;
            if !jobs.is_empty() {
                let dead = Dead { jobs, saved_at: *saved_at, died_at: now.as_millis() };
                letters.extend(DeadLetter::all_of(*submission, &dead));
                records.push((Place::Dead(*submission).number(), dead.encode_to_vec().into()));
            }
        }
        // In this order: a process that ends in between finds the submission again, and writes the same dead letters.
        if !records.is_empty() {
            self.store.put(records)?;
        }
        self.store.forget_through(head.through)?;
        self.store.sync()?;
        self.waiting_jobs -= head.jobs.len();
        self.dead_letters += letters.len();
        (self.marked, self.certain) = (None, false);
        Ok(letters)
    }

    pub(super) fn dead_letters(&self) -> Result<Vec<DeadLetter>, FailStoreError> {
        let records = self.store.live_from(Place::Dead(0).number());
        letters(&self.path, records)
    }

    /// A dead letter waits again, as a new submission; whether there was one.
    pub(super) fn resend(&mut self, letter: &DeadLetter, now: Timestamp) -> Result<bool, ShelfError> {
        if !self.dead_letters()?.contains(letter) {
            return Ok(false);
        }
        self.keep(vec![letter.job.clone()], None, now)?;
        Ok(self.discard(letter)?)
    }

    /// Forgets a dead letter; whether there was one.
    pub(super) fn discard(&mut self, letter: &DeadLetter) -> Result<bool, FailStoreError> {
        let place = Place::Dead(letter.submission).number();
        let Some(record) = self.store.get(place).cloned() else { return Ok(false) };
        let mut dead = read::<Dead>(&self.path, place, &record)?;
        let before = dead.jobs.len();
        dead.jobs.retain(|job| job.index != letter.index);
        let gone = before - dead.jobs.len();
        match dead.jobs.is_empty() {
            true => self.store.forget([place])?,
            false => self.store.put(vec![(place, dead.encode_to_vec().into())])?,
        }
        self.store.sync()?;
        self.dead_letters -= gone;
        Ok(gone > 0)
    }
}

fn dead_job(
    head: &Head,
    at: usize,
    index: usize,
    refused: &BTreeMap<usize, Fault>,
    maybe_done: bool,
) -> Option<DeadJob> {
    let fault = refused.get(&at)?;
    Some(DeadJob {
        index: u32::try_from(index).expect("at most 10,000 jobs"),
        job: Some(head.jobs[at].clone()),
        reason: fault.reason.as_str().into(),
        message: cut(fault.message.clone(), MESSAGE_BYTES_MAX),
        maybe_done,
    })
}

/// The number of a submission. Never made of what the submission says: two of them may say the same (W16).
fn numbered(next: u64, jobs: &[pb::Job]) -> u64 {
    if planted::is(Bug::FailStoreByTaskId) {
        let task_id = jobs.first().map(|job| job.task_id.as_bytes()).unwrap_or_default();
        return u64::from(crc32fast::hash(task_id));
    }
    next
}

/// Waiting submissions and dead letters of a store that is only looked at.
pub(super) fn look(directory: &Path) -> Result<(Vec<super::SavedJob>, Vec<DeadLetter>), FailStoreError> {
    let records = FailStore::look(directory)?;
    let mut waiting = Vec::new();
    let marked = records.keys().any(|number| matches!(Place::of(*number), Place::Mark(_)));
    let mut before_mark = marked;
    for (number, record) in &records {
        match Place::of(*number) {
            Place::Kept(submission) => {
                let kept = read::<Kept>(directory, *number, record)?;
                let tried = before_mark || kept.tried.is_some();
                waiting.extend(super::SavedJob::all_of(submission, kept, tried));
            }
            Place::Mark(_) => before_mark = false,
            Place::Dead(_) => break,
        }
    }
    let dead = records.range(Place::Dead(0).number()..).map(|(number, record)| (*number, record));
    Ok((waiting, letters(directory, dead)?))
}

fn letters<'a>(
    directory: &Path,
    records: impl Iterator<Item = (u64, &'a Bytes)>,
) -> Result<Vec<DeadLetter>, FailStoreError> {
    let mut letters = Vec::new();
    for (number, record) in records {
        let dead = read::<Dead>(directory, number, record)?;
        letters.extend(DeadLetter::all_of(Place::of(number).submission(), &dead));
    }
    Ok(letters)
}

/// A record whose checksum is right was written by some version of this.
fn read<M: Message + Default>(directory: &Path, number: u64, record: &Bytes) -> Result<M, FailStoreError> {
    M::decode(record.clone()).map_err(|_| FailStoreError::Foreign { path: directory.to_owned(), number })
}

#[cfg(test)]
pub(super) mod tests;
