//! When which fault comes, drawn from the seed before the run begins. Whom it hits (`the leader`) is known only then.
//!
//! Faults of one lane come one after another, those of different lanes overlap: a JobTracker is down while the network
//! is slow and a TaskTracker sleeps. All that takes a JobTracker away is in one lane, so that no more than a minority is
//! away unless that is the fault's point.

use std::time::Duration;

use fastrand::Rng;

use crate::nemesis::Family;

/// Between the end of one fault and the begin of the next in a lane, on average.
const GAP_MEAN_S: f64 = 2.0;
/// The longest gap.
const GAP_MAX_S: f64 = 15.0;
/// Where JobTrackers are killed at all, so many in ten of the faults that follow the first of each family: the leader's
/// death is what everything else must stand.
const KILLS: u8 = 5;
const FIRST: Duration = Duration::from_millis(500);

/// Whom a fault concerns, where several are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aim {
    Leader,
    /// One of them, by the number.
    One(usize),
    All,
}

/// One fault to come.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) family: Family,
    pub(crate) at: Duration,
    pub(crate) hold: Duration,
    pub(crate) aim: Aim,
    /// Chooses among the family's variants.
    pub(crate) variant: usize,
    /// How much, where there is a measure: 0 to 99.
    pub(crate) measure: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    JobTrackers,
    TaskTrackers,
    Network,
    Clients,
}

impl Lane {
    pub(crate) const ALL: [Lane; 4] = [Lane::JobTrackers, Lane::TaskTrackers, Lane::Network, Lane::Clients];
}

/// The faults of one run, in the order of their times.
pub(crate) fn schedule(seed: u64, families: &[Family], time: Duration) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (number, lane) in Lane::ALL.into_iter().enumerate() {
        let mine: Vec<Family> =
            families.iter().copied().filter(|family| family.lane() == Some(lane)).collect();
        if !mine.is_empty() {
            let mut rng = Rng::with_seed(seed.wrapping_mul(31).wrapping_add(number as u64));
            plans.extend(one_lane(&mut rng, &mine, time));
        }
    }
    plans.sort_by_key(|plan| plan.at);
    plans
}

fn one_lane(rng: &mut Rng, families: &[Family], time: Duration) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut at = FIRST + gap(rng);
    // Each family once, then any: a short run has had them all.
    let mut order: Vec<Family> = families.to_vec();
    rng.shuffle(&mut order);
    while at < time {
        let family = order.pop().unwrap_or_else(|| {
            let kill = families.contains(&Family::Kill) && rng.u8(..10) < KILLS;
            if kill { Family::Kill } else { families[rng.usize(..families.len())] }
        });
        let (shortest, longest) = family.hold_ms();
        let hold = Duration::from_millis(rng.u64(shortest..=longest));
        let aim = match rng.u8(..10) {
            0..=5 => Aim::Leader,
            7.. if family == Family::Kill => Aim::Leader,
            6 if family.may_hit_all() => Aim::All,
            _ => Aim::One(rng.usize(..3)),
        };
        let plan = Plan { family, at, hold, aim, variant: rng.usize(..1000), measure: rng.u32(..100) };
        at += hold + gap(rng);
        plans.push(plan);
    }
    plans
}

fn gap(rng: &mut Rng) -> Duration {
    let gap = -(1.0 - rng.f64()).ln() * GAP_MEAN_S;
    Duration::from_secs_f64(gap.min(GAP_MAX_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults_and_another_one_gives_others() {
        let of = |seed| format!("{:?}", schedule(seed, Family::ALL, Duration::from_secs(60)));
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn faults_of_one_lane_do_not_overlap_and_each_family_comes_in_a_long_run() {
        let plans = schedule(3, Family::ALL, Duration::from_secs(3600));
        for lane in Lane::ALL {
            let mine: Vec<&Plan> = plans.iter().filter(|plan| plan.family.lane() == Some(lane)).collect();
            assert!(mine.windows(2).all(|pair| pair[0].at + pair[0].hold <= pair[1].at));
        }
        for family in Family::ALL.iter().filter(|family| family.lane().is_some()) {
            assert!(plans.iter().any(|plan| plan.family == *family), "{family:?}");
        }
    }
}
