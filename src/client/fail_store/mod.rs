//! The FailStore of a JobClient: what no JobTracker answers for is saved in a directory, and sent as soon as one does.
//!
//! A submission counts as saved when it is on disk. What is saved keeps its order: as long as something waits, what is
//! submitted after it waits behind it. It goes in batches, each under a key that is on disk before the batch leaves and
//! that never changes, so that a batch that was done without an answer, before the client died or after, is done once.
//! What the cluster refuses, and what it can no longer tell about, is kept as a dead letter until a person looks at it.

#[cfg(all(test, feature = "planted-bugs"))]
mod planted;
mod record;
mod replay;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::ClientError;
use super::batches::{Answer, Submitted};
use super::counters::Tally;
use crate::domain::{Clock, SystemClock, Timestamp};
use crate::link::FailStoreError;
use crate::planted::{self as planting, Bug};
use crate::wire::{Fault, Reason, pb};
use record::{Dead, Kept};
pub(super) use replay::replay;
use shelf::{Shelf, ShelfError};

/// How long a submit is tried before it is saved: longer than an election.
const SAVE_AFTER_DEFAULT: Duration = Duration::from_secs(3);
/// An outage of an hour at 25 jobs a second, or less if they are large.
const JOBS_MAX_DEFAULT: usize = 100_000;
const BYTES_MAX_DEFAULT: usize = 64 << 20;

type Handler = Box<dyn Fn(&DeadLetter) + Send + Sync>;

/// Where a JobClient saves what it cannot submit, and how much. One live JobClient for each directory.
#[must_use = "it is given to JobClientBuilder::fail_store"]
pub struct FailStoreOptions {
    pub(super) directory: PathBuf,
    jobs_max: usize,
    bytes_max: usize,
    pub(super) save_after: Duration,
    on_dead_letter: Option<Handler>,
}

impl fmt::Debug for FailStoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FailStoreOptions({})", self.directory.display())
    }
}

impl FailStoreOptions {
    /// In `directory`, made if it is missing: 100,000 jobs and 64 MiB at most.
    pub fn at(directory: impl Into<PathBuf>) -> FailStoreOptions {
        FailStoreOptions {
            directory: directory.into(),
            jobs_max: JOBS_MAX_DEFAULT,
            bytes_max: BYTES_MAX_DEFAULT,
            save_after: SAVE_AFTER_DEFAULT,
            on_dead_letter: None,
        }
    }

    /// The most jobs that are in it, dead letters among them.
    pub fn jobs_max(mut self, jobs: usize) -> FailStoreOptions {
        self.jobs_max = jobs;
        self
    }

    /// The most bytes that are in it, dead letters among them.
    pub fn bytes_max(mut self, bytes: usize) -> FailStoreOptions {
        self.bytes_max = bytes;
        self
    }

    /// How long a submit is tried before it is saved; 3 s unless told. What comes while the cluster is known to be away
    /// is saved at once.
    pub fn save_after(mut self, patience: Duration) -> FailStoreOptions {
        self.save_after = patience;
        self
    }

    /// Called for each dead letter, after it was written down. It must not block.
    pub fn on_dead_letter(
        mut self,
        handler: impl Fn(&DeadLetter) + Send + Sync + 'static,
    ) -> FailStoreOptions {
        self.on_dead_letter = Some(Box::new(handler));
        self
    }
}

impl<P: Into<PathBuf>> From<P> for FailStoreOptions {
    fn from(directory: P) -> FailStoreOptions {
        FailStoreOptions::at(directory)
    }
}

/// How full a FailStore is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailStoreStats {
    /// Jobs that wait for a JobTracker.
    pub waiting_jobs: usize,
    /// Jobs that will not be sent, until a person decides.
    pub dead_letters: usize,
    /// Of all of them.
    pub bytes: usize,
    pub jobs_max: usize,
    pub bytes_max: usize,
    /// When what waits longest was saved, by this host's clock.
    pub oldest_saved_at: Option<Timestamp>,
}

/// A job that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedJob {
    /// Counts the submissions of this store.
    pub submission: u64,
    /// Its place in the submission.
    pub index: u32,
    pub job: pb::Job,
    pub saved_at: Timestamp,
    /// It was sent before, and may have been done; it will be sent under the same key.
    pub tried: bool,
}

