//! `raftsman log`: the replicated log as one JobTracker has applied it, as JSON lines.

use std::io::{self, Write};

use clap::Subcommand;
use serde_json::value::RawValue;

use super::Global;
use super::connect::ANSWER_BYTES_MAX;
use super::failure::{Failure, Outcome};
use super::json;
use crate::client::ClientError;
use crate::wire::pb;
use crate::wire::pb::cluster_service_client::ClusterServiceClient;

/// Look into the replicated log
#[derive(Debug, clap::Args)]
pub(super) struct LogCommand {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the entries that a JobTracker has applied, one JSON object a line
    ///
    /// The JobTracker that is asked answers for itself. Entries that were applied before it was asked come without
    /// replies and digest; those that were purged are left out. docs/log-export.md has the shapes.
    ///
    /// Example:
    ///   raftsman log export --addr n2:5870 --from 1000 --follow
    #[command(verbatim_doc_comment)]
    Export {
        /// The first entry
        #[arg(long, default_value_t, value_name = "INDEX")]
        from: u64,
        /// Go on with each entry as it is applied
        #[arg(long)]
        follow: bool,
    },
}

/// One line.
#[derive(serde::Serialize)]
struct Line {
    index: u64,
    term: u64,
    at: String,
    digest: Option<String>,
    commands: Vec<Command>,
}

#[derive(serde::Serialize)]
struct Command {
    command: Box<RawValue>,
    reply: Option<Box<RawValue>>,
}

impl LogCommand {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        match self.verb {
            Verb::Export { from, follow } => export(global, from, follow).await,
        }
    }
}

async fn export(global: &Global, from_index: u64, follow: bool) -> Outcome {
    let client = ClusterServiceClient::new(global.connect.straight().await?);
    let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
    let refused = |status: tonic::Status| ClientError::Refused(status.into());
    let records = client.export_log(pb::ExportLogRequest { from_index, follow }).await;
    let mut records = records.map_err(refused)?.into_inner();
    while let Some(record) = records.message().await.map_err(refused)? {
        let mut text = serde_json::to_string(&line(record)?).map_err(anyhow::Error::from)?;
        text.push('\n');
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

fn line(record: pb::ExportLogResponse) -> Result<Line, Failure> {
    let commands: Result<_, _> = record.commands.into_iter().map(command).collect();
    Ok(Line {
        index: record.index,
        term: record.term,
        at: json::time(record.at),
        digest: (!record.digest.is_empty()).then_some(record.digest),
        commands: commands?,
    })
}

fn command(applied: pb::AppliedCommand) -> Result<Command, Failure> {
    let raw = |text: String| RawValue::from_string(text).map_err(|error| Failure::Failed(error.into()));
    let reply = if applied.reply_json.is_empty() { None } else { Some(raw(applied.reply_json)?) };
    Ok(Command { command: raw(applied.command_json)?, reply })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_null_for_what_is_not_known() {
        let command_json = r#"{"tick":{}}"#.to_owned();
        let known = pb::AppliedCommand { command_json, reply_json: r#"{"done":{}}"#.into() };
        let unknown = pb::AppliedCommand { reply_json: String::new(), ..known.clone() };
        let digest = "00000000000000ff".to_owned();
        let at = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
        let record = pb::ExportLogResponse { index: 7, term: 2, at, digest, commands: vec![known, unknown] };
        let blank = pb::ExportLogResponse { index: 8, term: 3, ..pb::ExportLogResponse::default() };
        let lines: Vec<String> = [record, blank]
            .map(|record| serde_json::to_string(&line(record).expect("it is JSON")).expect("it is JSON"))
            .into();
        expect_test::expect![[r#"
            {"index":7,"term":2,"at":"1970-01-01T00:00:01.000Z","digest":"00000000000000ff","commands":[{"command":{"tick":{}},"reply":{"done":{}}},{"command":{"tick":{}},"reply":null}]}
            {"index":8,"term":3,"at":"","digest":null,"commands":[]}"#]]
        .assert_eq(&lines.join("\n"));
    }
}
