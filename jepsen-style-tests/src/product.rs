//! What a binary of the product says of itself: which bugs can be planted in it, and where it can be made to panic. A
//! shipped one knows neither.

use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::command::run;
use crate::disk::text;

/// A bug that can be planted, as the product lists it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Bug {
    pub(crate) name: String,
    pub(crate) promise: u8,
    pub(crate) lane: String,
    /// The rule that must notice it.
    pub(crate) checker: String,
}

#[derive(Debug, Deserialize)]
struct Place {
    name: String,
}

/// # Errors
/// If the binary was built without the feature `planted-bugs`.
pub(crate) async fn planted_bugs(binary: &Path) -> anyhow::Result<Vec<Bug>> {
    let listed = run(&[text(binary), "planted-bugs"]).await.with_context(|| {
        format!("{}: no planted bugs; build it with the feature planted-bugs", binary.display())
    })?;
    lines(&listed)
}

/// # Errors
/// If the binary was built without the feature `failpoints`.
pub(crate) async fn failpoints(binary: &Path) -> anyhow::Result<Vec<String>> {
    let listed = run(&[text(binary), "failpoints"]).await.with_context(|| {
        format!("{}: no failpoints; build it with the feature failpoints", binary.display())
    })?;
    Ok(lines::<Place>(&listed)?.into_iter().map(|place| place.name).collect())
}

fn lines<T: serde::de::DeserializeOwned>(listed: &str) -> anyhow::Result<Vec<T>> {
    listed.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}
