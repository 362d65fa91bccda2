//! What is submitted: one job for each file, and one of each awkward sort.

use std::time::Duration;

use anyhow::Context as _;
use raftsman::client::{CancelAnswer, Submit, SubmitOutcome};
use raftsman::domain::{Clock as _, SystemClock, Timestamp};
use raftsman::{JobClient, JobHandle, Retry};

use crate::effects::{Effects, kind};
use crate::files::Sample;

pub(crate) const NODE_GROUP: &str = "demo";
/// Before the jobs of the files, whose priority is 100.
const PRIORITY: i32 = 10;
pub(crate) const REPEATS: u64 = 15;
pub(crate) const REPEAT_EVERY: Duration = Duration::from_secs(1);
pub(crate) const DELAY: Duration = Duration::from_secs(5);
/// How often the flaky job fails before it succeeds.
pub(crate) const FAILURES: u32 = 2;
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// Jobs of files in one call.
const BATCH: usize = 50;
/// Files that may wait in the cluster: enough that something always waits, few enough that submits go on meanwhile.
const AHEAD_MAX: usize = 250;
/// How often the number of waiting files is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Each job first writes down that it runs, in one write so that lines do not mix.
const WRITE_DOWN: &str = "printf '%s %s %s %s\\n' \"$RAFTSMAN_TASK_ID\" \"$RAFTSMAN_RUN_ID\" \
                          \"$RAFTSMAN_FENCING_TOKEN\" \"$DEMO_AGENT\" >> \"$DEMO_EFFECTS\"\n";
const COUNT_AND_HASH: &str =
    "LC_ALL=C wc -w < \"$RAFTSMAN_PARAM_FILE\" && sha256sum < \"$RAFTSMAN_PARAM_FILE\"";
/// Fails in both ways that are retried: 75 is EXECUTE_LATER, 1 is EXECUTE_EXCEPTION.
const FAIL_TWICE: &str = "case $RAFTSMAN_ATTEMPT in 1) exit 75 ;; 2) exit 1 ;; *) echo at last ;; esac";
/// A minute, unless it is stopped or its agent is gone.
const LONG: &str = "left=60; while [ $left -gt 0 ] && kill -0 $PPID; do sleep 1; left=$((left - 1)); done";

/// A job that the cluster has accepted.
#[derive(Clone, Debug)]
pub(crate) struct Submitted {
    pub(crate) task_id: String,
    pub(crate) job_id: String,
    pub(crate) what: What,
}

/// What should become of it.
#[derive(Clone, Debug)]
pub(crate) enum What {
    File(Sample),
    /// `cancelled`: when the cancel was asked for.
    Cron {
        cancelled: Option<Timestamp>,
    },
    Repeat,
    Delayed,
    Flaky,
    CancelledWaiting,
    CancelledRunning,
}

impl What {
    /// Its place in the report, and what it is called there.
    pub(crate) fn place_and_name(&self) -> (usize, &'static str) {
        match self {
            What::File(_) => (0, "files"),
            What::Cron { .. } => (1, "cron, every second"),
            What::Repeat => (2, "repeat"),
            What::Delayed => (3, "in 5 s"),
            What::Flaky => (4, "fails twice"),
            What::CancelledWaiting => (5, "cancelled while waiting"),
            What::CancelledRunning => (6, "cancelled while running"),
        }
    }
}

/// Submits, and remembers what was accepted.
#[derive(Debug)]
pub(crate) struct Workload {
    client: JobClient,
    effects: Effects,
    pub(crate) submitted: Vec<Submitted>,
    pub(crate) problems: Vec<String>,
}

impl Workload {
    pub(crate) fn new(client: JobClient, effects: Effects) -> Workload {
        Workload { client, effects, submitted: Vec::new(), problems: Vec::new() }
    }

    pub(crate) fn effects(&self) -> &Effects {
        &self.effects
    }

    fn job(&self, task_id: &str, script: &str) -> Submit {
        self.client.submit_raw("sh", format!("{WRITE_DOWN}{script}")).task_id(task_id).node_group(NODE_GROUP)
    }

    async fn awkward(&mut self, task_id: &str, what: What, submit: Submit) -> anyhow::Result<JobHandle> {
        let job = submit.priority(PRIORITY).await.with_context(|| format!("cannot submit {task_id}"))?;
        self.accepted(task_id.into(), what, &job);
        Ok(job)
    }

    fn accepted(&mut self, task_id: String, what: What, job: &JobHandle) {
        if job.outcome() != SubmitOutcome::Accepted {
            self.problems.push(format!("{task_id} was submitted once, the answer was {:?}", job.outcome()));
        }
        self.submitted.push(Submitted { task_id, job_id: job.id().into(), what });
    }

