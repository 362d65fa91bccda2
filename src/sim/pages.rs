//! Somebody reads a queue page by page while the world goes on. A row that is the same at the beginning and at the end
//! was on exactly one page.

use std::collections::{BTreeMap, BTreeSet};

use super::history::Broken;
use crate::machine::{Entry, JobFilter, Machine, Place, Queue, RunState};

/// Each page is read so many entries after the one before.
pub(super) const PAGE_EVERY: u64 = 7;
const PAGE_ROWS: usize = 3;
/// Here a run that went and came back says so; an instant that waits for a plan in between does not.
const QUEUES: [Queue; 2] = [Queue::Ready, Queue::Executing];

/// A reading that is under way.
#[derive(Debug, Default)]
pub(super) struct Pages {
    readings: usize,
    before: BTreeSet<String>,
    seen: BTreeMap<String, usize>,
    place: Option<Place>,
}

impl Pages {
    /// Reads the next page.
    pub(super) fn turn(&mut self, machine: &Machine) -> Result<(), Broken> {
        let queue = QUEUES[self.readings % QUEUES.len()];
        if self.place.is_none() {
            self.before = all(machine, queue)?;
            self.seen.clear();
        }
        let (rows, next) = page(machine, queue, self.place.as_ref(), PAGE_ROWS)?;
        rows.into_iter().for_each(|row| *self.seen.entry(row).or_default() += 1);
        self.place = next;
        if self.place.is_some() {
            return Ok(());
        }
        self.readings += 1;
        let after = all(machine, queue)?;
        for row in self.before.intersection(&after) {
            let times = self.seen.get(row).copied().unwrap_or_default();
            if times != 1 {
                return Err(format!("Q2: {row} did not change and was on {times} pages of {queue:?}"));
            }
        }
        Ok(())
    }
}

fn all(machine: &Machine, queue: Queue) -> Result<BTreeSet<String>, Broken> {
    Ok(page(machine, queue, None, usize::MAX)?.0.into_iter().collect())
}

fn page(
    machine: &Machine,
    queue: Queue,
    after: Option<&Place>,
    limit: usize,
) -> Result<(Vec<String>, Option<Place>), Broken> {
    let page = machine.tables().list(queue, &JobFilter::default(), after, limit);
    let page = page.map_err(|error| error.to_string())?;
    Ok((page.rows.iter().map(told).collect(), page.next))
}

/// What a row says of its run, or of its job where that has none yet.
fn told(entry: &Entry) -> String {
    match entry.view.run.as_ref().map(|run| (run.id, &run.state)) {
        Some((run, RunState::Live(live))) => format!("{run} {:?} {}", live.state, live.executions),
        Some((run, RunState::Ended(row))) => format!("{run} {:?}", row.fate),
        None => entry.view.id.to_string(),
    }
}
