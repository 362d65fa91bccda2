//! **Two attempts at a run overlap only with a reason**: the older TaskTracker was paused or starved, so that it could
//! not stop itself in time, or it had told its runner to stop and was ignored. Being cut off is no excuse: who is cut off
//! stops by itself before anybody else begins.

use std::collections::BTreeMap;

use super::case::Case;
use super::finding::Finding;
use super::words::Id;
use crate::history::{Exec, ExecEvent};

/// What keeps a TaskTracker's process from stopping itself.
const PARALYSING: &[&str] = &["pause", "starv", "cpu", "freeze"];

/// One attempt as its TaskTracker saw it.
struct Attempt<'a> {
    begin: &'a Exec,
    /// When its runner was told to stop.
    interrupted: Option<u64>,
    /// None while nobody saw its end.
    end: Option<u64>,
    /// The last that was seen of its process: later it may have been dead.
    last_sign: u64,
}

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for attempts in attempts(case).values_mut() {
        attempts.sort_by_key(|attempt| attempt.begin.execution);
        for pair in attempts.windows(2) {
            finding.checked(1);
            finding.count("further attempts", 1);
            let (older, newer) = (&pair[0], &pair[1]);
            let over = older.end.is_some_and(|end| end <= newer.begin.t);
            if over || older.begin.t > newer.begin.t {
                continue;
            }
            if older.last_sign <= newer.begin.t {
                finding.count("attempts of which nothing more was seen", 1);
                continue;
            }
            finding.count("overlaps", 1);
            if older.interrupted.is_some_and(|told| told <= newer.begin.t) {
                finding.count("overlaps after it was told to stop", 1);
            } else if paralysed(case, older, newer.begin.t) {
                finding.count("overlaps with a paralysed TaskTracker", 1);
            } else {
                finding.violation(format!(
                    "{} of {} began on {} at {} while {} still ran on {} since {}, which nothing kept from stopping",
                    Id(newer.begin.execution),
                    newer.begin.run,
                    newer.begin.tracker,
                    case.when(newer.begin.t),
                    Id(older.begin.execution),
                    older.begin.tracker,
                    case.when(older.begin.t)
                ));
            }
        }
    }
    finding
}

fn attempts<'a>(case: &'a Case<'_>) -> BTreeMap<&'a str, Vec<Attempt<'a>>> {
    let mut all: BTreeMap<&str, BTreeMap<u64, Attempt<'_>>> = BTreeMap::new();
    let mut execs: Vec<&Exec> = case.evidence.execs.iter().collect();
    execs.sort_by_key(|exec| exec.t);
    let processes = Processes::new(&execs);
    for exec in execs {
        let of_run = all.entry(&exec.run).or_default();
        match (exec.ev, of_run.get_mut(&exec.execution)) {
            (ExecEvent::Begin, None) => {
                let (end, last_sign) = (processes.death(case, exec), processes.last_sign(exec));
                of_run.insert(exec.execution, Attempt { begin: exec, interrupted: None, end, last_sign });
            }
            (ExecEvent::Interrupted, Some(attempt)) => attempt.interrupted = Some(exec.t),
            (ExecEvent::End, Some(attempt)) => attempt.end = Some(exec.t),
            (ExecEvent::Begin, Some(_)) | (_, None) => {}
        }
    }
    all.into_iter().map(|(run, attempts)| (run, attempts.into_values().collect())).collect()
}

/// When each process of each TaskTracker was first and last seen.
struct Processes<'a>(BTreeMap<&'a str, BTreeMap<u32, (u64, u64)>>);

impl<'a> Processes<'a> {
    fn new(execs: &[&'a Exec]) -> Processes<'a> {
        let mut all: BTreeMap<&str, BTreeMap<u32, (u64, u64)>> = BTreeMap::new();
        for exec in execs {
            let (_, last) = all.entry(&exec.tracker).or_default().entry(exec.pid).or_insert((exec.t, exec.t));
            *last = exec.t;
        }
        Processes(all)
    }

    fn last_sign(&self, of: &Exec) -> u64 {
        self.0[of.tracker.as_str()][&of.pid].1
    }

    /// When the process that began it was killed, or at the latest when another of its name was first seen after the
    /// last that was seen of it: two processes may bear one name at once.
    fn death(&self, case: &Case<'_>, begin: &Exec) -> Option<u64> {
        let kills = case.faults.iter().filter(|fault| {
            let kills = ["kill", "power", "restart"].iter().any(|word| fault.what.contains(word));
            kills && fault.hits(&begin.tracker) && fault.from >= begin.t
        });
        let processes = &self.0[begin.tracker.as_str()];
        let last_seen = self.last_sign(begin);
        let successors = processes.values().map(|(first, _)| *first).filter(|first| *first > last_seen);
        let panics = case
            .faults
            .iter()
            .filter(|fault| fault.what == "failpoint" && fault.hits(&begin.tracker) && fault.to >= begin.t);
        let panics = panics.map(|fault| if fault.from >= begin.t { fault.from } else { fault.to });
        kills.map(|fault| fault.from).chain(panics).chain(successors).min()
    }
}

fn paralysed(case: &Case<'_>, older: &Attempt<'_>, until: u64) -> bool {
    case.faults.iter().any(|fault| {
        PARALYSING.iter().any(|word| fault.what.contains(word))
            && fault.hits(&older.begin.tracker)
            && fault.overlaps(older.begin.t, until)
    })
}
