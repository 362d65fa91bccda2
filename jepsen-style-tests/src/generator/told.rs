//! A fault that is told instead of drawn: `tracker-cut:at=4000,hold=5500,aim=leader,variant=1,measure=0`. Times are
//! milliseconds; what is not said is 0, and the aim is the leader.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;

use super::schedule::{Aim, Plan};
use crate::nemesis::Family;

impl FromStr for Plan {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Plan> {
        let (family, rest) = text.split_once(':').unwrap_or((text, ""));
        let family = <Family as clap::ValueEnum>::from_str(family, false);
        let family = family.map_err(|_| anyhow::anyhow!("{text}: no such family of faults"))?;
        anyhow::ensure!(family.lane().is_some(), "{text}: a setting has no time");
        let aim = Aim::Leader;
        let mut plan = Plan { family, at: Duration::ZERO, hold: Duration::ZERO, aim, variant: 0, measure: 0 };
        for pair in rest.split(',').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').with_context(|| format!("{text}: {pair} has no ="))?;
            let wrong = || {
                format!(
                    "{text}: {pair}: a number is wanted, of milliseconds for at and hold; aim takes leader, all, 0, 1 or 2"
                )
            };
            match name {
                "at" => plan.at = Duration::from_millis(value.parse().with_context(wrong)?),
                "hold" => plan.hold = Duration::from_millis(value.parse().with_context(wrong)?),
                "variant" => plan.variant = value.parse().with_context(wrong)?,
                "measure" => plan.measure = value.parse().with_context(wrong)?,
                "aim" => {
                    plan.aim = match value {
                        "leader" => Aim::Leader,
                        "all" => Aim::All,
                        number => Aim::One(number.parse().ok().filter(|one| *one < 3).with_context(wrong)?),
                    }
                }
                _ => anyhow::bail!("{text}: nothing is called {name}"),
            }
        }
        Ok(plan)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { family, at, hold, aim, variant, measure } = self;
        let aim = match aim {
            Aim::Leader => "leader".to_owned(),
            Aim::All => "all".to_owned(),
            Aim::One(number) => number.to_string(),
        };
        let (family, at, hold) = (family.name(), at.as_millis(), hold.as_millis());
        write!(out, "{family}:at={at},hold={hold},aim={aim},variant={variant},measure={measure}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_told_fault_is_written_as_it_is_read() {
        let text = "tracker-cut:at=4000,hold=5500,aim=2,variant=1,measure=3";
        assert_eq!(text.parse::<Plan>().unwrap().to_string(), text);
        let short: Plan = "kill:at=5".parse().unwrap();
        assert_eq!(short.to_string(), "kill:at=5,hold=0,aim=leader,variant=0,measure=0");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for wrong in ["nothing", "snapshot", "kill:at", "kill:at=soon", "kill:aim=3", "kill:speed=1"] {
            assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
        }
    }
}
