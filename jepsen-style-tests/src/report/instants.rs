//! Recurring jobs, a row each: when each instant was due, and when a run of it began.

use std::collections::BTreeMap;

use super::svg::{Axis, LEFT, Plot};
use crate::checker::{Case, Id};
use crate::history::ExecEvent;

const ROW: f64 = 14.0;
const ROWS_MAX: usize = 40;
/// Later than this is drawn as late.
const LATE_S: f64 = 1.0;

pub(super) fn draw(case: &Case<'_>, axis: &Axis) -> String {
    let recurring = case.trace.jobs.iter().filter(|(_, job)| job.spec().is_periodic());
    let jobs: Vec<(Id, String)> =
        recurring.map(|(id, job)| (*id, job.spec().task_id.clone())).take(ROWS_MAX).collect();
    if jobs.is_empty() {
        return "<p>None in this run.</p>".into();
    }
    let Some(start) = case.evidence.started_wall_ns() else { return String::new() };
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let height = ROW * jobs.len() as f64 + 4.0;
    let mut plot = Plot::new(case, axis, height);
    let mut y = 2.0;
    for (id, task) in jobs {
        plot.label(y + ROW * 0.75, &task);
        plot.line("grid", LEFT, y + ROW, axis.x(axis.seconds()), y + ROW);
        let mut first: BTreeMap<i64, (u64, &str)> = BTreeMap::new();
        for exec in case.seen_of_job(id).filter(|exec| exec.ev == ExecEvent::Begin) {
            let begun = first.entry(exec.due_ns).or_insert((exec.t, &exec.run));
            begun.0 = begun.0.min(exec.t);
        }
        for settled in case.replay.model.settled(id).iter().filter(|settled| settled.was_skipped()) {
            let x = axis.x(second(start, settled.first()));
            let to = axis.x(second(start, settled.last()));
            plot.rect("skipped", x - 1.0, y + 4.0, (to - x).max(2.0), ROW - 8.0, settled.word());
        }
        for (due, (t, run)) in first {
            let due = second(start, due.div_euclid(1_000_000));
            let late = axis.second(t) - due;
            let class = if late > LATE_S { "late" } else { "ok" };
            let x = axis.x(due);
            plot.rect(
                class,
                x,
                y + 3.0,
                (axis.x_of(t) - x).max(1.6),
                ROW - 6.0,
                &format!("{run} due at {due:.3} s, begun {:.0} ms later", late * 1000.0),
            );
        }
        y += ROW;
    }
    plot.done()
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn second(start_wall_ns: i128, ms: i64) -> f64 {
    (i128::from(ms) * 1_000_000 - start_wall_ns) as f64 / 1e9
}
