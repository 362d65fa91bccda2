//! `report.html`: one file that shows a run without anything else at hand. What was judged stands first; below it the same
//! time axis again and again: how fast, how slow, under which faults, by which leader, and who executed what.

mod executions;
mod instants;
mod page;
mod svg;
mod tracks;
mod traffic;

use crate::checker::{Case, Judged, Verdict};

/// The whole page.
pub(crate) fn render(case: &Case<'_>, verdict: Verdict, judged: &[Judged]) -> String {
    let axis = svg::Axis::of(case);
    let plots = [
        ("Operations a second", traffic::rate(case, &axis)),
        ("Latency of operations, logarithmic", traffic::latency(case, &axis)),
        ("Terms and faults by target", tracks::draw(case, &axis)),
        ("Instants of recurring jobs", instants::draw(case, &axis)),
        ("Executions", executions::draw(case, &axis)),
    ];
    page::page(case, verdict, judged, &plots)
}
