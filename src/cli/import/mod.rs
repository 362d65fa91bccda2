//! `raftsman import`: jobs of other schedulers.

mod lts;
mod report;

use clap::Subcommand;

use super::Global;
use super::failure::Outcome;

/// Take over the jobs of another scheduler
#[derive(Debug, clap::Args)]
pub(super) struct ImportCommand {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    Lts(Box<lts::Import>),
}

impl ImportCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.from {
            From::Lts(import) => import.run(global).await,
        }
    }
}
