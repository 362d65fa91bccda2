//! The check after each run: the ledger against what the client was told and what the TaskTracker saw. Every
//! acknowledged submit is one job with one fate; every execution that began is in the ledger; every execution beyond
//! a run's first is explained by the end of the one before it.

use std::collections::BTreeMap;

use raftsman::JobClient;
use raftsman::wire::pb;

use super::load::Submitted;
use super::starts::Start;

const PAGE_ROWS: i32 = 1_000;

/// What was counted, and what is wrong.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) acknowledged: usize,
    pub(crate) succeeded: usize,
    /// Acknowledged, and not with exactly one success.
    pub(crate) lost: Vec<String>,
    /// More than one job, one fate or one unexplained execution.
    pub(crate) doubled: Vec<String>,
    /// Executions beyond the first that the ledger explains.
    pub(crate) executed_again: usize,
    /// Submits whose answer the client never got, and that many of them were done.
    pub(crate) unanswered: usize,
    pub(crate) unanswered_done: usize,
}

impl Verdict {
    pub(crate) fn is_right(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty()
    }

    pub(crate) fn report(&self) {
        println!(
            "  ledger: {} acknowledged, {} succeeded, {} lost, {} doubled; {} executed again and explained; \
             {} unanswered of which {} done",
            self.acknowledged,
            self.succeeded,
            self.lost.len(),
            self.doubled.len(),
            self.executed_again,
            self.unanswered,
            self.unanswered_done
        );
        self.lost.iter().take(5).for_each(|what| println!("  LOST: {what}"));
        self.doubled.iter().take(5).for_each(|what| println!("  DOUBLED: {what}"));
    }
}

pub(crate) async fn verify(
    client: &JobClient,
    group: &str,
    submitted: &[Submitted],
    starts: &[Start],
) -> anyhow::Result<Verdict> {
    let jobs = read(client, group).await?;
    let mut began: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    starts.iter().for_each(|start| began.entry(start.job).or_default().push(start.fence));
    let mut verdict = Verdict::default();
    for one in submitted {
        let stored = jobs.get(&one.job).map_or(&[][..], Vec::as_slice);
        match &one.acked {
            Ok(_) => verdict.acknowledged += 1,
            Err(_) => {
                verdict.unanswered += 1;
                verdict.unanswered_done += usize::from(!stored.is_empty());
            }
        }
        if one.acked.is_ok() || !stored.is_empty() {
            judge(&mut verdict, one.job, stored, began.get(&one.job).map_or(&[], Vec::as_slice));
        }
    }
    Ok(verdict)
}

fn judge(verdict: &mut Verdict, number: u64, stored: &[pb::StoredJob], began: &[u64]) {
    let [job] = stored else {
        let into = if stored.is_empty() { &mut verdict.lost } else { &mut verdict.doubled };
        return into.push(format!("job {number} is {} jobs in the ledger", stored.len()));
    };
    let (state, run) = (job.state(), job.run.clone().unwrap_or_default());
    let counts = job.counts.unwrap_or_default();
    let fates = counts.succeeded + counts.failed + counts.dead + counts.skipped + counts.cancelled;
    if state != pb::JobState::Succeeded || began.is_empty() {
        verdict.lost.push(format!("job {number} {} is {state:?}, began {} times", job.job_id, began.len()));
    } else if fates > 1 {
        verdict.doubled.push(format!("job {number} {} has {fates} fates", job.job_id));
    } else {
        verdict.succeeded += 1;
    }
    verdict.executed_again += began.len() - usize::from(!began.is_empty());
    let explained = |attempt: &pb::Attempt| attempt.end() != pb::AttemptEnd::Completed;
    let (last, before) = match run.attempts.split_last() {
        Some((last, before)) => (Some(last), before),
        None => (None, &[][..]),
    };
    let completed_once = last.is_some_and(|last| last.end() == pb::AttemptEnd::Completed);
    let unknown = began.iter().any(|fence| !run.attempts.iter().any(|attempt| attempt.execution == *fence));
    if unknown || !completed_once || !before.iter().all(explained) {
        let ends: Vec<_> = run.attempts.iter().map(|attempt| (attempt.execution, attempt.end())).collect();
        verdict
            .doubled
            .push(format!("job {number} {}: began as {began:?}, the ledger says {ends:?}", job.job_id));
    }
}

/// All jobs of a group by their number.
async fn read(client: &JobClient, group: &str) -> anyhow::Result<BTreeMap<u64, Vec<pb::StoredJob>>> {
    let mut jobs: BTreeMap<u64, Vec<pb::StoredJob>> = BTreeMap::new();
    let mut request =
        pb::ListJobsRequest { node_group: group.into(), page_size: PAGE_ROWS, ..Default::default() };
    loop {
        let page = client.list_jobs(request.clone()).await?;
        for job in page.jobs {
            let number = job.spec.as_ref().and_then(|spec| spec.task_id.parse().ok());
            jobs.entry(number.unwrap_or(u64::MAX)).or_default().push(job);
        }
        if page.next_page_token.is_empty() {
            return Ok(jobs);
        }
        request.page_token = page.next_page_token;
    }
}
