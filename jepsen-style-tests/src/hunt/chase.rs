//! How each bug of the lane `process` is brought to show: the workload and the faults that lead to what it breaks.

use std::time::Duration;

use crate::generator::schedule::Plan;
use crate::launch::Launch;
use crate::workload::Workload;

/// A run that must show a bug.
#[derive(Clone, Debug)]
pub(super) struct Chase {
    workload: Workload,
    time_s: u64,
    faults: &'static [&'static str],
    write_back: bool,
}

impl Chase {
    pub(super) fn launch(&self, seed: u64, env: Vec<(String, String)>) -> Launch {
        let told = self.faults.iter().map(|fault| fault.parse::<Plan>());
        let told: Result<Vec<Plan>, _> = told.collect();
        let told = told.expect("a test reads them all");
        let (workload, time) = (self.workload, Duration::from_secs(self.time_s));
        Launch { workload, families: Vec::new(), told, seed, time, env, write_back: self.write_back }
    }
}

/// The system writes back now and then meanwhile: else not even the cluster is known afterwards.
fn power_of_all() -> Chase {
    let faults = &["power:at=4000,hold=500,aim=all", "power:at=9000,hold=500,aim=all"];
    Chase { workload: Workload::Submit, time_s: 12, faults, write_back: true }
}

/// Of the bug with this name, if it is known.
pub(super) fn of(bug: &str) -> Option<Chase> {
    let chase = |workload, time_s, faults| Some(Chase { workload, time_s, faults, write_back: false });
    match bug {
        // One that forgets is outvoted; all must lose power.
        "log_not_synced" => Some(power_of_all()),
        "hopeless_cron_accepted" => chase(Workload::Cron, 8, &["kill:at=2000,hold=500"]),
        // Longer than the cluster's patience, under executions that last longer still.
        "stop_working_never" => chase(Workload::Marathon, 29, &["tracker-cut:at=12000,hold=16000,measure=0"]),
        // With a TaskTracker that sees nobody but the deposed leader, for longer than the cluster's patience.
        "heartbeat_without_quorum" => {
            chase(Workload::Marathon, 29, &["partition:at=12000,hold=16000,aim=leader,variant=5,measure=0"])
        }
        // Pushes go to the leader's dead connection.
        "lost_push_stays_lost" => chase(
            Workload::Submit,
            22,
            &[
                "tracker-cut:at=2000,hold=6000,measure=1,variant=0",
                "tracker-cut:at=10000,hold=6000,measure=1,variant=1",
                "kill:at=18000,hold=500",
            ],
        ),
        // What ends while the TaskTracker is cut off is owed, and then it dies.
        "owed_not_read_at_start" => chase(
            Workload::Submit,
            20,
            &[
                "tracker-kill:at=2000,hold=500,measure=0,variant=0",
                "tracker-kill:at=8000,hold=500,measure=0,variant=1",
                "tracker-kill:at=14000,hold=500,measure=0,variant=2",
            ],
        ),
        // First another leader; much later, and alone, a TaskTracker that stands still.
        "later_terms_keep_no_time" => chase(
            Workload::Marathon,
            38,
            &["kill:at=500,hold=200", "tracker-pause:at=18000,hold=18000,variant=0"],
        ),
        // What is cancelled meanwhile was told to nobody, and then the leader that knows it dies. Shorter than the
        // TaskTracker's own patience.
        "terminate_is_sent_once" => chase(
            Workload::Marathon,
            24,
            &[
                "tracker-cut:at=8000,hold=5500,measure=0,variant=0",
                "kill:at=12800,hold=200",
                "tracker-cut:at=16500,hold=5500,measure=0,variant=1",
                "kill:at=21300,hold=200",
            ],
        ),
        // Clients reach a JobTracker that the others do not.
        "read_without_quorum" => chase(
            Workload::Submit,
            14,
            &["partition:at=2000,hold=4000,aim=1,variant=0", "partition:at=8000,hold=4000,aim=2,variant=0"],
        ),
        "list_misses_waiting" => chase(Workload::Submit, 15, &["kill:at=4000,hold=500"]),
        // The healing finds a leader that has just been elected.
        "new_leader_dawdles" => chase(Workload::Submit, 6, &["kill:at=4500,hold=200"]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_of_the_lane_has_a_chase_that_can_be_read() {
        let page = include_str!("../../../docs/planted-bugs.md");
        let rows: Vec<Vec<&str>> =
            page.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        let names =
            rows.iter().filter(|row| row.get(4) == Some(&"process")).map(|row| row[1].trim_matches('`'));
        let names: Vec<&str> = names.collect();
        assert!(names.len() >= 11, "{names:?}");
        for name in names {
            let chase = of(name).unwrap_or_else(|| panic!("nothing is known to show {name}"));
            let time = Duration::from_secs(chase.time_s);
            let launch = chase.launch(1, Vec::new());
            assert!(launch.told.iter().all(|plan| plan.at + plan.hold <= time), "{name}");
        }
    }
}
