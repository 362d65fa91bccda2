//! Names that people choose: node groups, task ids, kinds, identities, request ids.
//!
//! A name is 1 to 64 printable characters (LTS's limit), so it fits one line of a log, one cell of a table and one
//! terminator of a key. Cloning one is cheap.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::FieldError;

/// The longest name in characters (LTS's column width).
const NAME_CHARS_MAX: usize = 64;

/// The longest subject of an alarm: two names and what is between them.
const SUBJECT_CHARS_MAX: usize = 2 * NAME_CHARS_MAX + 1;

fn check(field: &'static str, text: &str, chars_max: usize) -> Result<(), FieldError> {
    if text.is_empty() {
        return Err(FieldError::new(field, format!("is empty; give 1 to {chars_max} printable characters")));
    }
    let chars = text.chars().count();
    if chars > chars_max {
        return Err(FieldError::new(
            field,
            format!("has {chars} characters; at most {chars_max} are allowed"),
        ));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => {
            Err(FieldError::new(field, format!("contains {c:?}; only printable characters are allowed")))
        }
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        name!($(#[$doc])* $name, $field, NAME_CHARS_MAX);
    };
    ($(#[$doc:meta])* $name:ident, $field:literal, $chars_max:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl Ord for $name {
            /// Names that share their text, as those of one batch do, are equal without looking at it.
            fn cmp(&self, other: &$name) -> Ordering {
                if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &$name) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// # Errors
            /// If `text` is empty, too long or not printable; the error names the field.
            pub fn new(text: impl AsRef<str>) -> Result<$name, FieldError> {
                check($field, text.as_ref(), $chars_max).map(|()| $name(text.as_ref().into()))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = FieldError;
            fn from_str(text: &str) -> Result<$name, FieldError> {
                $name::new(text)
            }
        }
    };
}

name!(
    /// A group of TaskTrackers (a queue) or of JobClients (a feedback address).
    NodeGroup, "node_group"
);
name!(
    /// The submitter's own name of a job, unique in its node group while the job lives.
    TaskId, "task_id"
);
name!(
    /// The wire name of a payload type, chosen by the user.
    Kind, "kind"
);
name!(
    /// The stable name of one TaskTracker or JobClient, the same after a restart.
    Identity, "identity"
);
name!(
    /// Chosen by the caller of a mutating request; a retry with the same one gets the first answer.
    RequestId, "request_id"
);
name!(
    /// The media type of a payload or a result, such as `application/json`.
    ContentType, "content_type"
);
name!(
    /// What an alarm is about: a node group, `node_group/identity`, or the name of a JobTracker.
    AlarmSubject, "subject", SUBJECT_CHARS_MAX
);
name!(
    /// Who is told of alarms, by the name that the configuration gives.
    AlarmTarget, "target"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_1_to_64_printable_characters() {
        assert!(NodeGroup::new("订单 trackers-1").is_ok());
        assert!(TaskId::new("x".repeat(64)).is_ok());
        let problem = |text: &str| TaskId::new(text).expect_err("must be refused").to_string();
        assert_eq!(problem(""), "task_id: is empty; give 1 to 64 printable characters");
        assert_eq!(problem("a\nb"), "task_id: contains '\\n'; only printable characters are allowed");
        assert_eq!(problem(&"x".repeat(65)), "task_id: has 65 characters; at most 64 are allowed");
    }
}
