//! `raftsman group`: node groups, the queues of the cluster.

use clap::Subcommand;

use super::failure::Outcome;
use super::{Global, hold};

/// Pause and resume node groups
#[derive(Debug, clap::Args)]
pub(super) struct GroupCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Pause(hold::Pause),
    Resume(hold::Resume),
}

impl GroupCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Pause(pause) => pause.run(global).await,
            Verb::Resume(resume) => resume.run(global).await,
        }
    }
}