/// A job that was saved and will not be sent: the cluster refused it, or no longer knows whether it was done.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    pub submission: u64,
    pub index: u32,
    pub job: pb::Job,
    /// Of docs/errors.md, such as `INVALID_ARGUMENT`.
    pub reason: String,
    pub message: String,
    /// The cluster may have done it: look for the job by its task id before sending it again.
    pub maybe_done: bool,
    pub saved_at: Timestamp,
    pub died_at: Timestamp,
}

impl SavedJob {
    /// Such as `12.0`: the submission, and the place in it.
    pub fn id(&self) -> String {
        format!("{}.{}", self.submission, self.index)
    }

    fn all_of(submission: u64, kept: Kept, tried: bool) -> impl Iterator<Item = SavedJob> {
        let saved_at = Timestamp::from_millis(kept.saved_at);
        (0..).zip(kept.jobs).map(move |(index, job)| SavedJob { submission, index, job, saved_at, tried })
    }
}

impl DeadLetter {
    /// Such as `12.0`: the submission, and the place in it.
    pub fn id(&self) -> String {
        format!("{}.{}", self.submission, self.index)
    }

    fn all_of(submission: u64, dead: &Dead) -> impl Iterator<Item = DeadLetter> {
        let (saved_at, died_at) =
            (Timestamp::from_millis(dead.saved_at), Timestamp::from_millis(dead.died_at));
        dead.jobs.iter().map(move |one| DeadLetter {
            submission,
            index: one.index,
            job: one.job.clone().unwrap_or_default(),
            reason: one.reason.clone(),
            message: one.message.clone(),
            maybe_done: one.maybe_done,
            saved_at,
            died_at,
        })
    }
}

/// What a FailStore holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FailStoreContents {
    /// In the order in which they will be sent.
    pub waiting: Vec<SavedJob>,
    pub dead_letters: Vec<DeadLetter>,
}

impl FailStoreContents {
    /// Looks into the FailStore of `directory`, also while a JobClient uses it. Nothing is changed.
    ///
    /// # Errors
    /// If there is none or it cannot be read.
    pub fn look(directory: &Path) -> Result<FailStoreContents, FailStoreError> {
        let (waiting, dead_letters) = shelf::look(directory)?;
        Ok(FailStoreContents { waiting, dead_letters })
    }
}

/// What became of a job that was saved; `None` while it waits.
pub(super) type Fate = watch::Receiver<Option<Submitted>>;

/// A handle on the FailStore; it is open until the last clone is gone.
#[derive(Clone, Debug)]
pub(super) struct Keeper(Arc<Shared>);

struct Shared {
    books: Mutex<Books>,
    stats: watch::Sender<FailStoreStats>,
    /// The last try found nobody: what comes now need not try first.
    away: AtomicBool,
    save_after: Duration,
    on_dead_letter: Option<Handler>,
    tally: Arc<Tally>,
}

#[derive(Debug)]
struct Books {
    shelf: Shelf,
    /// Who wants to know what becomes of the jobs that this process saved.
    fates: BTreeMap<(u64, usize), watch::Sender<Option<Submitted>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FailStore({:?})", *self.stats.borrow())
    }
}

impl Keeper {
    /// Opens the store. Blocks.
    ///
    /// # Errors
    /// If the directory cannot be used or another process uses it.
    pub(super) fn open(options: FailStoreOptions, tally: Arc<Tally>) -> Result<Keeper, FailStoreError> {
        let FailStoreOptions { mut directory, jobs_max, bytes_max, save_after, on_dead_letter } = options;
        if planting::is(Bug::FailStoreOfEachStart) {
            directory = directory.join(format!("{:016x}", fastrand::u64(..)));
        }
        let shelf = Shelf::open(&directory, jobs_max, bytes_max)?;
        let stats = watch::Sender::new(shelf.stats());
        let books = Mutex::new(Books { shelf, fates: BTreeMap::new() });
        let away = AtomicBool::new(false);
        Ok(Keeper(Arc::new(Shared { books, stats, away, save_after, on_dead_letter, tally })))
    }

