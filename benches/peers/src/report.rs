//! What a person reads, and the same as lines of JSON. A round in which others used the machine gives no ratio.

use serde_json::{Value, json};

use crate::measure::{Latency, Measured};

/// What others may use of the machine, in cores, while a figure is taken that a ratio may be made of.
pub(crate) const OTHERS_MAX: f64 = 0.3;

/// A system and what it did, round by round; a round in which it failed is missing.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) settings: &'static str,
    pub(crate) rounds: Vec<(u64, Measured)>,
}

impl Measured {
    fn is_quiet(&self) -> bool {
        self.others_cores <= OTHERS_MAX
    }

    pub(crate) fn line(&self) -> String {
        let mut line =
            format!("{:>9.0} jobs/s ({} jobs, {} doubled)", self.jobs_per_second, self.jobs, self.doubled);
        if let Some(us) = self.cpu_us_a_job {
            line.push_str(&format!(", {us:.1} us of processor time a job"));
        }
        if let Some(Latency { ack_ms, start_ms }) = &self.unloaded {
            let [ack, ack99] = ack_ms;
            let [start, start99] = start_ms;
            line.push_str(&format!(
                "; unloaded p50/p99: ack {ack:.2}/{ack99:.2} ms, start {start:.2}/{start99:.2} ms"
            ));
        }
        if !self.is_quiet() {
            line.push_str(&format!("; NO RATIO: others used {:.2} cores", self.others_cores));
        }
        line
    }
}

impl Lane {
    fn median(&self, of: impl Fn(&Measured) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().filter_map(|(_, measured)| of(measured)).collect())
    }

    /// Raftsman's figure over this one's, of each round in which both were alone; the median.
    fn ratio(&self, raftsman: &Lane) -> (Option<f64>, usize) {
        let ratios = self.rounds.iter().filter_map(|(round, peer)| {
            let (_, own) = raftsman.rounds.iter().find(|(other, _)| other == round)?;
            (peer.is_quiet() && own.is_quiet()).then_some(own.jobs_per_second / peer.jobs_per_second)
        });
        let ratios: Vec<f64> = ratios.collect();
        let rounds = ratios.len();
        (median(ratios), rounds)
    }

    pub(crate) fn round_json(&self, round: u64, measured: &Measured) -> Value {
        let mut line = json!({
            "bench": "peers", "system": self.name, "version": self.version, "round": round,
            "jobs_per_second": measured.jobs_per_second.round(), "jobs": measured.jobs, "doubled": measured.doubled,
            "cpu_us_a_job": measured.cpu_us_a_job.map(tenths), "others_cores": hundredths(measured.others_cores),
            "quiet": measured.is_quiet(),
        });
        if let Some(Latency { ack_ms, start_ms }) = &measured.unloaded {
            let two = |[p50, p99]: &[f64; 2]| json!({"p50": hundredths(*p50), "p99": hundredths(*p99)});
            line["unloaded_ack_ms"] = two(ack_ms);
            line["unloaded_start_ms"] = two(start_ms);
        }
        line
    }

    pub(crate) fn failed_json(&self, round: u64, error: &anyhow::Error) -> Value {
        json!({"bench": "peers", "system": self.name, "version": self.version, "round": round,
            "failed": format!("{error:#}")})
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn hundredths(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(numbers[middle]),
        _ => Some((numbers[middle - 1] + numbers[middle]) / 2.0),
    }
}

fn shown(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(|| "-".into(), |number| format!("{number:.digits$}"))
}

