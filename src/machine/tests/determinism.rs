//! The same log gives the same bytes: twice, whatever the layers do, and in the next release.

use std::sync::Arc;

use expect_test::expect;

use super::memory_base::MemoryBase;
use super::stories::SCRIPTS;
use super::story;
use crate::machine::{Applied, LogEntry, Machine, NoBase};

type Log = Vec<(u64, LogEntry)>;

fn apply_all(
    log: &Log,
    mut after_each: impl FnMut(&mut Machine, u64),
    base: Arc<MemoryBase>,
) -> (u64, Vec<Applied>) {
    let mut machine = Machine::open(base).unwrap();
    let mut all = Vec::new();
    for (index, entry) in log {
        all.push(machine.apply(*index, entry).unwrap());
        after_each(&mut machine, *index);
    }
    (machine.digest(), all)
}

#[test]
fn the_same_log_gives_the_same_digest_replies_and_effects_whatever_the_layers_do() {
    for (name, script) in SCRIPTS {
        let log = story::log_of(script);
        let never = apply_all(&log, |_, _| {}, Arc::default());
        let again = apply_all(&log, |_, _| {}, Arc::default());
        let sealed = apply_all(
            &log,
            |machine, index| {
                if index % 3 == 0 {
                    drop(machine.seal())
                }
            },
            Arc::default(),
        );
        let base = Arc::new(MemoryBase::default());
        let flush = |machine: &mut Machine, index: u64| {
            if index.is_multiple_of(2)
                && let Some(layer) = machine.seal()
            {
                base.write(&layer);
                machine.flushed(&layer);
            }
        };
        let flushed = apply_all(&log, flush, Arc::clone(&base));
        assert_eq!(never, again, "{name} twice");
        assert_eq!(never, sealed, "{name} in layers");
        assert_eq!(never, flushed, "{name} through a disk");
    }
}

/// An old log must do in a new release what it did in the old one, or a rolling upgrade diverges. If this changes, the
/// change in `apply` belongs behind a feature level.
#[test]
fn the_digest_of_all_stories_is_what_it_was() {
    let digests =
        SCRIPTS.iter().map(|(_, script)| apply_all(&story::log_of(script), |_, _| {}, Arc::default()).0);
    expect!["71f882b2aa7fb73c"]
        .assert_eq(&format!("{:016x}", digests.fold(0, |all: u64, digest| all.rotate_left(1) ^ digest)));
}

#[test]
fn every_write_and_every_changed_limit_is_in_the_digest() {
    let digest = |script: &str| apply_all(&story::log_of(script), |_, _| {}, Arc::default()).0;
    let (one, other) = (digest("at 1 submit t1 trade"), digest("at 1 submit t1 trade payload=x"));
    assert_ne!(one, other, "a payload");
    assert_ne!(digest("at 1 limits runs=1"), digest("at 1 limits runs=2"), "a limit");
    assert_ne!(digest("at 1 submit t1 trade"), digest("at 2 submit t1 trade"), "a time");
    assert_eq!(digest("at 1 tick"), Machine::open(Arc::new(NoBase)).unwrap().digest(), "nothing changed");
}
