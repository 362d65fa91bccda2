//! A little of SVG: a time axis that all plots share, shapes with a word on hovering, and nothing that needs a script.

use std::fmt::Write as _;

use crate::checker::Case;
use crate::history::FaultOutcome;

/// The width of every plot, and what stands left of its time axis.
pub(super) const WIDTH: f64 = 1160.0;
pub(super) const LEFT: f64 = 120.0;
const RIGHT: f64 = 10.0;
/// Below the time axis, and above the plot.
const FOOT: f64 = 22.0;
const HEAD: f64 = 8.0;

/// The time of a run from its start, in seconds, on the page.
#[derive(Debug)]
pub(super) struct Axis {
    start_ns: u64,
    seconds: f64,
}

impl Axis {
    pub(super) fn of(case: &Case<'_>) -> Axis {
        let start_ns = case.evidence.info.started_ns;
        let seconds = seconds_between(start_ns, case.evidence.end_ns()).max(1.0);
        Axis { start_ns, seconds }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Seconds since the start.
    pub(super) fn second(&self, t: u64) -> f64 {
        seconds_between(self.start_ns, t)
    }

    pub(super) fn x(&self, second: f64) -> f64 {
        LEFT + (second / self.seconds).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    pub(super) fn x_of(&self, t: u64) -> f64 {
        self.x(self.second(t))
    }

    /// Round steps of at most twelve a plot.
    fn steps(&self) -> Vec<f64> {
        let step =
            [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0];
        let step = step.into_iter().find(|step| self.seconds / step <= 12.0).unwrap_or(86_400.0);
        std::iter::successors(Some(0.0), |at| Some(at + step)).take_while(|at| *at <= self.seconds).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn seconds_between(from: u64, to: u64) -> f64 {
    (i128::from(to) - i128::from(from)) as f64 / 1e9
}

/// Shapes so far.
#[derive(Debug)]
pub(super) struct Plot {
    body: String,
    height: f64,
}

impl Plot {
    /// An empty plot with its time axis and the faults of the run behind it.
    pub(super) fn new(case: &Case<'_>, axis: &Axis, height: f64) -> Plot {
        let mut plot = Plot { body: String::new(), height };
        for fault in case.faults.iter().filter(|fault| fault.outcome != FaultOutcome::Skipped) {
            let (from, to) = (axis.x_of(fault.from), axis.x_of(fault.to));
            let word = format!("{} {} on {}", fault.what, fault.detail, fault.targets.join(", "));
            plot.rect("band", from, 0.0, (to - from).max(1.5), height, &word);
        }
        for second in axis.steps() {
            let x = axis.x(second);
            plot.line("grid", x, 0.0, x, height);
            plot.text("tick", x, height + 15.0, "middle", &format!("{second} s"));
        }
        plot.line("axis", LEFT, height, WIDTH - RIGHT, height);
        plot
    }

    pub(super) fn rect(&mut self, class: &str, x: f64, y: f64, width: f64, height: f64, word: &str) {
        let _ = write!(
            self.body,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}">{}</rect>"#,
            title(word)
        );
    }

    pub(super) fn dot(&mut self, class: &str, x: f64, y: f64, radius: f64, word: &str) {
        let _ = write!(
            self.body,
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{radius:.1}">{}</circle>"#,
            title(word)
        );
    }

    pub(super) fn line(&mut self, class: &str, x1: f64, y1: f64, x2: f64, y2: f64) {
        let _ = write!(
            self.body,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    pub(super) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(self.body, r#"<polyline class="{class}" points="{}"/>"#, points.join(" "));
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, anchor: &str, text: &str) {
        let _ = write!(
            self.body,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{}</text>"#,
            escape(text)
        );
    }

    /// What stands left of a row or of a height.
    pub(super) fn label(&mut self, y: f64, text: &str) {
        self.text("tick", LEFT - 6.0, y, "end", text);
    }

    pub(super) fn done(self) -> String {
        let height = self.height + HEAD + FOOT;
        format!(
            r#"<svg viewBox="0 -{HEAD} {WIDTH} {height}" role="img" preserveAspectRatio="xMinYMin meet">{}</svg>"#,
            self.body
        )
    }
}

fn title(word: &str) -> String {
    if word.is_empty() { String::new() } else { format!("<title>{}</title>", escape(word)) }
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
