//! Wrong wall clocks: libfaketime under a JobTracker, told by a file. The monotonic clock stays right.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::jobtracker::JobTracker;

const PRELOAD: &str = "LD_PRELOAD";
/// A process that has this in its environment has a clock that can be told.
pub(crate) const MARK: &str = "FAKETIME_DONT_FAKE_MONOTONIC";
pub(crate) const FILE: &str = "FAKETIME_TIMESTAMP_FILE";
/// No offset.
pub(crate) const RIGHT: &str = "+0";
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// What a process needs in its environment for its clock to be told; none where libfaketime is not installed.
pub(crate) fn environment() -> Option<Vec<(String, String)>> {
    let library = LIBRARIES.into_iter().find(|library| Path::new(library).exists())?;
    let settings = [(PRELOAD, library), ("FAKETIME_CACHE_DURATION", "1"), (MARK, "1")];
    Some(settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

/// Moves the wall clock of a JobTracker; it notices within a second.
///
/// # Errors
/// If it was not started with a clock that can be told.
pub(crate) fn offset(node: &JobTracker, seconds: i64) -> anyhow::Result<()> {
    let file = node.clock.as_ref().context("its clock cannot be told")?;
    // Renamed into place: half a number would be another time.
    let fresh = file.with_extension("new");
    fs::write(&fresh, format!("{seconds:+}"))?;
    Ok(fs::rename(&fresh, file)?)
}