    pub(super) fn stats(&self) -> FailStoreStats {
        *self.0.stats.borrow()
    }

    pub(super) fn save_after(&self) -> Duration {
        self.0.save_after
    }

    /// Waits for what was saved before, a while; whether all of it is sent, so that what comes now may be sent too.
    pub(super) async fn is_drained(&self) -> bool {
        if self.stats().waiting_jobs == 0 {
            return true;
        }
        if self.0.away.load(Ordering::Relaxed) {
            return false;
        }
        let mut stats = self.0.stats.subscribe();
        let drained = stats.wait_for(|stats| stats.waiting_jobs == 0);
        tokio::time::timeout(self.0.save_after, drained).await.is_ok()
    }

    /// Waits until all that waits is sent.
    pub(super) async fn drained(&self) {
        let mut stats = self.0.stats.subscribe();
        // The sender lives in self.
        let _ = stats.wait_for(|stats| stats.waiting_jobs == 0).await;
    }

    /// Saves the jobs of one call, under `tried` if they may have been done under it.
    ///
    /// # Errors
    /// If there is no room or the disk fails; `cause`, the reason why it was to be saved, is told too.
    pub(super) async fn keep(
        &self,
        jobs: Vec<pb::Job>,
        tried: Option<pb::Idempotency>,
        cause: Option<Fault>,
    ) -> Result<Vec<Answer>, ClientError> {
        let certain = tried.is_none();
        let count = jobs.len();
        let saved = self.on_books(move |books| {
            let number = books.shelf.keep(jobs, tried, SystemClock.wall())?;
            Ok((0..count).map(|index| Answer::Saved(books.promise(number, index))).collect())
        });
        let saved: Result<Vec<Answer>, ShelfError> = saved.await;
        match &saved {
            Ok(_) => {
                self.0.away.store(true, Ordering::Relaxed);
                Tally::add(&self.0.tally.fail_store, count);
            }
            Err(error) => tracing::error!(%error, jobs = count, "a submission could not be saved"),
        }
        saved.map_err(|error| not_kept(&error, cause, certain))
    }

    pub(super) async fn dead_letters(&self) -> Result<Vec<DeadLetter>, FailStoreError> {
        self.on_books(|books| books.shelf.dead_letters()).await
    }

    /// Forgets a dead letter; whether there was one.
    pub(super) async fn discard(&self, letter: DeadLetter) -> Result<bool, FailStoreError> {
        self.on_books(move |books| books.shelf.discard(&letter)).await
    }

    /// Sends a dead letter again, behind what waits and as a new request; whether there was one.
    pub(super) async fn resend(&self, letter: DeadLetter) -> Result<bool, ClientError> {
        let resent = self.on_books(move |books| books.shelf.resend(&letter, SystemClock.wall())).await;
        resent.map_err(|error| not_kept(&error, None, true))
    }

    /// Works on the books where waiting for the disk holds up nobody.
    async fn on_books<T: Send + 'static>(&self, work: impl FnOnce(&mut Books) -> T + Send + 'static) -> T {
        let shared = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            let mut books = shared.books.lock();
            let done = work(&mut books);
            shared.stats.send_replace(books.shelf.stats());
            done
        });
        done.await.expect("it does not panic, and the runtime waits for it")
    }
}

impl Books {
    fn promise(&mut self, submission: u64, index: usize) -> Fate {
        let sender = watch::Sender::new(None);
        let fate = sender.subscribe();
        self.fates.insert((submission, index), sender);
        fate
    }
}

fn not_kept(error: &ShelfError, cause: Option<Fault>, certain: bool) -> ClientError {
    let why = cause.map(|cause| format!("{cause}, and ")).unwrap_or_default();
    let message = format!("{why}{error}");
    match error {
        ShelfError::Full { .. } if certain => {
            ClientError::NotDone(Fault::not_applied(Reason::FailStoreFull, message))
        }
        ShelfError::Full { .. } => ClientError::Unknown(Fault::unknown(Reason::FailStoreFull, message)),
        ShelfError::Store(_) => ClientError::Unknown(Fault::unknown(Reason::OutcomeUnknown, message)),
    }
}
