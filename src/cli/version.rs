//! `raftsman version`.

use serde_json::json;

use super::Global;
use super::failure::Outcome;
use super::output::{Row, Shape, column};

/// Print the version of this binary
#[derive(Debug, clap::Args)]
pub(super) struct Version {}

impl Version {
    pub(super) fn run(self, global: &Global) -> Outcome {
        let version = env!("CARGO_PKG_VERSION");
        let row =
            Row { id: version.into(), cells: vec![version.into()], json: json!({ "version": version }) };
        Ok(global.output().print(Shape::One, &[column("VERSION")], &[row])?)
    }
}
