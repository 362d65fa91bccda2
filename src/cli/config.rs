//! `raftsman config`: print, check and explain the configuration of a JobTracker.

use std::io::Write as _;

use clap::Subcommand;
use serde_json::json;

use super::Global;
use super::failure::Outcome;
use super::jobtracker::Settings;
use super::output::{Row, Shape, column, say};
use crate::jobtracker::config::default_file;

/// Print, check and explain the configuration of a JobTracker
#[derive(Debug, clap::Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print a configuration file with every setting, commented, at its default
    ///
    /// Example:
    ///   raftsman config init > /etc/raftsman/raftsman.toml
    #[command(verbatim_doc_comment)]
    Init,
    /// Check a configuration, and name everything that is wrong with it
    ///
    /// Example:
    ///   raftsman config validate --config raftsman.toml
    #[command(verbatim_doc_comment)]
    Validate(Box<Settings>),
    /// Show the settings
    ///
    /// Example:
    ///   RAFTSMAN_RAFT__HEARTBEAT=50ms raftsman config show --effective
    #[command(verbatim_doc_comment)]
    Show {
        #[command(flatten)]
        settings: Box<Settings>,
        /// Every setting with where its value comes from; else only those that are not at their default
        #[arg(long)]
        effective: bool,
    },
}

impl ConfigCommand {
    pub(super) fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Init => Ok(std::io::stdout().write_all(default_file().as_bytes())?),
            Verb::Validate(settings) => {
                settings.load()?;
                say("the configuration is right");
                Ok(())
            }
            Verb::Show { settings, effective } => show(global, *settings, effective),
        }
    }
}

fn show(global: &Global, settings: Settings, all: bool) -> Outcome {
    let shown = settings.load()?.effective().into_iter().filter(|setting| all || setting.origin != "default");
    let rows: Vec<Row> = shown
        .map(|setting| Row {
            id: setting.key.into(),
            json: json!({ "key": setting.key, "value": setting.value, "origin": setting.origin }),
            cells: vec![setting.key.into(), setting.value, setting.origin],
        })
        .collect();
    Ok(global.output().print(Shape::Many, &[column("SETTING"), column("VALUE"), column("ORIGIN")], &rows)?)
}
