//! What the jobs themselves wrote down as they ran: one line for each execution, with its fencing token.
//!
//! The file is the demonstration's outside world: it is not told by the cluster, so the ledger can be held against it. It
//! is read as it grows, which also tells when each execution was seen to start.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use raftsman::domain::{Clock as _, SystemClock, Timestamp};

/// How often the file is looked at: the precision of a start that is seen.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// One execution that began.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) task_id: String,
    pub(crate) run_id: String,
    /// The fencing token, which is the execution's id.
    pub(crate) execution: u64,
    pub(crate) tasktracker: String,
    /// When its line was seen, at most 2 ms and a turn of our loop after it was written.
    pub(crate) seen: Timestamp,
}

/// All that was written so far. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    effects: Vec<Effect>,
    by_kind: BTreeMap<String, usize>,
    unreadable: Vec<String>,
}

impl Effects {
    /// Reads the file as it grows, for as long as it is polled; ends only if that fails, and says why.
    pub(crate) async fn follow(&self, path: &Path) -> anyhow::Error {
        let followed: anyhow::Result<Infallible> = self.read_for_ever(path).await;
        match followed {
            Ok(never) => match never {},
            Err(error) => error.context("cannot read what the jobs wrote"),
        }
    }

    async fn read_for_ever(&self, path: &Path) -> anyhow::Result<Infallible> {
        let mut file = File::options().create(true).append(true).read(true).open(path)?;
        let (mut rest, mut beat) = (Vec::new(), tokio::time::interval(LOOK_EVERY));
        loop {
            beat.tick().await;
            file.read_to_end(&mut rest)?;
            let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let lines: Vec<u8> = rest.drain(..=end).collect();
            self.add(&String::from_utf8_lossy(&lines), SystemClock.wall());
        }
    }

    fn add(&self, lines: &str, seen: Timestamp) {
        let mut all = self.0.lock();
        for line in lines.lines() {
            match effect(line, seen) {
                Some(effect) => {
                    *all.by_kind.entry(kind(&effect.task_id).into()).or_default() += 1;
                    all.effects.push(effect);
                }
                None => all.unreadable.push(line.into()),
            }
        }
    }

    pub(crate) fn all(&self) -> Vec<Effect> {
        self.0.lock().effects.clone()
    }

    /// Lines that are no effect: none, unless a job tore another one's line.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        self.0.lock().unreadable.clone()
    }

    /// How many executions of tasks whose ids begin with `kind-` were seen.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.0.lock().by_kind.get(kind).copied().unwrap_or(0)
    }

    /// Waits until so many executions of a kind were seen.
    pub(crate) async fn reach(&self, kind: &str, count: usize) {
        let mut beat = tokio::time::interval(LOOK_EVERY);
        while self.count(kind) < count {
            beat.tick().await;
        }
    }
}

/// `file` of `file-17`.
pub(crate) fn kind(task_id: &str) -> &str {
    task_id.split_once('-').map_or(task_id, |(kind, _)| kind)
}

fn effect(line: &str, seen: Timestamp) -> Option<Effect> {
    let mut words = line.split(' ').map(str::to_owned);
    let mut next = || words.next();
    let (task_id, run_id, execution, tasktracker) = (next()?, next()?, next()?.parse().ok()?, next()?);
    next().is_none().then_some(Effect { task_id, run_id, execution, tasktracker, seen })
}