    /// All but the files.
    ///
    /// # Errors
    /// If the cluster does not take them.
    pub(crate) async fn submit_awkward(&mut self) -> anyhow::Result<()> {
        let cron = self.job("cron", "date +%s").cron("* * * * * ?", "UTC").rely_on_previous_cycle(false);
        self.awkward("cron", What::Cron { cancelled: None }, cron).await?;
        let repeat = self.job("repeat", "").repeat(REPEAT_EVERY, Some(REPEATS)).rely_on_previous_cycle(false);
        self.awkward("repeat", What::Repeat, repeat).await?;
        let delayed = self.job("delayed", "").run_in(DELAY);
        self.awkward("delayed", What::Delayed, delayed).await?;
        let flaky = self.job("flaky", FAIL_TWICE).retry(Retry::fixed(FAILURES, RETRY_AFTER));
        self.awkward("flaky", What::Flaky, flaky).await?;
        self.cancel_one_that_waits().await
    }

    async fn cancel_one_that_waits(&mut self) -> anyhow::Result<()> {
        let waiting = self.job("unwanted", "").run_in(Duration::from_secs(3600));
        let job = self.awkward("unwanted", What::CancelledWaiting, waiting).await?;
        let answer = job.cancel().await.context("cannot cancel a job that waits")?;
        if !matches!(answer, CancelAnswer::Cancelled { .. }) {
            self.problems.push(format!("cancelling a job that waits was answered by {answer:?}"));
        }
        Ok(())
    }

    /// A job that would run for a minute, cancelled as soon as it runs.
    ///
    /// # Errors
    /// If the cluster does not take it, or the cancel.
    pub(crate) async fn cancel_one_that_runs(&mut self) -> anyhow::Result<()> {
        // It would be tried again if it were not for the cancel.
        let long = self.job("long", LONG).retry(Retry::fixed(3, RETRY_AFTER));
        let job = self.awkward("long", What::CancelledRunning, long).await?;
        self.effects.reach("long", 1).await;
        let answer = job.cancel().await.context("cannot cancel a job that runs")?;
        if !matches!(answer, CancelAnswer::CancelRequested { .. }) {
            self.problems.push(format!("cancelling a job that runs was answered by {answer:?}"));
        }
        Ok(())
    }

    /// The cron runs until it is cancelled.
    ///
    /// # Errors
    /// If the cluster does not take the cancel.
    pub(crate) async fn end_cron(&mut self) -> anyhow::Result<()> {
        let cron =
            self.submitted.iter_mut().find(|job| kind(&job.task_id) == "cron").context("there is a cron")?;
        cron.what = What::Cron { cancelled: Some(SystemClock.wall()) };
        let answer = self.client.cancel(cron.job_id.as_str()).await.context("cannot cancel the cron")?;
        if !matches!(answer, CancelAnswer::Cancelled { .. } | CancelAnswer::CancelRequested { .. }) {
            self.problems.push(format!("cancelling the cron was answered by {answer:?}"));
        }
        Ok(())
    }

    /// One job for each file, a little ahead of their execution, so that submits go on while leaders die.
    ///
    /// # Errors
    /// If a submit is refused or its fate stays unknown.
    pub(crate) async fn submit_files(&mut self, samples: &[Sample]) -> anyhow::Result<()> {
        for batch in samples.chunks(BATCH) {
            let first = self.submitted_files();
            let mut beat = tokio::time::interval(LOOK_EVERY);
            while self.submitted_files() > self.effects.count("file") + AHEAD_MAX {
                beat.tick().await;
            }
            let task_ids = (first..).map(|number| format!("file-{number}"));
            let submits: Vec<(String, Submit)> = task_ids
                .zip(batch)
                .map(|(task_id, sample)| {
                    let submit = self.job(&task_id, COUNT_AND_HASH).param("file", &sample.path);
                    (task_id, submit)
                })
                .collect();
            let (task_ids, submits): (Vec<_>, Vec<_>) = submits.into_iter().unzip();
            let answers = self.client.submit_all(submits).await;
            for ((task_id, sample), answer) in task_ids.into_iter().zip(batch).zip(answers) {
                let job = answer.with_context(|| format!("cannot submit {task_id}"))?;
                self.accepted(task_id, What::File(sample.clone()), &job);
            }
        }
        Ok(())
    }

    pub(crate) fn submitted_files(&self) -> usize {
        self.submitted.iter().filter(|job| matches!(job.what, What::File(_))).count()
    }
}
