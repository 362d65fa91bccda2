//! How many operations a second, by how they ended, and how long they took.

use super::svg::{Axis, LEFT, Plot};
use crate::checker::{Case, Operation, Outcome};

const BUCKETS: usize = 160;
const HEIGHT: f64 = 170.0;
/// Dots beyond this are left out evenly; the lines are of all.
const DOTS_MAX: usize = 4000;
/// The latencies between which the logarithmic axis runs, milliseconds.
const MS: (f64, f64) = (0.1, 100_000.0);

pub(super) fn rate(case: &Case<'_>, axis: &Axis) -> String {
    let mut counts = vec![[0_u32; 3]; BUCKETS];
    for operation in &case.operations {
        let kind = match operation.outcome {
            Outcome::Ok => 0,
            Outcome::Fail => 1,
            Outcome::Unknown => 2,
        };
        counts[bucket(axis, operation.ended.unwrap_or(operation.invoked))][kind] += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let seconds = axis.seconds() / BUCKETS as f64;
    let most = counts.iter().map(|kinds| kinds.iter().sum::<u32>()).max().unwrap_or(0).max(1);
    let scale = HEIGHT * 0.95 / f64::from(most);
    let mut plot = Plot::new(case, axis, HEIGHT);
    for (i, kinds) in counts.iter().enumerate() {
        let (from, to) = (axis.x(start(axis, i)), axis.x(start(axis, i + 1)));
        let mut y = HEIGHT;
        for (count, (class, word)) in
            kinds.iter().zip([("ok", "answered"), ("fail", "surely not done"), ("unknown", "unknown")])
        {
            let height = f64::from(*count) * scale;
            y -= height;
            if *count > 0 {
                let word =
                    format!("{:.0} a second {word} at {:.1} s", f64::from(*count) / seconds, start(axis, i));
                plot.rect(class, from, y, (to - from - 0.4).max(0.4), height, &word);
            }
        }
    }
    plot.label(HEIGHT * 0.05 + 4.0, &format!("{:.0}/s", f64::from(most) / seconds));
    plot.label(HEIGHT, "0");
    plot.done()
}

pub(super) fn latency(case: &Case<'_>, axis: &Axis) -> String {
    let mut plot = Plot::new(case, axis, HEIGHT);
    let mut decade = 0.1;
    while decade <= MS.1 {
        plot.line("grid", LEFT, y(decade), axis.x(axis.seconds()), y(decade));
        let word = if decade < 1000.0 { format!("{decade} ms") } else { format!("{} s", decade / 1000.0) };
        plot.label(y(decade) + 4.0, &word);
        decade *= 10.0;
    }
    let answered: Vec<(&Operation, f64)> = case
        .operations
        .iter()
        .filter(|operation| operation.outcome == Outcome::Ok)
        .filter_map(|operation| Some((operation, took_ms(axis, operation)?)))
        .collect();
    let every = answered.len().div_ceil(DOTS_MAX).max(1);
    let mut buckets: Vec<Vec<f64>> = vec![Vec::new(); BUCKETS];
    for (i, (operation, ms)) in answered.iter().enumerate() {
        buckets[bucket(axis, operation.invoked)].push(*ms);
        if i % every == 0 {
            let class = if operation.is_read() { "read" } else { "write" };
            let word = format!("{} {} took {ms:.1} ms", operation.f, operation.req);
            plot.dot(class, axis.x_of(operation.invoked), y(*ms), 1.3, &word);
        }
    }
    for (class, percent) in [("median", 50), ("p99", 99)] {
        let points: Vec<(f64, f64)> = buckets
            .iter_mut()
            .enumerate()
            .filter_map(|(i, all)| {
                all.sort_by(f64::total_cmp);
                let value = all.get(all.len().checked_sub(1)? * percent / 100)?;
                Some((axis.x(start(axis, i)), y(*value)))
            })
            .collect();
        plot.path(class, &points);
    }
    plot.done()
}

fn took_ms(axis: &Axis, operation: &Operation) -> Option<f64> {
    Some((axis.second(operation.ended?) - axis.second(operation.invoked)) * 1000.0)
}

fn y(ms: f64) -> f64 {
    let (low, high) = (MS.0.log10(), MS.1.log10());
    HEIGHT * (1.0 - (ms.max(MS.0).log10() - low) / (high - low)).clamp(0.0, 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn start(axis: &Axis, bucket: usize) -> f64 {
    axis.seconds() * bucket as f64 / BUCKETS as f64
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixels"
)]
fn bucket(axis: &Axis, t: u64) -> usize {
    ((axis.second(t) / axis.seconds() * BUCKETS as f64).max(0.0) as usize).min(BUCKETS - 1)
}
