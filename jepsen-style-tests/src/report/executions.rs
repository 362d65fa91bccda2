//! Who executed what when: the runs with most attempts, a row each. A bar is an attempt from its beginning to its end as
//! its TaskTracker saw them; where nobody saw an end it fades.

use std::collections::BTreeMap;

use super::svg::{Axis, LEFT, Plot};
use crate::checker::{Case, End, Execution, RunRef};
use crate::history::ExecEvent;

const ROW: f64 = 14.0;
const ROWS_MAX: usize = 50;

pub(super) fn draw(case: &Case<'_>, axis: &Axis) -> String {
    let mut runs: BTreeMap<RunRef, Vec<&Execution>> = BTreeMap::new();
    for execution in &case.trace.executions {
        runs.entry(execution.run).or_default().push(execution);
    }
    let of = runs.len();
    let mut runs: Vec<(RunRef, Vec<&Execution>)> = runs.into_iter().collect();
    // Those that tell most first, then all in their order.
    runs.sort_by_key(|(run, attempts)| (std::cmp::Reverse(attempts.len()), *run));
    runs.truncate(ROWS_MAX);
    runs.sort_by_key(|(run, _)| *run);
    if runs.is_empty() {
        return "<p>None in this run.</p>".into();
    }
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let height = ROW * runs.len() as f64 + 4.0;
    let mut plot = Plot::new(case, axis, height);
    let mut y = 2.0;
    for (run, attempts) in &runs {
        plot.label(y + ROW * 0.75, &format!("{} {run}", attempts[0].task_id));
        plot.line("grid", LEFT, y + ROW, axis.x(axis.seconds()), y + ROW);
        attempts.iter().for_each(|attempt| bar(case, axis, &mut plot, y, attempt));
        y += ROW;
    }
    format!("<p>{} of {of} runs, those with most attempts.</p>{}", runs.len(), plot.done())
}

fn bar(case: &Case<'_>, axis: &Axis, plot: &mut Plot, y: f64, attempt: &Execution) {
    let at = |ev: ExecEvent| case.seen_of(attempt.id).find(|exec| exec.ev == ev).map(|exec| exec.t);
    let Some(begun) = at(ExecEvent::Begin) else { return };
    let interrupted = at(ExecEvent::Interrupted);
    let end = at(ExecEvent::End).or(interrupted);
    let class = match attempt.ended {
        Some((_, End::Completed(action))) if action.is_success() => "ok",
        Some((_, End::Completed(_))) => "late",
        Some((_, End::Reclaimed)) => "bad",
        Some((_, End::Returned | End::Interrupted)) | None => "unknown",
    };
    let ended = match attempt.ended {
        Some((index, how)) => format!("{how:?} at index {index}"),
        None => "never ended in the log".into(),
    };
    let tracker = case.trace.trackers.get(&attempt.session).map_or("?", |session| session.identity.as_str());
    let word = format!(
        "{} attempt {} on {tracker}, dispatched at index {}, begun at {}; {ended}",
        attempt.id,
        attempt.attempt,
        attempt.dispatched,
        case.when(begun)
    );
    let (from, to) = (axis.x_of(begun), end.map(|end| axis.x_of(end)));
    let class = if to.is_some() { class.to_owned() } else { format!("{class} open") };
    let width = to.map_or(6.0, |to| (to - from).max(1.6));
    plot.rect(&class, from, y + 3.0, width, ROW - 6.0, &word);
    if let Some(told) = interrupted {
        plot.line("told", axis.x_of(told), y + 1.0, axis.x_of(told), y + ROW - 1.0);
    }
}
