//! `raftsman planted-bugs`, of builds that can have one: the catalogue for whoever looks for them.

use std::io::{self, Write};

use serde_json::json;

use super::failure::Outcome;
use super::output::say;
use crate::planted::{ALL, Lane, Planting, chosen};

pub(super) fn list() -> Outcome {
    let mut out = io::stdout().lock();
    for Planting { name, promise, lts, lane, checker, breaks, .. } in ALL {
        let lane = match lane {
            Lane::World => "world",
            Lane::Process => "process",
            Lane::Simulation => "simulation",
        };
        let lts: Vec<&str> = lts.split_whitespace().collect();
        let line = json!({
            "name": name, "promise": promise, "lts": lts, "lane": lane, "checker": checker, "breaks": breaks,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Nobody shall take this process for a sound one.
pub(super) fn tell() {
    match chosen() {
        Some(planting) => say(format!("PLANTED BUG {}: {}", planting.name, planting.breaks)),
        None => say("this build can have planted bugs; this process has none"),
    }
}
