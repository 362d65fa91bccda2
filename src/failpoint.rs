//! Places where a test may make a process panic or sleep: between two steps of which a crash must not tear the promise.
//!
//! Only a build with the feature `failpoints` has them; elsewhere [`failpoint!`] is nothing. `FAILPOINTS` says what
//! happens where, in the syntax of the crate `fail`: `log::after_sync=1%panic;leader::before_push=20*off->panic`. In such a
//! build a panic anywhere ends the process, as a crash would. `docs/failpoints.md` lists the places.

/// A place that a test may name; see the module.
#[cfg(feature = "sdk")]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        ::fail::fail_point!($name);
    };
}
#[cfg(feature = "sdk")]
pub(crate) use failpoint;

/// All places and what has happened there.
#[cfg(any(test, feature = "failpoints"))]
pub const PLACES: &[(&str, &str)] = &[
    (
        "hand_over::before_take_over",
        "a survivor knows that the leader's process is gone, and has not asked to lead",
    ),
    ("leader::before_completed_ack", "results are committed, their TaskTracker was not told"),
    ("leader::before_plan_goes_on", "a plan is applied, its effects were not looked at"),
    ("leader::before_propose", "an entry is closed and not handed to consensus"),
    ("leader::before_push", "a dispatch is committed, nothing was pushed"),
    ("leader::before_recover", "this node is elected, and has not looked into its tables"),
    ("leader::before_redispatch", "a TaskTracker's executions are taken back, and are not dispatched again"),
    ("leader::before_reply", "a request and its answer are committed, the caller was not told"),
    ("leader::before_step_down", "leadership is lost, nobody was told"),
    ("leader::before_terminate", "a cancel is committed, the TaskTracker was not told to stop"),
    ("leader::before_welcome", "a hello is committed, its TaskTracker was not answered"),
    ("leader::recovered", "the leader knows what there is, and has proposed nothing"),
    ("log::after_ack", "entries are acknowledged"),
    ("log::after_append", "entries are written and not synced"),
    ("log::after_purge", "old entries are gone from the log"),
    ("log::after_sync", "entries are synced and not acknowledged"),
    ("log::before_append", "entries came and are not written"),
    ("log::before_purge", "old entries may go and are still there"),
    ("log::before_sync", "entries are written, a sync begins"),
    ("log::before_truncate", "entries that another leader overruled are still there"),
    ("snapshot::after_current", "an installed snapshot is the state, the process does not use it yet"),
    ("snapshot::after_rename", "a snapshot has its name"),
    ("snapshot::before_build", "a snapshot was asked for"),
    ("snapshot::before_current", "a snapshot is ready to be the state, and is not"),
    ("snapshot::before_install", "a snapshot arrived and is verified"),
    ("snapshot::before_rename", "a snapshot is on disk without its name"),
    ("snapshot::before_save", "a snapshot's tables are linked, its manifest is not written"),
    ("state::after_apply", "an entry shows in the tables, nobody heard of it"),
    ("state::after_flush", "what was written is durable"),
    ("state::after_layer_write", "a layer is written and not durable"),
    ("state::before_apply", "an entry is committed and not applied"),
    ("state::before_flush", "layers are written, they are about to be made durable"),
    ("state::before_layer_write", "a layer is sealed and not written"),
    ("state::before_reply", "an entry is applied, its proposer was not told"),
    ("state::mid_batch", "an entry is done, the next of its batch is not"),
    ("tracker::after_forget", "an acknowledged result is gone from the FailStore"),
    ("tracker::after_keep", "results are in the FailStore and were not sent"),
    ("tracker::before_forget", "a result is acknowledged and still in the FailStore"),
    ("tracker::before_keep", "a result is not in the FailStore"),
    ("tracker::before_send", "a message is about to go to the cluster"),
    ("tracker::ended", "user code has ended, nothing was done about it"),
    ("vote::after_save", "a vote is durable and was not given"),
    ("vote::before_save", "a vote was asked for and is not written"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src/ can be read") {
            let path = entry.expect("src/ can be read").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }

    /// The names in the sources, in their order.
    fn names() -> Vec<String> {
        let mut found = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        let texts = found.iter().map(|path| fs::read_to_string(path).expect("a source is UTF-8"));
        let mut names: Vec<String> = texts
            .flat_map(|text| {
                let uses = text.split("failpoint!(\"").skip(1);
                uses.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect::<Vec<_>>()
            })
            .filter(|name| name.contains("::"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_failpoint_is_at_one_place_and_described() {
        let described: Vec<&str> = PLACES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names(), described, "the names in the sources, and those of PLACES");
        assert_eq!(described.iter().collect::<BTreeSet<_>>().len(), described.len());
        assert!(described.len() >= 30, "only {} failpoints", described.len());
    }

    #[test]
    fn the_page_lists_every_failpoint() {
        let mut page = String::from(
            "# Failpoints\n\nPlaces where a test may make a process panic or sleep: a crash there must tear no promise. \
             Only a build with the\nfeature `failpoints` has them. `FAILPOINTS` says what happens where, in the syntax of \
             the crate `fail`, such as\n`FAILPOINTS='log::after_sync=1%panic;leader::before_push=20*off->panic'`. In such a \
             build a panic anywhere ends\nthe process.\n\n<!-- made from src/failpoint.rs: UPDATE_EXPECT=1 cargo test \
             --lib failpoint -->\n\n| name | there |\n|---|---|\n",
        );
        for (name, place) in PLACES {
            writeln!(page, "| `{name}` | {place} |").expect("a String takes everything");
        }
        expect_test::expect_file!["../docs/failpoints.md"].assert_eq(&page);
    }
}
