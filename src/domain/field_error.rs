//! A field that is wrong: which one, what is wrong with it, what would be right.

use std::borrow::Cow;
use std::fmt;

/// One violation; a refused request carries all that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path as the wire names it, such as `job.cron.expression`.
    pub field: Cow<'static, str>,
    /// A lower-case fragment that says what is wrong and what would be right.
    pub problem: String,
}

impl FieldError {
    pub fn new(field: impl Into<Cow<'static, str>>, problem: impl Into<String>) -> FieldError {
        FieldError { field: field.into(), problem: problem.into() }
    }

    /// The same violation seen from outside: `expression` under `job.cron` is `job.cron.expression`.
    pub fn under(self, parent: &str) -> FieldError {
        FieldError { field: format!("{parent}.{}", self.field).into(), problem: self.problem }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for FieldError {}
