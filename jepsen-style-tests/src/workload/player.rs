//! A client that plays a workload until it is told to stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use raftsman::wire::pb;
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Mix, Workload, jobs};
use crate::act::Act;
use crate::client::{Client, Ended, Task};
use crate::generator::spec::GROUP;

/// A batch has at most so many jobs.
const BATCH_MAX: usize = 12;
/// How many pages of one list are read at most.
const PAGES_MAX: usize = 8;
/// How far from the due time a cancel is aimed, to both sides.
const RACE_MS: i64 = 50;
/// What a list can be filtered by.
const STATES: [pb::JobState; 8] = [
    pb::JobState::Waiting,
    pb::JobState::Ready,
    pb::JobState::Executing,
    pb::JobState::Suspended,
    pb::JobState::Succeeded,
    pb::JobState::Failed,
    pb::JobState::Dead,
    pb::JobState::Cancelled,
];
/// And by which types.
const TYPES: [pb::JobType; 4] =
    [pb::JobType::RealTime, pb::JobType::TriggerTime, pb::JobType::Cron, pb::JobType::Repeat];
/// Operations aim at one of the jobs that were submitted last.
const RECENT: usize = 60;

/// The jobs that were acknowledged, by all clients of a run.
#[derive(Debug, Default)]
pub(crate) struct Known {
    jobs: Mutex<Vec<Acknowledged>>,
    numbers: AtomicU64,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) task_id: String,
    pub(crate) job_id: String,
}

impl Known {
    fn add(&self, jobs: impl IntoIterator<Item = Acknowledged>) {
        self.jobs.lock().expect("nobody panics while it is held").extend(jobs);
    }

    /// One of the last.
    fn recent(&self, rng: &mut fastrand::Rng) -> Option<Acknowledged> {
        let jobs = self.jobs.lock().expect("nobody panics while it is held");
        let from = jobs.len().saturating_sub(RECENT);
        (!jobs.is_empty()).then(|| jobs[rng.usize(from..jobs.len())].clone())
    }

    fn fresh_name(&self) -> String {
        format!("j{}", self.numbers.fetch_add(1, Ordering::Relaxed))
    }
}

/// One client with its workload.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) client: Client,
    pub(crate) known: Arc<Known>,
    pub(crate) workload: Workload,
    pub(crate) mix: Mix,
}

