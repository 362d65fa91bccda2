//! What this process has that a sound one has not: a planted bug or failpoints, for a TaskTracker of a run is this
//! program too. Without the features there is neither.

/// Kept until the process ends.
pub(crate) struct Armed {
    #[cfg(feature = "failpoints")]
    _failpoints: fail::FailScenario<'static>,
}

/// Makes it true of this process, and says so on stderr.
#[cfg(feature = "failpoints")]
pub(crate) fn arm() -> Armed {
    tell_the_bug();
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("PANIC {panic}");
        std::process::abort();
    }));
    Armed { _failpoints: fail::FailScenario::setup() }
}

/// Makes it true of this process, and says so on stderr.
#[cfg(not(feature = "failpoints"))]
pub(crate) fn arm() -> Armed {
    tell_the_bug();
    Armed {}
}

#[cfg(feature = "planted-bugs")]
fn tell_the_bug() {
    if let Some(planting) = raftsman::planted::chosen() {
        eprintln!("PLANTED BUG {}: {}", planting.name, planting.breaks);
    }
}

#[cfg(not(feature = "planted-bugs"))]
fn tell_the_bug() {}
