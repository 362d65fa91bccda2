//! What clients do during a run: which jobs, which calls, how often.

mod jobs;
mod player;

use std::time::Duration;

pub(crate) use player::{Known, Player};

use crate::generator::schedule::{Aim, Plan};
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
    /// Lists with all filters together, page after page while the jobs change; some of them may be stale.
    Lists,
    /// Jobs whose ends JobClients want to hear; some of their handlers fail at first.
    Feedback,
    /// Jobs of all kinds suspended, resumed, triggered and deleted.
    Suspend,
    /// JobClients with a FailStore, while all JobTrackers are away for a while and the JobClients die too.
    FailStore,
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
    /// A suspend, resume, trigger or delete.
    pub(crate) act: u32,
    pub(crate) get: u32,
    pub(crate) list: u32,
    /// Several pages of one list, one after another.
    pub(crate) pages: u32,
    /// Between two operations of one client, on average.
    pub(crate) gap: Duration,
}

impl Workload {
    pub(crate) const ALL: [Workload; 12] = [
        Workload::Submit,
        Workload::Cron,
        Workload::Executions,
        Workload::Repeat,
        Workload::SnapshotRejoin,
        Workload::Rolling,
        Workload::Marathon,
        Workload::Mixed,
        Workload::Lists,
        Workload::Feedback,
        Workload::Suspend,
        Workload::FailStore,
    ];

    /// Those that take turns in a soak: a marathon's executions outlast its runs.
    pub(crate) const SOAKED: [Workload; 11] = [
        Workload::Submit,
        Workload::Cron,
        Workload::Executions,
        Workload::Repeat,
        Workload::SnapshotRejoin,
        Workload::Rolling,
        Workload::Mixed,
        Workload::Lists,
        Workload::Feedback,
        Workload::Suspend,
        Workload::FailStore,
    ];

    pub(crate) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self)
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// How many jobs are there before the faults begin; those of a workload that would have nothing else.
    pub(crate) fn planted(self) -> u32 {
        match self {
            Workload::Cron => 12,
            Workload::Repeat | Workload::Mixed | Workload::Suspend => 6,
            Workload::Submit
            | Workload::Executions
            | Workload::SnapshotRejoin
            | Workload::Rolling
            | Workload::Marathon
            | Workload::Lists
            | Workload::Feedback
            | Workload::FailStore => 0,
        }
    }

    /// So many changes a second as the TaskTrackers can follow, and reads beside them up to the rate of all workloads.
    pub(crate) fn mix(self) -> Mix {
        let ms = Duration::from_millis;
        let reads = |get, list, gap| Mix {
            submit: 0,
            batch: 0,
            race: 0,
            cancel: 0,
            terminate: 0,
            retry: 0,
            act: 0,
            get,
            list,
            pages: 0,
            gap,
        };
        match self {
            Workload::Submit | Workload::SnapshotRejoin | Workload::Rolling | Workload::Feedback => {
                let changes = Mix { submit: 8, batch: 2, race: 2, cancel: 3, ..reads(8, 1, ms(20)) };
                Mix { terminate: 1, retry: 1, ..changes }
            }
            Workload::Lists => {
                Mix { submit: 6, batch: 1, race: 1, cancel: 3, pages: 4, ..reads(2, 2, ms(40)) }
            }
            Workload::Suspend => {
                Mix { submit: 5, race: 1, cancel: 1, retry: 1, act: 12, ..reads(10, 2, ms(60)) }
            }
            // Little else: its jobs come from the submitters.
            Workload::FailStore => Mix { submit: 2, cancel: 1, ..reads(8, 1, ms(300)) },
            Workload::Cron => Mix { submit: 2, cancel: 2, ..reads(85, 10, ms(70)) },
            Workload::Executions => {
                Mix { submit: 5, race: 1, cancel: 1, terminate: 1, retry: 1, ..reads(85, 6, ms(70)) }
            }
            Workload::Repeat => Mix { submit: 5, cancel: 3, ..reads(85, 8, ms(70)) },
            // Little else, so that the long executions and what becomes of them are what the run is about.
            Workload::Marathon => Mix { submit: 5, cancel: 1, ..reads(10, 3, ms(1000)) },
            Workload::Mixed => {
                let changes = Mix { submit: 8, batch: 1, race: 3, cancel: 3, ..reads(6, 1, ms(100)) };
                Mix { terminate: 1, retry: 1, ..changes }
            }
        }
    }

    /// The faults that it is nothing without.
    pub(crate) fn must_have(self) -> &'static [Family] {
        match self {
            Workload::Submit
            | Workload::Cron
            | Workload::Repeat
            | Workload::Lists
            | Workload::Suspend
            | Workload::Mixed => &[],
            Workload::Feedback => &[Family::Kill],
            Workload::FailStore => &[Family::ClientKill],
            Workload::Marathon => &[Family::TrackerCut],
            Workload::Executions => &[Family::TrackerPause],
            Workload::SnapshotRejoin => &[Family::Snapshot, Family::Wipe],
            Workload::Rolling => &[Family::Rolling],
        }
    }

    /// Whether JobClients with a FailStore submit beside everybody else.
    pub(crate) fn saves(self) -> bool {
        self == Workload::FailStore
    }

    /// The faults that no draw may leave out: twice all JobTrackers are away, and the second time each JobClient dies with
    /// what it has saved.
    pub(crate) fn comes_anyway(self, time: Duration) -> Vec<Plan> {
        if !self.saves() {
            return Vec::new();
        }
        let hold = Duration::from_secs(4).min(time / 4);
        let plan = |family, at, hold, aim, variant| Plan { family, at, hold, aim, variant, measure: 1 };
        let second = time * 5 / 8;
        let die = |variant| {
            let at = second + hold / 4 * (1 + u32::try_from(variant).unwrap_or(0));
            plan(Family::ClientKill, at, hold / 8, Aim::Leader, variant)
        };
        vec![
            plan(Family::Kill, time / 8, hold, Aim::All, 0),
            plan(Family::Kill, second, hold, Aim::All, 0),
            die(0),
            die(1),
        ]
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
            Workload::Lists => &[Family::Kill, Family::Partition, Family::Pause, Family::ClientKill],
            Workload::Feedback => {
                &[Family::Kill, Family::Partition, Family::Pause, Family::Power, Family::TrackerKill]
            }
            Workload::Suspend => &[Family::Kill, Family::Power, Family::Partition, Family::TrackerKill],
            Workload::FailStore => {
                &[Family::Kill, Family::Power, Family::Partition, Family::ClientKill, Family::TrackerKill]
            }
        }
    }
}
