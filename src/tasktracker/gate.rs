//! LTS's machine resource check: above a threshold the TaskTracker takes nothing new, and what runs goes on.
//!
//! Pure: what the machine does comes in, a change comes out. A threshold counts when it was passed twice in a row, so that a
//! short peak pauses nothing; work is taken again when everything is a tenth below its threshold, so that a machine at its
//! threshold does not flutter.

use std::fmt;
use std::time::Duration;

use crate::domain::FieldError;
use crate::process::MachineInfo;

/// How often the machine is looked at.
pub(super) const PERIOD: Duration = Duration::from_secs(1);
/// Looks in a row above a threshold that pause.
const LOOKS_ABOVE: u32 = 2;
/// The part of a threshold that everything must be under before work is taken again.
const REOPEN_AT: f64 = 0.9;

/// How busy the machine may be before a TaskTracker takes nothing new; `None` does not care.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// LTS's `lb.cpuUsedRate.max`: percent of all processors, 1 to 100.
    pub cpu_percent: Option<f64>,
    /// LTS's `lb.memoryUsedRate.max`: percent of the machine's memory that is not available, 1 to 100.
    pub memory_percent: Option<f64>,
    /// The load average of the last minute for each processor: 1.5 is one and a half runnable tasks for each.
    pub load_per_cpu: Option<f64>,
}

impl Thresholds {
    pub(super) fn are_none(&self) -> bool {
        *self == Thresholds::default()
    }

    /// # Errors
    /// The first threshold that nothing could meet or that nothing could pass.
    pub(super) fn check(&self) -> Result<(), FieldError> {
        let percents = [("cpu_percent", self.cpu_percent), ("memory_percent", self.memory_percent)];
        for (field, percent) in percents {
            if let Some(percent) = percent.filter(|percent| !(1.0..=100.0).contains(percent)) {
                return Err(FieldError::new(field, format!("is {percent}; 1 to 100")));
            }
        }
        match self.load_per_cpu {
            Some(load) if !(0.01..=1000.0).contains(&load) => {
                Err(FieldError::new("load_per_cpu", format!("is {load}; 0.01 to 1000")))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Each threshold that is set, with what the machine has, in its unit.
    fn measures(&self, machine: &MachineInfo) -> impl Iterator<Item = Measure> {
        let processors = f64::from(machine.processors.max(1));
        [
            ("CPU", "%", machine.cpu_busy * 100.0, self.cpu_percent),
            ("memory", "%", machine.memory_used() * 100.0, self.memory_percent),
            ("load for each processor", "", machine.load[0] / processors, self.load_per_cpu),
        ]
        .into_iter()
        .filter_map(|(name, unit, is, max)| Some(Measure { name, unit, is, max: max? }))
    }
}

struct Measure {
    name: &'static str,
    unit: &'static str,
    is: f64,
    max: f64,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measure { name, unit, is, max } = self;
        write!(f, "{name} is {is:.1}{unit}, over {max}{unit}")
    }
}

/// Whether the gate is open, and for how long it was not.
#[derive(Debug)]
pub(super) struct Gate {
    thresholds: Thresholds,
    above: u32,
    closed: bool,
}

/// What a look changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing new is to be taken, for this reason.
    Close(String),
    Open,
}

impl Gate {
    pub(super) fn new(thresholds: Thresholds) -> Gate {
        Gate { thresholds, above: 0, closed: false }
    }

    pub(super) fn look(&mut self, machine: &MachineInfo) -> Option<Change> {
        let over = self.thresholds.measures(machine).find(|measure| measure.is > measure.max);
        if self.closed {
            let is_low = |measure: Measure| measure.is <= measure.max * REOPEN_AT;
            if !self.thresholds.measures(machine).all(is_low) {
                return None;
            }
            (self.closed, self.above) = (false, 0);
            return Some(Change::Open);
        }
        let Some(over) = over else {
            self.above = 0;
            return None;
        };
        self.above += 1;
        if self.above < LOOKS_ABOVE {
            return None;
        }
        self.closed = true;
        Some(Change::Close(over.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn machine(cpu_busy: f64, memory_available_bytes: u64, load: f64) -> MachineInfo {
        MachineInfo {
            processors: 4,
            cpu_busy,
            memory_bytes: 10 * GIB,
            memory_available_bytes,
            load: [load, 0.0, 0.0],
        }
    }

    fn changes(thresholds: Thresholds, looks: &[MachineInfo]) -> Vec<Option<Change>> {
        let mut gate = Gate::new(thresholds);
        looks.iter().map(|machine| gate.look(machine)).collect()
    }

    fn close(why: &str) -> Option<Change> {
        Some(Change::Close(why.into()))
    }

    #[test]
    fn a_peak_is_let_pass_and_work_comes_back_a_tenth_below_the_threshold() {
        let thresholds = Thresholds { cpu_percent: Some(90.0), ..Thresholds::default() };
        let busy = [0.95, 0.5, 0.95, 0.96, 0.88, 0.82, 0.81, 0.95].map(|cpu| machine(cpu, GIB, 0.0));
        let told = changes(thresholds, &busy);
        let expected =
            [None, None, None, close("CPU is 96.0%, over 90%"), None, None, Some(Change::Open), None];
        assert_eq!(told, expected);
    }

    /// LTS compared a fraction of 0 to 1 with 90 and never paused.
    #[test]
    fn memory_is_compared_in_percent() {
        let thresholds = Thresholds { memory_percent: Some(90.0), ..Thresholds::default() };
        let full = machine(0.0, GIB / 2, 0.0);
        assert_eq!(changes(thresholds, &[full, full])[1], close("memory is 95.0%, over 90%"));
        let roomy = machine(0.0, 2 * GIB, 0.0);
        assert_eq!(changes(thresholds, &[roomy, roomy, roomy]), [None, None, None]);
    }

    #[test]
    fn load_is_for_each_processor_and_everything_must_be_low_again() {
        let thresholds =
            Thresholds { cpu_percent: Some(90.0), memory_percent: None, load_per_cpu: Some(2.0) };
        let loaded = machine(0.1, GIB, 9.0);
        let busy = machine(0.89, GIB, 1.0);
        let calm = machine(0.5, GIB, 1.0);
        let told = changes(thresholds, &[loaded, loaded, busy, calm]);
        assert_eq!(told[1], close("load for each processor is 2.2, over 2"));
        assert_eq!(told[2..], [None, Some(Change::Open)]);
    }

    #[test]
    fn a_threshold_that_cannot_be_right_is_named() {
        let wrong = |thresholds: Thresholds| thresholds.check().expect_err("it is wrong").to_string();
        let fraction = Thresholds { memory_percent: Some(0.9), ..Thresholds::default() };
        assert_eq!(wrong(fraction), "memory_percent: is 0.9; 1 to 100");
        let nan = Thresholds { load_per_cpu: Some(f64::NAN), ..Thresholds::default() };
        assert_eq!(wrong(nan), "load_per_cpu: is NaN; 0.01 to 1000");
        assert!(Thresholds::default().check().is_ok() && Thresholds::default().are_none());
    }
}
