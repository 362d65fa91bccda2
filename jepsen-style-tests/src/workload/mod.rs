//! What clients do during a run: which jobs, which calls, how often.

mod jobs;
mod player;

use std::time::Duration;

pub(crate) use player::{Known, Player};

use crate::nemesis::Family;

/// A kind of run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Workload {
    /// One-shot jobs, single and in batches, resent to other JobTrackers, cancelled around their due time, read back.
    Submit,
    /// Cron jobs that fire every second, with each misfire policy.
    Cron,
    /// Long executions with fenced effects, runners that do not stop, jobs that kill their TaskTracker.
    Executions,
    /// Repeating jobs, with and without an end.
    Repeat,
    /// As `submit`, with small snapshots and JobTrackers that come back empty.
    SnapshotRejoin,
    /// As `submit`, while JobTrackers are restarted one after another.
    Rolling,
    /// Executions of half a minute and cancels of what executes: they outlast each patience of the cluster.
    Marathon,
    /// Jobs of all kinds at once.
    Mixed,
}

/// How often each class of operation comes, and how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) submit: u32,
    pub(crate) batch: u32,
    /// A submit for soon, and a cancel around the due time.
    pub(crate) race: u32,
    pub(crate) cancel: u32,
    pub(crate) terminate: u32,
    pub(crate) retry: u32,
    pub(crate) get: u32,
    pub(crate) list: u32,
    /// Between two operations of one client, on average.
    pub(crate) gap: Duration,
}

impl Workload {
    pub(crate) const ALL: [Workload; 8] = [
        Workload::Submit,
        Workload::Cron,
        Workload::Executions,
        Workload::Repeat,
        Workload::SnapshotRejoin,
        Workload::Rolling,
        Workload::Marathon,
        Workload::Mixed,
    ];

    pub(crate) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How many jobs are there before the faults begin; those of a workload that would have nothing else.
    pub(crate) fn planted(self) -> u32 {
        match self {
            Workload::Cron => 12,
            Workload::Repeat | Workload::Mixed => 6,
            Workload::Submit | Workload::Executions | Workload::SnapshotRejoin => 0,
            Workload::Rolling | Workload::Marathon => 0,
        }
    }

    pub(crate) fn mix(self) -> Mix {
        let fast = Duration::from_millis(70);
        match self {
            Workload::Submit | Workload::SnapshotRejoin | Workload::Rolling => Mix {
                submit: 8,
                batch: 2,
                race: 4,
                cancel: 2,
                terminate: 1,
                retry: 1,
                get: 6,
                list: 1,
                gap: fast,
            },
            Workload::Marathon => Mix {
                submit: 5,
                batch: 0,
                race: 0,
                cancel: 1,
                terminate: 0,
                retry: 0,
                get: 10,
                list: 3,
                gap: Duration::from_secs(1),
            },
            Workload::Mixed => Mix {
                submit: 8,
                batch: 1,
                race: 3,
                cancel: 3,
                terminate: 1,
                retry: 1,
                get: 6,
                list: 1,
                gap: Duration::from_millis(100),
            },
            Workload::Cron => Mix {
                submit: 1,
                batch: 0,
                race: 0,
                cancel: 1,
                terminate: 0,
                retry: 0,
                get: 8,
                list: 2,
                gap: Duration::from_millis(300),
            },
            Workload::Executions => Mix {
                submit: 10,
                batch: 0,
                race: 2,
                cancel: 2,
                terminate: 2,
                retry: 2,
                get: 6,
                list: 1,
                gap: Duration::from_millis(500),
            },
            Workload::Repeat => Mix {
                submit: 3,
                batch: 0,
                race: 0,
                cancel: 2,
                terminate: 0,
                retry: 0,
                get: 8,
                list: 2,
                gap: Duration::from_millis(300),
            },
        }
    }

    /// The faults that it is nothing without.
    pub(crate) fn must_have(self) -> &'static [Family] {
        match self {
            Workload::Submit | Workload::Cron | Workload::Repeat | Workload::Mixed => &[],
            Workload::Marathon => &[Family::TrackerCut],
            Workload::Executions => &[Family::TrackerPause],
            Workload::SnapshotRejoin => &[Family::Snapshot, Family::Wipe],
            Workload::Rolling => &[Family::Rolling],
        }
    }

    /// The faults that come with it unless others are asked for.
    pub(crate) fn nemeses(self) -> &'static [Family] {
        match self {
            Workload::Submit => &[Family::Kill, Family::Pause, Family::Power, Family::Partition],
            Workload::Cron => &[Family::Kill, Family::Pause, Family::Partition, Family::Power],
            Workload::Executions => &[
                Family::TrackerKill,
                Family::TrackerPause,
                Family::TrackerCut,
                Family::TrackerTwin,
                Family::Kill,
            ],
            Workload::Repeat => &[Family::Kill, Family::Partition, Family::Loss, Family::TrackerKill],
            Workload::SnapshotRejoin => &[Family::Snapshot, Family::Wipe, Family::Kill, Family::Partition],
            Workload::Rolling => &[Family::Rolling, Family::Pause, Family::Delay],
            Workload::Marathon => &[Family::TrackerCut, Family::TrackerPause, Family::Kill],
            Workload::Mixed => &[Family::Kill, Family::Pause, Family::TrackerKill, Family::Partition],
        }
    }
}
