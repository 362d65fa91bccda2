//! How a JobClient is to be, and what it is made of.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::batches::Batches;
use super::caller::Caller;
use super::counters::Tally;
use super::fail_store::{Keeper, replay};
use super::limiter::Limiter;
use super::sequences::Sequences;
use super::submitter::Submitter;
use super::{ClientError, FailStoreOptions, Inner, JobClient};
use crate::domain::{FieldError, Identity};
use crate::link::{self, Link, identity};
use crate::wire::{Fault, Reason};

/// How long a call may take with all its repetitions: longer than any election.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(30);

/// Says how a JobClient is to be.
#[derive(Debug, Default)]
#[must_use = "nothing is connected before connect"]
pub struct JobClientBuilder {
    addresses: Option<String>,
    identity: Option<String>,
    node_group: String,
    patience: Option<Duration>,
    fail_store: Option<FailStoreOptions>,
    submit_limit: Option<(u32, Duration)>,
}

impl JobClientBuilder {
    /// `host:port` of some JobTrackers, with commas between; else RAFTSMAN_ADDR, else `127.0.0.1:5870`.
    pub fn addresses(mut self, list: impl Into<String>) -> JobClientBuilder {
        self.addresses = Some(list.into());
        self
    }

    /// A name for people, 1 to 64 printable characters. Else the one that the FailStore's directory keeps, else a new one.
    pub fn identity(mut self, identity: impl Into<String>) -> JobClientBuilder {
        self.identity = Some(identity.into());
        self
    }

    /// The node group of submits that name none.
    pub fn node_group(mut self, node_group: impl Into<String>) -> JobClientBuilder {
        self.node_group = node_group.into();
        self
    }

    /// How long a call may take with all its repetitions; 30 s unless told.
    pub fn patience(mut self, patience: Duration) -> JobClientBuilder {
        self.patience = Some(patience);
        self
    }

    /// Saves what no JobTracker answers for, in a directory or as [`FailStoreOptions`] say, and sends it as soon as one
    /// does. What the directory holds from an earlier process is sent first. Off unless it is asked for.
    pub fn fail_store(mut self, options: impl Into<FailStoreOptions>) -> JobClientBuilder {
        self.fail_store = Some(options.into());
        self
    }

    /// The most jobs that leave this client in a second, and how long what comes too fast may wait before it is refused
    /// with SUBMIT_LIMITED. Off unless it is asked for; LTS's was 500 batches and 100 ms.
    pub fn submit_limit(mut self, jobs_per_second: u32, wait_at_most: Duration) -> JobClientBuilder {
        self.submit_limit = Some((jobs_per_second, wait_at_most));
        self
    }

    /// Starts to connect and waits until a JobTracker answers; with a FailStore it does not wait.
    ///
    /// # Errors
    /// If the configuration is wrong, or no JobTracker answers within the patience.
    pub async fn connect(self) -> Result<JobClient, ClientError> {
        let saves = self.fail_store.is_some();
        let client = self.open()?;
        if saves {
            return Ok(client);
        }
        let caller = &client.0.caller;
        if tokio::time::timeout_at(caller.deadline(), caller.link.target()).await.is_err() {
            let addresses: Vec<String> = caller.link.addresses().iter().map(ToString::to_string).collect();
            let message = format!("no jobtracker answers at {}", addresses.join(", "));
            return Err(ClientError::NotDone(Fault::not_applied(Reason::NoJobTracker, message)));
        }
        Ok(client)
    }

    /// Starts to connect; calls wait for it.
    ///
    /// # Errors
    /// If the configuration is wrong.
    pub fn open(self) -> Result<JobClient, ClientError> {
        let addresses = link::addresses(self.addresses.as_deref())?;
        let start_number = fastrand::u64(1..);
        let limiter = limiter(self.submit_limit)?;
        let directory = self.fail_store.as_ref().map(|options| options.directory.clone());
        let tally = Arc::new(Tally::default());
        let keeper = self.fail_store.map(|options| Keeper::open(options, Arc::clone(&tally))).transpose()?;
        let fresh = || Identity::new(format!("client-{start_number:016x}")).expect("23 printable characters");
        let identity = match (self.identity, directory) {
            (Some(given), _) => Identity::new(given)?,
            (None, Some(directory)) => identity(&directory, fresh)?,
            (None, None) => fresh(),
        };
        let patience = self.patience.unwrap_or(PATIENCE_DEFAULT);
        let caller = Arc::new(Caller { link: Link::open(addresses, start_number), patience });
        let sequences = Arc::new(Sequences::new(identity.clone()));
        // What waits in the FailStore keeps its sequence for days, so other calls must not use up the window of sequences
        // that the cluster remembers.
        let own = keeper.is_some().then(|| Arc::new(Sequences::new(identity)));
        let of_submits = own.unwrap_or_else(|| Arc::clone(&sequences));
        let replaying = keeper.clone().map(|keeper| {
            let replaying = replay(keeper, Arc::clone(&caller), Arc::clone(&of_submits));
            AbortOnDropHandle::new(tokio::spawn(replaying))
        });
        let (shared, of_submits) = (Arc::clone(&caller), Arc::clone(&of_submits));
        let batches = Arc::new(Batches { caller: shared, sequences: of_submits, keeper, tally });
        let submitter = Submitter::start(Arc::clone(&batches));
        Ok(JobClient(Arc::new(Inner {
            caller,
            sequences,
            batches,
            submitter,
            limiter,
            _replaying: replaying,
            node_group: self.node_group,
            start_number,
            task_ids: AtomicU64::new(0),
        })))
    }
}

fn limiter(limit: Option<(u32, Duration)>) -> Result<Option<Limiter>, ClientError> {
    match limit {
        Some((0, _)) => Err(FieldError::new("submit_limit", "is 0; give at least 1 job a second").into()),
        Some((jobs_per_second, wait_at_most)) => Ok(Some(Limiter::new(jobs_per_second, wait_at_most))),
        None => Ok(None),
    }
}
