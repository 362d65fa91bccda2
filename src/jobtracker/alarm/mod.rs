//! Alarms: what an operator must hear of before it hurts, by rules, told to webhooks and by mail.
//!
//! The leader judges the cluster and writes into the log what changes, so that an alarm is one alarm whoever leads. What
//! only one node can know (no leader, its own disk, files and memory) it judges by itself and keeps in memory: `local`.
//! Each target has a task of its own that looks for what it has not been told, so a target that does not answer holds up
//! nobody. `docs/alarms.md` is the page for whoever is woken.

mod evaluate;
#[cfg(feature = "server")]
mod mail;
#[cfg(feature = "server")]
mod notice;
mod numbers;
mod options;
mod rules;
#[cfg(feature = "server")]
mod targets;
mod view;
#[cfg(feature = "server")]
mod webhook;
mod window;

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::JobTracker;
use super::leader::Lane;
use crate::domain::AlarmId;
use crate::machine::alarm::AlarmRow;
use crate::machine::command::{AlarmChange, AlarmState, SetAlarms};
use crate::machine::{BaseError, Command};
#[cfg(feature = "server")]
use crate::process::Probe;
use evaluate::{Evaluation, Present, Rows};
#[cfg(feature = "server")]
pub(super) use mail::is_address;
use numbers::Numbers;
pub use options::{
    AlarmOptions, MAIL_TARGET, MailOptions, MailSecurity, Thresholds, WebhookOptions, default_severity,
};
use rules::{Lately, Local};
#[cfg(feature = "server")]
pub use targets::TestError;
pub use view::{AlarmView, SilenceView, TargetView};
use window::Window;

/// How long the leader waits for its own findings to be written: they are found again.
const WRITE_WITHIN: Duration = Duration::from_secs(2);
/// Recovered alarms of this node that are kept.
const LOCAL_KEPT: usize = 64;

/// What a node knows of alarms besides the tables.
#[derive(Debug)]
pub(super) struct Alarms {
    local: Mutex<Rows>,
    /// Changes whenever somebody may have to be told of something.
    news: watch::Sender<u64>,
    #[cfg(feature = "server")]
    targets: Vec<std::sync::Arc<targets::Target>>,
}

impl Alarms {
    pub(super) fn new(options: &AlarmOptions) -> Alarms {
        #[cfg(not(feature = "server"))]
        let _ = options;
        Alarms {
            local: Mutex::default(),
            news: watch::Sender::new(0),
            #[cfg(feature = "server")]
            targets: targets::of(options),
        }
    }

    fn tell(&self) {
        self.news.send_modify(|count| *count += 1);
    }
}

/// Judges and tells until the node stops.
pub(super) fn start(tracker: &JobTracker) {
    tokio::spawn(watch(tracker.clone()));
    #[cfg(feature = "server")]
    targets::start(tracker);
}

async fn watch(tracker: JobTracker) {
    let options = tracker.options().alarms.clone();
    let mut beat = tokio::time::interval(options.evaluate_every);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watching = Watching::new(&tracker, options);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = tracker.stopping().cancelled() => return,
        }
        watching.judge_this_node(&tracker);
        if let Err(error) = watching.judge_the_cluster(&tracker).await {
            // A disk that fails here fails the next entry too, and that ends the node.
            tracing::warn!(%error, "the alarms cannot be judged");
        }
    }
}

/// What one node remembers between two looks.
struct Watching {
    options: AlarmOptions,
    cluster: Evaluation,
    here: Evaluation,
    window: Window,
    /// The term of which this node judged last.
    term: Option<u64>,
    leaderless_since: Option<Instant>,
    #[cfg(feature = "server")]
    probe: Probe,
}

impl Watching {
    fn new(tracker: &JobTracker, options: AlarmOptions) -> Watching {
        let now = tracker.clock().monotonic();
        let thresholds = &options.thresholds;
        Watching {
            cluster: Evaluation::new(now),
            here: Evaluation::new(now),
            window: Window::new(thresholds.failure_window.max(thresholds.dead_run_window)),
            term: None,
            leaderless_since: None,
            #[cfg(feature = "server")]
            probe: Probe::new(std::sync::Arc::clone(tracker.clock())),
            options,
        }
    }

    fn present(tracker: &JobTracker) -> Present {
        Present { monotonic: tracker.clock().monotonic(), time: tracker.now() }
    }

