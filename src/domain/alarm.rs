//! What an alarm is about: the rule that raised it, and how bad that is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::FieldError;

macro_rules! rules {
    ($($(#[doc = $about:literal])* $rule:ident $number:literal $name:literal $unit:literal;)*) => {
        /// Why there is an alarm. The order is that of the stored numbers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum AlarmRule {
            $($(#[doc = $about])* $rule,)*
        }

        impl AlarmRule {
            pub const ALL: &[AlarmRule] = &[$(AlarmRule::$rule),*];

            /// As people and other programs write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(AlarmRule::$rule => $name),* }
            }

            /// Of its value and its threshold.
            pub const fn unit(self) -> &'static str {
                match self { $(AlarmRule::$rule => $unit),* }
            }

            /// The stored number: it never changes and is never used again.
            pub const fn number(self) -> u8 {
                match self { $(AlarmRule::$rule => $number),* }
            }

            pub const fn from_number(number: u8) -> Option<AlarmRule> {
                match number {
                    $($number => Some(AlarmRule::$rule),)*
                    _ => None,
                }
            }
        }
    };
}

rules! {
    /// A node group has ready runs and no TaskTracker online.
    NoTaskTracker 1 "no_tasktracker" "runs";
    /// The oldest ready run of a node group waits for too long.
    BacklogAge 2 "backlog_age" "ms";
    /// Too many runs of a node group are ready.
    BacklogCount 3 "backlog_count" "runs";
    /// Too many of the runs of a node group that finished lately failed.
    FailureRatio 4 "failure_ratio" "percent";
    /// Runs of a node group used up their retries or reclaims.
    DeadRun 5 "dead_run" "runs";
    /// An instant of a periodic job has not started long after it was due.
    CronLateness 6 "cron_lateness" "ms";
    /// A TaskTracker fell silent and has not come back.
    TaskTrackerOffline 7 "tasktracker_offline" "ms";
    /// The leader does not hear another JobTracker.
    JobTrackerDown 8 "jobtracker_down" "ms";
    /// A JobTracker's clock is far from the majority's.
    ClockSkew 9 "clock_skew" "ms";
    /// A JobTracker knows no leader.
    NoLeader 10 "no_leader" "ms";
    /// The disk of a JobTracker is almost full.
    DiskLow 11 "disk_low" "percent";
    /// A JobTracker has almost as many files and connections open as it may.
    OpenFiles 12 "open_files" "percent";
    /// A JobTracker takes more memory than it was allotted.
    Memory 13 "memory" "bytes";
    /// Feedback to a group of JobClients is near the most that is kept.
    FeedbackBacklog 14 "feedback_backlog" "percent";
}

impl fmt::Display for AlarmRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AlarmRule {
    type Err = FieldError;
    fn from_str(text: &str) -> Result<AlarmRule, FieldError> {
        let known = AlarmRule::ALL.iter().find(|rule| rule.as_str() == text);
        known.copied().ok_or_else(|| {
            let names: Vec<&str> = AlarmRule::ALL.iter().map(|rule| rule.as_str()).collect();
            FieldError::new("rule", format!("{text:?} is no rule; the rules are {}", names.join(", ")))
        })
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlarmSeverity {
    /// Somebody should look during the day.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl AlarmSeverity {
    pub const fn as_str(self) -> &'static str {
        match self {
            AlarmSeverity::Warning => "warning",
            AlarmSeverity::Critical => "critical",
        }
    }
}

impl fmt::Display for AlarmSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AlarmSeverity {
    type Err = FieldError;
    fn from_str(text: &str) -> Result<AlarmSeverity, FieldError> {
        match text {
            "warning" => Ok(AlarmSeverity::Warning),
            "critical" => Ok(AlarmSeverity::Critical),
            _ => {
                Err(FieldError::new("severity", format!("{text:?} is neither \"warning\" nor \"critical\"")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_back_from_their_names_and_numbers_and_sort_by_them() {
        for rule in AlarmRule::ALL {
            assert_eq!(rule.as_str().parse(), Ok(*rule));
            assert_eq!(AlarmRule::from_number(rule.number()), Some(*rule));
        }
        assert!(
            AlarmRule::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].number() < pair[1].number())
        );
        assert_eq!(AlarmRule::from_number(0), None);
        let problem = "backlog".parse::<AlarmRule>().unwrap_err().to_string();
        assert!(
            problem.starts_with("rule: \"backlog\" is no rule; the rules are no_tasktracker, "),
            "{problem}"
        );
    }
}
