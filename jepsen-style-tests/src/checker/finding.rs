//! What a rule found. Any violation makes it invalid; else anything that could not be judged makes it unknown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many examples of a violation are kept; all are counted.
const EXAMPLES_MAX: usize = 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Valid,
    /// Nothing of the run was about this rule.
    NotExercised,
    Unknown,
    Invalid,
}

impl Verdict {
    /// Of the whole run: any invalid, else any unknown, else valid.
    pub(crate) fn combine(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
        verdicts
            .into_iter()
            .filter(|verdict| *verdict != Verdict::NotExercised)
            .max()
            .unwrap_or(Verdict::Unknown)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Finding {
    /// How many things the rule was applied to.
    pub(crate) checked: u64,
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) violations: u64,
    pub(crate) examples: Vec<String>,
    pub(crate) doubts: Vec<String>,
}

impl Finding {
    pub(crate) fn checked(&mut self, n: usize) {
        self.checked += n as u64;
    }

    pub(crate) fn count(&mut self, what: impl Into<String>, n: usize) {
        *self.counts.entry(what.into()).or_default() += n as u64;
    }

    pub(crate) fn violation(&mut self, example: impl Into<String>) {
        self.violations += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example.into());
        }
    }

    /// Something that could not be judged, and why.
    pub(crate) fn doubt(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.doubts.contains(&why) && self.doubts.len() < EXAMPLES_MAX {
            self.doubts.push(why);
        }
    }

    pub(crate) fn verdict(&self) -> Verdict {
        if self.violations > 0 {
            Verdict::Invalid
        } else if !self.doubts.is_empty() {
            Verdict::Unknown
        } else if self.checked == 0 {
            Verdict::NotExercised
        } else {
            Verdict::Valid
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_counts_and_what_was_not_exercised_does_not() {
        let combine = |verdicts: &[Verdict]| Verdict::combine(verdicts.iter().copied());
        use Verdict::{Invalid, NotExercised, Unknown, Valid};
        assert_eq!(combine(&[Valid, Unknown, Invalid]), Invalid);
        assert_eq!(combine(&[Valid, Unknown, NotExercised]), Unknown);
        assert_eq!(combine(&[]), Unknown);
        assert_eq!(combine(&[NotExercised]), Unknown);
        assert_eq!(combine(&[Valid, NotExercised, Valid]), Valid);
    }
}