impl Player {
    /// Plays until `stop` says so; the operation under way is finished.
    pub(crate) async fn play(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            let gap = -(1.0 - self.client.rng.f64()).ln() * self.mix.gap.as_secs_f64();
            let pause = Duration::from_secs_f64(gap.min(5.0));
            if timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
            self.operate().await;
        }
    }

    /// Submits so many jobs, as they come.
    pub(crate) async fn plant(&mut self, jobs: u32) {
        for _ in 0..jobs {
            self.submit().await;
        }
    }

    async fn operate(&mut self) {
        let mix = self.mix;
        let changes = [mix.submit, mix.batch, mix.race, mix.cancel, mix.terminate, mix.retry, mix.act];
        let weights = [changes.as_slice(), &[mix.get, mix.list, mix.pages]].concat();
        let mut at = self.client.rng.u32(..weights.iter().sum::<u32>());
        let mut class = 0;
        while at >= weights[class] {
            at -= weights[class];
            class += 1;
        }
        match class {
            0 => self.submit().await,
            1 => self.batch().await,
            2 => self.race().await,
            3 => self.cancel().await,
            4 => self.terminate().await,
            5 => self.retry().await,
            6 => self.act().await,
            7 => self.get().await,
            8 => self.list().await,
            _ => self.pages().await,
        }
    }

    fn draw(&mut self) -> pb::Job {
        let mut job = jobs::draw(self.workload, &mut self.client.rng, self.known.fresh_name());
        // Sometimes a task id that is taken.
        if self.client.rng.u8(..100) < 6
            && let Some(taken) = self.known.recent(&mut self.client.rng)
        {
            job.task_id = taken.task_id;
            let all = [pb::OnConflict::Ignore, pb::OnConflict::Reject, pb::OnConflict::Replace];
            job.on_conflict = all[self.client.rng.usize(..all.len())].into();
        }
        job
    }

    async fn submit(&mut self) {
        let crons = matches!(self.workload, Workload::Cron | Workload::Mixed);
        let job = match self.client.rng.u8(..16) {
            0 if crons => jobs::hopeless(&mut self.client.rng, self.known.fresh_name()),
            _ => self.draw(),
        };
        self.submit_one(job).await;
    }

    async fn submit_one(&mut self, job: pb::Job) -> Option<Acknowledged> {
        let described = job.clone();
        let Ended::Answered { answer, .. } = self.client.submit(job).await else { return None };
        let acknowledged = answer.results.first().and_then(|result| acknowledged(&described, result))?;
        self.known.add([acknowledged.clone()]);
        Some(acknowledged)
    }

    async fn batch(&mut self) {
        let size = self.client.rng.usize(1..=BATCH_MAX);
        let mut batch = Vec::new();
        for _ in 0..size {
            let name = self.known.fresh_name();
            batch.push(jobs::draw(self.workload, &mut self.client.rng, name));
        }
        if let Ended::Answered { answer, .. } = self.client.submit_batch(batch.clone()).await {
            let pairs = batch.iter().zip(&answer.results);
            self.known.add(pairs.filter_map(|(job, result)| acknowledged(job, result)));
        }
    }

    /// Aims a cancel at the moment at which the job is due.
    async fn race(&mut self) {
        let due_in_ms = self.client.rng.u64(300..1_200);
        let due = tokio::time::Instant::now() + Duration::from_millis(due_in_ms);
        let job = jobs::soon(&mut self.client.rng, self.known.fresh_name(), due_in_ms);
        let Some(job) = self.submit_one(job).await else { return };
        let early_ms = self.client.rng.i64(0..=2 * RACE_MS);
        tokio::time::sleep_until(
            due + Duration::from_millis(early_ms.unsigned_abs())
                - Duration::from_millis(RACE_MS.unsigned_abs()),
        )
        .await;
        let by_key = self.client.rng.bool();
        self.client.cancel(task(&job, by_key)).await;
    }

    async fn cancel(&mut self) {
        if self.client.rng.u8(..20) == 0 {
            let nobody = Task { node_group: GROUP.into(), task_id: "nobody".into(), job_id: None };
            self.client.cancel(nobody).await;
        } else if self.workload == Workload::Marathon {
            // What executes, above all: to cancel it is to tell its TaskTracker.
            if let Some((task_id, job_id)) = self.job_in(pb::JobState::Executing).await {
                self.client.cancel(Task { node_group: GROUP.into(), task_id, job_id: Some(job_id) }).await;
            }
        } else if let Some(job) = self.known.recent(&mut self.client.rng) {
            let by_key = self.client.rng.bool();
            self.client.cancel(task(&job, by_key)).await;
        }
    }

    /// Looks a job up; there is something to do if it executes.
    async fn terminate(&mut self) {
        if let Some((task_id, run)) = self.run_in(pb::JobState::Executing).await {
            self.client.terminate(&task_id, &run).await;
        }
    }

    /// Looks for a dead run, and retries it by hand.
    async fn retry(&mut self) {
        if let Some((task_id, run)) = self.run_in(pb::JobState::Dead).await {
            self.client.retry(&task_id, &run).await;
        }
    }

    /// Mostly suspends, and what they need: a resume of what rests, a trigger meanwhile, rarely a delete.
    async fn act(&mut self) {
        let act = match self.client.rng.u8(..20) {
            0..=7 => Act::Suspend,
            8..=14 => Act::Resume,
            15..=17 => Act::Trigger,
            _ => Act::Delete,
        };
        if act == Act::Resume
            && self.client.rng.u8(..3) > 0
            && let Some((task_id, job_id)) = self.job_in(pb::JobState::Suspended).await
        {
            let task = Task { node_group: GROUP.into(), task_id, job_id: Some(job_id) };
            self.client.act(act, task).await;
        } else if let Some(job) = self.known.recent(&mut self.client.rng) {
            let by_key = self.client.rng.bool();
            self.client.act(act, task(&job, by_key)).await;
        }
    }

    /// The task id and the run of some job in a state.
    async fn run_in(&mut self, state: pb::JobState) -> Option<(String, String)> {
        let job = self.some_in(state).await?;
        Some((job.spec?.task_id, job.run?.run_id))
    }

    /// The task id and the id of some job in a state.
    async fn job_in(&mut self, state: pb::JobState) -> Option<(String, String)> {
        let job = self.some_in(state).await?;
        Some((job.spec?.task_id, job.job_id))
    }

    /// Some job in a state, by a list.
    async fn some_in(&mut self, state: pb::JobState) -> Option<pb::StoredJob> {
        let request = pb::ListJobsRequest {
            node_group: GROUP.into(),
            states: vec![state.into()],
            page_size: 20,
            ..pb::ListJobsRequest::default()
        };
        let Ended::Answered { answer, .. } = self.client.list(request).await else { return None };
        let count = answer.jobs.len();
        answer.jobs.into_iter().nth(self.client.rng.usize(..count.max(1)))
    }

    async fn get(&mut self) {
        if let Some(job) = self.known.recent(&mut self.client.rng) {
            let by_key = self.client.rng.u8(..4) == 0;
            self.client.get(task(&job, by_key)).await;
        }
    }

    async fn list(&mut self) {
        let request = self.filters(50);
        self.client.list(request).await;
    }

    /// One list to its end, in small pages, while jobs come and change.
    async fn pages(&mut self) {
        let size = self.client.rng.i32(1..=40);
        let mut request = self.filters(size);
        for _ in 0..PAGES_MAX {
            let Ended::Answered { answer, .. } = self.client.list(request.clone()).await else { return };
            if answer.next_page_token.is_empty() {
                return;
            }
            request.page_token = answer.next_page_token;
        }
    }

    /// Filters of all kinds, together.
    fn filters(&mut self, page_size: i32) -> pb::ListJobsRequest {
        let rng = &mut self.client.rng;
        let mut request = pb::ListJobsRequest { page_size, ..pb::ListJobsRequest::default() };
        request.node_group = if rng.u8(..4) == 0 { "" } else { GROUP }.into();
        if rng.bool() {
            let mut states = STATES;
            rng.shuffle(&mut states);
            request.states = states[..rng.usize(1..=3)].iter().map(|state| (*state).into()).collect();
        }
        if rng.u8(..3) == 0 {
            request.task_id_prefix = format!("j{}", rng.u8(1..10));
        }
        if rng.u8(..3) == 0 {
            request.kind = ["sleep", "fail", "effect"][rng.usize(..3)].into();
        }
        if rng.u8(..3) == 0 {
            request.job_type = TYPES[rng.usize(..TYPES.len())].into();
        }
        if rng.u8(..4) == 0 {
            request.consistency = pb::Consistency::Stale.into();
        }
        request
    }
}

fn task(job: &Acknowledged, by_key: bool) -> Task {
    let job_id = (!by_key).then(|| job.job_id.clone());
    Task { node_group: GROUP.into(), task_id: job.task_id.clone(), job_id }
}

fn acknowledged(job: &pb::Job, result: &pb::SubmitResult) -> Option<Acknowledged> {
    (result.outcome() != pb::SubmitOutcome::Refused)
        .then(|| Acknowledged { task_id: job.task_id.clone(), job_id: result.job_id.clone() })
}
