//! Failpoints of a process: armed by `FAILPOINTS`, listed by `raftsman failpoints`.

use std::io::{self, Write};
use std::process;

use fail::FailScenario;
use serde_json::json;

use super::failure::Outcome;
use super::output::say;
use crate::failpoint::PLACES;

/// Reads the environment; from here on a panic is the end of the process, on whichever task it is.
pub(super) fn arm() -> FailScenario<'static> {
    std::panic::set_hook(Box::new(|panic| {
        say(format!("PANIC {panic}"));
        process::abort();
    }));
    FailScenario::setup()
}

pub(super) fn list() -> Outcome {
    let mut out = io::stdout().lock();
    for (name, place) in PLACES {
        writeln!(out, "{}", json!({ "name": name, "place": place }))?;
    }
    Ok(())
}