    /// What only this node can know: no row is needed, and none could be written without a leader.
    fn judge_this_node(&mut self, tracker: &JobTracker) {
        let now = Watching::present(tracker);
        let local = self.local(tracker, now.monotonic);
        let found = rules::of_this_node(&local, &self.options);
        let alarms = tracker.alarms();
        let mut rows = alarms.local.lock();
        let changes = self.here.step(now, &self.options, found, &rows);
        if changes.is_empty() {
            return;
        }
        changes.iter().for_each(|change| log(change, rows.get(&(change.rule, change.subject.clone()))));
        changes.into_iter().for_each(|change| change_here(&mut rows, change, now));
        drop(rows);
        alarms.tell();
    }

    fn local(&mut self, tracker: &JobTracker, now: Instant) -> Local {
        let metrics = tracker.raft().metrics();
        // Who is alone is its own majority, and hears nobody answer.
        let needs_others = metrics.voters.len() > 1;
        let leadership = tracker.leadership().borrow().clone();
        // A majority that has never answered this leader is silent for as long as it leads: leadership was handed to it by the
        // last other one that was up.
        let leads_for = || now.saturating_duration_since(leadership.since);
        let cut_off = (needs_others && metrics.leader == Some(metrics.id))
            .then(|| metrics.quorum_silence.unwrap_or_else(leads_for));
        let in_a_cluster = tracker.raft().identity().cluster().is_some();
        let leaderless = leadership.leader.is_none();
        self.leaderless_since = (in_a_cluster && leaderless).then(|| self.leaderless_since.unwrap_or(now));
        let disk = match tracker.look_at_disk() {
            Ok(free_percent) => Some((free_percent, tracker.options().disk_free_min_percent)),
            Err(error) => {
                tracing::warn!(%error, "the disk does not tell how full it is");
                None
            }
        };
        #[cfg(feature = "server")]
        let (files, memory) = {
            let info = self.probe.look();
            let files = (info.open_files, info.open_files_max);
            (Some(files), Some((info.memory_bytes, info.machine.memory_bytes)))
        };
        // A simulated node has no process of its own.
        #[cfg(not(feature = "server"))]
        let (files, memory) = (None, None);
        let leaderless = self.leaderless_since.map(|since| now.saturating_duration_since(since)).or(cut_off);
        Local { node: tracker.name().to_owned(), leaderless, disk, files, memory }
    }

    async fn judge_the_cluster(&mut self, tracker: &JobTracker) -> Result<(), BaseError> {
        let now = Watching::present(tracker);
        let finished = tracker.look(numbers::finished)?;
        self.window.sample(now.monotonic, finished);
        let term = tracker.leader().map(|leader| leader.term);
        if term != self.term {
            self.cluster.forget();
            self.term = term;
        }
        if term.is_none() {
            return Ok(());
        }
        let known = tracker.look(|machine| view::rows(machine.tables()))?;
        let numbers = Numbers::read(tracker)?;
        let thresholds = &self.options.thresholds;
        let lately = Lately {
            failures: self.window.within(thresholds.failure_window),
            deaths: self.window.within(thresholds.dead_run_window),
        };
        let found = rules::of_the_cluster(&numbers, &lately, &self.options);
        let changes = self.cluster.step(now, &self.options, found, &known);
        if changes.is_empty() {
            return Ok(());
        }
        changes.iter().for_each(|change| log(change, known.get(&(change.rule, change.subject.clone()))));
        let command = Command::SetAlarms(SetAlarms { changes });
        // What is not written is found again.
        if tracker.command(Lane::Drain, command, WRITE_WITHIN).await.is_ok() {
            tracker.alarms().tell();
        }
        Ok(())
    }
}

/// Says what begins and what ends; that something stays is no news.
fn log(change: &AlarmChange, known: Option<&AlarmRow>) {
    let stands = known.is_some_and(AlarmRow::is_raised);
    match &change.to {
        AlarmState::Raised(_) if stands => {}
        AlarmState::Raised(reading) => tracing::warn!(
            rule = %change.rule, subject = %change.subject, severity = %reading.severity, "alarm: {}", reading.text
        ),
        AlarmState::Recovered => {
            tracing::info!(rule = %change.rule, subject = %change.subject, "the alarm is over");
        }
    }
}

fn change_here(rows: &mut Rows, change: AlarmChange, now: Present) {
    let place = (change.rule, change.subject);
    let known = rows.get(&place);
    let row = match change.to {
        AlarmState::Raised(reading) => {
            let id = AlarmId::from_u64(now.time.as_millis());
            Some(AlarmRow::raise(known, id, reading, now.time))
        }
        AlarmState::Recovered => known.and_then(|row| row.recover(now.time, false)),
    };
    rows.extend(row.map(|row| (place, row)));
    while rows.len() > LOCAL_KEPT {
        let over = rows.iter().filter_map(|(place, row)| Some((row.recovered?, place.clone())));
        let Some((_, oldest)) = over.min() else { return };
        rows.remove(&oldest);
    }
}
