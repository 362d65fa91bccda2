//! `raftsman job wait`: until a job or a run is final. The exit code says how it ended.

use serde_json::json;

use super::super::Global;
use super::super::failure::{Failure, Outcome};
use super::super::json;
use super::super::output::{Row, Shape, column, wide};
use super::shortened;
use crate::client::JobClient;
use crate::domain::Millis;
use crate::wire::pb;

/// Wait until a job or a run is final; exits 7 if it did not succeed
///
/// Examples:
///   raftsman job wait 42.0 --timeout 5m
///   raftsman job wait 42.0/3 -o json
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Wait {
    /// A job's id such as 42.0, or a run's such as 42.0/3
    #[arg(value_name = "JOB|RUN")]
    id: String,
    /// How long to wait; else without end. Exits 4 when it was not enough
    #[arg(long, value_name = "SPAN")]
    timeout: Option<Millis>,
}

impl Wait {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.connect.client().await?;
        until_final(global, &client, &self.id, self.timeout).await
    }
}

/// Waits, shows how it ended, and fails if that was not success.
pub(super) async fn until_final(
    global: &Global,
    client: &JobClient,
    id: &str,
    timeout: Option<Millis>,
) -> Outcome {
    let ended = client.wait(id, timeout.map(Into::into)).await?;
    let succeeded = succeeded(id, &ended);
    let columns = [column("ID"), column("STATE"), column("RESULT"), column("ERROR"), wide("ATTEMPTS")];
    global.output().print(Shape::One, &columns, &[row(id, &ended)])?;
    if succeeded { Ok(()) } else { Err(Failure::Unsuccessful) }
}

fn succeeded(id: &str, ended: &pb::WaitResponse) -> bool {
    match (id.contains('/'), &ended.run) {
        (true, Some(run)) => run.state() == pb::RunState::Succeeded,
        (true, None) | (false, _) => ended.state() == pb::JobState::Succeeded,
    }
}

fn row(id: &str, ended: &pb::WaitResponse) -> Row {
    let run = ended.run.clone().unwrap_or_default();
    let state = match id.contains('/') {
        true => json::run_state(run.state()),
        false => json::job_state(ended.state()),
    };
    Row {
        id: id.into(),
        cells: vec![
            id.into(),
            state.into(),
            shortened(&run.result),
            run.error.clone(),
            run.attempts.len().to_string(),
        ],
        json: json!({ "id": id, "state": state, "run": json::run(&run) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_judged_by_its_own_fate_and_a_job_by_its_state() {
        let run = pb::Run { state: pb::RunState::Succeeded.into(), ..Default::default() };
        let ended =
            pb::WaitResponse { state: pb::JobState::Waiting.into(), run: Some(run), ..Default::default() };
        assert!(succeeded("42.0/3", &ended));
        assert!(!succeeded("42.0", &ended));
        assert_eq!(row("42.0/3", &ended).cells[1], "SUCCEEDED");
        let dead = pb::WaitResponse { state: pb::JobState::Dead.into(), ..Default::default() };
        assert!(!succeeded("42.0", &dead));
        assert_eq!(row("42.0", &dead).cells[1], "DEAD");
    }
}