/// The table of medians with the ratios, then their lines of JSON.
pub(crate) fn print(lanes: &[Lane], skipped: &[(&str, String)], rounds: u64) {
    println!("\nmedians of {rounds} rounds");
    println!(
        "  (ratio: Raftsman's jobs/s over the peer's, of the rounds in which both were alone; starts unloaded)\n"
    );
    let head = ["system", "jobs/s", "us/job", "ack p50", "p99 ms", "start p50", "p99 ms", "others", "ratio"];
    let [system, rest @ ..] = head;
    println!("| {system:<12} | {} |", rest.map(|word| format!("{word:>9}")).join(" | "));
    println!("|---{}|", "|---".repeat(rest.len()));
    let raftsman = lanes.iter().find(|lane| lane.name == "raftsman");
    let mut lines = Vec::new();
    for lane in lanes {
        let rate = lane.median(|one| Some(one.jobs_per_second));
        let cpu = lane.median(|one| one.cpu_us_a_job);
        let of = |part: fn(&Latency) -> f64| lane.median(|one| one.unloaded.as_ref().map(part));
        let latency =
            [of(|l| l.ack_ms[0]), of(|l| l.ack_ms[1]), of(|l| l.start_ms[0]), of(|l| l.start_ms[1])];
        let others = lane.rounds.iter().map(|(_, one)| one.others_cores).fold(0.0, f64::max);
        let (ratio, quiet) = raftsman.map_or((None, 0), |raftsman| lane.ratio(raftsman));
        let cells = [
            vec![shown(rate, 0), shown(cpu, 1)],
            latency.iter().map(|one| shown(*one, 2)).collect(),
            vec![format!("{others:.2}"), ratio.map_or_else(|| "none".into(), |ratio| format!("{ratio:.2}"))],
        ];
        let cells: Vec<String> = cells.concat().iter().map(|cell| format!("{cell:>9}")).collect();
        println!("| {:<12} | {} |", lane.name, cells.join(" | "));
        lines.push(json!({
            "bench": "peers", "system": lane.name, "version": lane.version, "settings": lane.settings,
            "median_of": lane.rounds.len(), "jobs_per_second": rate.map(f64::round), "cpu_us_a_job": cpu.map(tenths),
            "unloaded_ack_ms": {"p50": latency[0].map(hundredths), "p99": latency[1].map(hundredths)},
            "unloaded_start_ms": {"p50": latency[2].map(hundredths), "p99": latency[3].map(hundredths)},
            "ratio": ratio.map(hundredths), "ratio_rounds": quiet,
        }));
    }
    println!();
    for lane in lanes {
        println!("{}: {}; {}", lane.name, lane.version, lane.settings);
        let busy: Vec<String> = lane
            .rounds
            .iter()
            .filter(|(_, one)| !one.is_quiet())
            .map(|(round, one)| format!("{round} ({:.2})", one.others_cores))
            .collect();
        if !busy.is_empty() {
            let rounds = busy.join(", ");
            println!("  no ratio of round {rounds}: others used more than {OTHERS_MAX} of a core");
        }
    }
    println!("skipped: {}", skipped.len());
    for (name, reason) in skipped {
        println!("  {name}: {reason}");
        lines.push(json!({"bench": "peers", "system": name, "skipped": reason}));
    }
    println!();
    lines.iter().for_each(|line| println!("{line}"));
}

#[cfg(test)]
mod tests {
    use super::{Lane, median};
    use crate::measure::Measured;

    fn lane(name: &'static str, rounds: &[(f64, f64)]) -> Lane {
        let measured = |(jobs_per_second, others_cores): &(f64, f64)| Measured {
            jobs: 1,
            jobs_per_second: *jobs_per_second,
            doubled: 0,
            cpu_us_a_job: None,
            others_cores: *others_cores,
            unloaded: None,
        };
        let rounds = (1..).zip(rounds.iter().map(measured)).collect();
        Lane { name, version: String::new(), settings: "", rounds }
    }

    #[test]
    fn a_busy_round_of_either_gives_no_ratio() {
        let raftsman = lane("raftsman", &[(40.0, 0.0), (10.0, 0.9), (60.0, 0.1)]);
        let peer = lane("peer", &[(10.0, 0.0), (10.0, 0.0), (10.0, 0.31)]);
        assert_eq!(peer.ratio(&raftsman), (Some(4.0), 1));
        let always_busy = lane("peer", &[(10.0, 1.0)]);
        assert_eq!(always_busy.ratio(&raftsman), (None, 0));
    }

    #[test]
    fn the_median_of_two_lies_between_them() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(vec![4.0, 2.0]), Some(3.0));
    }
}
