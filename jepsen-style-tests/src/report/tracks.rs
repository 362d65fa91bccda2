//! One row for the terms of the log, by the time of its entries, and one for each target of a fault.

use std::collections::BTreeSet;

use super::svg::{Axis, LEFT, Plot};
use crate::checker::Case;
use crate::history::FaultOutcome;

const ROW: f64 = 18.0;

pub(super) fn draw(case: &Case<'_>, axis: &Axis) -> String {
    let faults = case.faults.iter().filter(|fault| fault.outcome != FaultOutcome::Skipped);
    let nodes = case.evidence.info.nodes.iter();
    let mut targets: BTreeSet<&str> =
        faults.flat_map(|fault| fault.targets.iter().map(String::as_str)).collect();
    targets.extend(nodes.map(String::as_str));
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let height = ROW * (targets.len() + 1) as f64 + 4.0;
    let mut plot = Plot::new(case, axis, height);
    terms(case, axis, &mut plot);
    let mut y = ROW;
    for target in targets {
        plot.label(y + ROW * 0.7, target);
        plot.line("grid", LEFT, y, axis.x(axis.seconds()), y);
        for fault in case.faults.iter().filter(|fault| fault.hits(target)) {
            let (from, to) = (axis.x_of(fault.from), axis.x_of(fault.to));
            let word = format!("{} {}", fault.what, fault.detail);
            plot.rect("fault", from, y + 3.0, (to - from).max(2.0), ROW - 6.0, &word);
            plot.text("small", from + 2.0, y + ROW * 0.72, "start", &fault.what);
        }
        y += ROW;
    }
    plot.done()
}

/// From the first entry of each term to the first of the next.
fn terms(case: &Case<'_>, axis: &Axis, plot: &mut Plot) {
    let Some(start) = case.evidence.started_wall_ns() else { return };
    let second = |ms: i64| {
        #[expect(clippy::cast_precision_loss, reason = "pixels")]
        let ns = (i128::from(ms) * 1_000_000 - start) as f64;
        ns / 1e9
    };
    let timed = case.log.entries.values().filter_map(|entry| Some((entry.term, second(entry.at?.0))));
    let mut firsts: Vec<(u64, f64)> = Vec::new();
    for (term, at) in timed {
        if firsts.last().is_none_or(|(last, _)| *last != term) {
            firsts.push((term, at));
        }
    }
    plot.label(ROW * 0.7, "term");
    for (i, (term, from)) in firsts.iter().enumerate() {
        let to = firsts.get(i + 1).map_or(axis.seconds(), |(_, next)| *next);
        let (from, to) = (axis.x(*from), axis.x(to));
        let class = if i % 2 == 0 { "term" } else { "term odd" };
        plot.rect(class, from, 2.0, (to - from).max(1.0), ROW - 4.0, &format!("term {term}"));
        plot.text("small", from + 2.0, ROW * 0.72, "start", &term.to_string());
    }
}
