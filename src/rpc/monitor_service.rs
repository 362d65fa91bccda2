//! `MonitorService`: series, queues as they are, processes.

use std::time::Duration;

use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

use super::edge::{linearize, read, storage, wrong};
use crate::domain::{FieldError, Identity, Millis, NodeGroup, Timestamp};
use crate::jobtracker::{GroupNow, JobTracker, groups_now};
use crate::machine::TrackerView;
use crate::machine::series::{Of, Query, Reading};
use crate::machine::stats::{Histogram, MINUTE, TrackerStats};
use crate::process::ProcessInfo;
use crate::raft::{Member, Role};
use crate::wire::pb::monitor_service_client::MonitorServiceClient;
use crate::wire::pb::monitor_service_server::MonitorService;
use crate::wire::{Fault, Reason, duration, pb, read_duration, read_timestamp, timestamp};

/// What LTS's charts showed unless told.
const STRETCH_DEFAULT: Millis = Millis::from_secs(3 * 3600);
/// How long another JobTracker may take to tell of itself.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Where the newest sample of a TaskTracker is looked for.
const SAMPLE_MINUTES: u64 = 10;

pub(super) struct Monitor(pub(super) JobTracker);

#[tonic::async_trait]
impl MonitorService for Monitor {
    async fn query_series(
        &self,
        request: Request<pb::QuerySeriesRequest>,
    ) -> Result<Response<pb::QuerySeriesResponse>, Status> {
        let request = request.into_inner();
        let query = query(&request, self.0.now()).map_err(|error| wrong(vec![error]))?;
        let ((), mark) = read(&self.0, request.consistency, |_| Ok(())).await?;
        let mut reading = Reading::new(query);
        // An hour at a time: whoever applies entries gets in between.
        while self.0.look(|machine| reading.read(machine.tables())).map_err(|error| storage(&error))? {
            tokio::task::yield_now().await;
        }
        let series = reading.points().into_iter().map(|(series, points)| pb::Series {
            name: series.name.into(),
            unit: series.unit.into(),
            points: points.into_iter().map(point).collect(),
        });
        Ok(Response::new(pb::QuerySeriesResponse { series: series.collect(), read: mark }))
    }

    async fn list_group_stats(
        &self,
        request: Request<pb::ListGroupStatsRequest>,
    ) -> Result<Response<pb::ListGroupStatsResponse>, Status> {
        let request = request.into_inner();
        let (groups, mark) = read(&self.0, request.consistency, groups_now).await?;
        let now = self.0.now();
        let groups = groups.into_iter().map(|(name, group)| group_stats(&name, &group, now));
        let wanted =
            |group: &pb::GroupStats| request.node_group.is_empty() || group.node_group == request.node_group;
        Ok(Response::new(pb::ListGroupStatsResponse { groups: groups.filter(wanted).collect(), read: mark }))
    }

    async fn get_process(
        &self,
        request: Request<pb::GetProcessRequest>,
    ) -> Result<Response<pb::GetProcessResponse>, Status> {
        let request = request.into_inner();
        let process = if request.identity.is_empty() || request.identity == self.0.name() {
            self.myself()?
        } else if let Some(member) = self.member(&request.identity) {
            return ask(&member, request).await;
        } else {
            self.tasktracker(&request).await?
        };
        Ok(Response::new(pb::GetProcessResponse { process: Some(process) }))
    }
}

impl Monitor {
    fn myself(&self) -> Result<pb::ProcessInfo, Status> {
        let process = self.0.process().ok_or_else(|| unknown(self.0.name()))?;
        let (metrics, disk) = (self.0.raft().metrics(), self.0.disk_usage());
        Ok(pb::ProcessInfo {
            identity: self.0.name().to_owned(),
            r#type: "jobtracker".into(),
            memtable_bytes: disk.memtable_bytes,
            block_cache_bytes: disk.block_cache_bytes,
            sst_bytes: disk.sst_bytes,
            pending_compaction_bytes: disk.pending_compaction_bytes,
            raft_role: match metrics.role {
                Role::Leader => "leader",
                Role::Learner => "learner",
                Role::Follower | Role::Candidate | Role::Stopped => "follower",
            }
            .into(),
            raft_term: metrics.term,
            raft_last_log_index: metrics.last_log_index,
            raft_applied_index: metrics.applied_index,
            ..process_info(&process)
        })
    }

    /// The other JobTracker of this name.
    fn member(&self, name: &str) -> Option<Member> {
        let metrics = self.0.raft().metrics();
        let mut members = metrics.voters.into_iter().chain(metrics.learners);
        members.find(|member| member.node.name == name && member.id != metrics.id)
    }

    async fn tasktracker(&self, request: &pb::GetProcessRequest) -> Result<pb::ProcessInfo, Status> {
        linearize(&self.0).await?;
        let is_it = |view: &TrackerView| {
            view.identity.as_str() == request.identity
                && (request.node_group.is_empty() || view.node_group.as_str() == request.node_group)
        };
        let found = self.0.look(|machine| {
            let mut views = machine.tables().trackers()?.into_iter().filter(is_it);
            let Some(view) = views.next() else { return Ok(None) };
            let sample = machine.tables().newest_sample(&view.node_group, &view.identity, SAMPLE_MINUTES)?;
            Ok(Some((view, sample)))
        });
        let (view, sample) =
            found.map_err(|error| storage(&error))?.ok_or_else(|| unknown(&request.identity))?;
        Ok(tracker_info(&view, sample))
    }
}

fn unknown(name: &str) -> Status {
    Fault::not_applied(Reason::NodeNotFound, format!("no jobtracker or tasktracker {name:?} is known")).into()
}

/// One hop, to the JobTracker itself.
async fn ask(
    member: &Member,
    request: pb::GetProcessRequest,
) -> Result<Response<pb::GetProcessResponse>, Status> {
    let unreachable = |problem: String| {
        let text = format!("jobtracker {} does not answer: {problem}", member.node.name);
        Status::from(Fault::not_applied(Reason::NodeNotFound, text))
    };
    let endpoint = Endpoint::from_shared(format!("http://{}", member.node.client_addr))
        .map_err(|error| unreachable(error.to_string()))?;
    let asked = async {
        let channel = endpoint.connect_timeout(ASK_WITHIN).connect().await;
        let channel = channel.map_err(|error| unreachable(error.to_string()))?;
        // It is asked for itself, so that two who do not agree on names never ask each other for ever.
        let itself = pb::GetProcessRequest::default();
        let answer = MonitorServiceClient::new(channel).get_process(itself).await?;
        let is_it = answer.get_ref().process.as_ref().is_some_and(|it| it.identity == request.identity);
        if is_it { Ok(answer) } else { Err(unreachable("another one is at its address".into())) }
    };
    tokio::time::timeout(ASK_WITHIN, asked).await.map_err(|_| unreachable("no answer in time".into()))?
}

fn query(request: &pb::QuerySeriesRequest, now: Timestamp) -> Result<Query, FieldError> {
    let of = match request.scope() {
        pb::SeriesScope::Unspecified | pb::SeriesScope::NodeGroup => Of::NodeGroup,
        pb::SeriesScope::Tasktracker => Of::TaskTracker,
        pb::SeriesScope::Jobtracker => Of::JobTracker,
    };
    let time = |field: &'static str, at: Option<prost_types::Timestamp>| {
        at.map(read_timestamp).transpose().map_err(|problem| FieldError::new(field, problem))
    };
    let to = time("to_time", request.to_time)?.unwrap_or(now);
    let from = time("from_time", request.from_time)?.unwrap_or(to - STRETCH_DEFAULT);
    let step =
        request.step.map(read_duration).transpose().map_err(|problem| FieldError::new("step", problem))?;
    let mut query = Query::new(of, from, to, step.unwrap_or(MINUTE))?.only(&request.names)?;
    if !request.node_group.is_empty() {
        query.node_group = Some(NodeGroup::new(request.node_group.as_str())?);
    }
    if !request.identity.is_empty() {
        query.identity = Some(Identity::new(request.identity.as_str())?);
    }
    Ok(query)
}

fn point((at, value): (Timestamp, u64)) -> pb::SeriesPoint {
    pb::SeriesPoint { time: Some(timestamp(at)), value }
}

fn group_stats(name: &NodeGroup, group: &GroupNow, now: Timestamp) -> pb::GroupStats {
    let (depth, counts, last) = (&group.depth, &group.counts, &group.last);
    pb::GroupStats {
        node_group: name.to_string(),
        waiting: depth.waiting,
        ready: depth.ready,
        executing: depth.executing,
        oldest_ready: depth.ready_since.map(|since| duration(now.since(since))),
        received: counts.submitted,
        pushed: counts.dispatched,
        exe_success: counts.exe_success,
        exe_failed: counts.exe_failed,
        exe_later: counts.exe_later,
        exe_exception: counts.exe_exception,
        fixed: counts.reclaimed,
        dead: counts.dead,
        wait: quantiles(&last.wait),
        run: quantiles(&last.run),
        cron_lateness: quantiles(&last.cron_lateness),
    }
}

fn quantiles(spans: &Histogram) -> Option<pb::Quantiles> {
    let quantile = |percent| spans.quantile(percent).map(duration);
    (!spans.is_empty()).then(|| pb::Quantiles {
        count: spans.count(),
        p50: quantile(50),
        p90: quantile(90),
        p99: quantile(99),
    })
}

fn process_info(process: &ProcessInfo) -> pb::ProcessInfo {
    let machine = &process.machine;
    pb::ProcessInfo {
        time: Some(timestamp(process.at)),
        version: process.version.into(),
        host: process.host.clone(),
        uptime: Some(duration(process.uptime.into())),
        pid: process.pid,
        memory_bytes: process.memory_bytes,
        memory_peak_bytes: process.memory_peak_bytes,
        cpu: Some(duration(process.cpu.into())),
        cpu_cores: process.cpu_cores,
        threads: process.threads,
        tasks: process.tasks,
        open_files: process.open_files,
        open_files_max: process.open_files_max,
        machine_processors: machine.processors,
        machine_cpu_busy: machine.cpu_busy,
        machine_memory_bytes: machine.memory_bytes,
        machine_memory_available_bytes: machine.memory_available_bytes,
        machine_load: machine.load.to_vec(),
        ..pb::ProcessInfo::default()
    }
}

/// What the last sample said; of one that told nothing yet, who it is.
fn tracker_info(view: &TrackerView, sample: Option<(Timestamp, TrackerStats)>) -> pb::ProcessInfo {
    let who = pb::ProcessInfo {
        identity: view.identity.to_string(),
        r#type: "tasktracker".into(),
        node_group: view.node_group.to_string(),
        slots: view.row.capacity.into(),
        running: view.executing as u64,
        ..pb::ProcessInfo::default()
    };
    let Some((minute, told)) = sample else { return who };
    pb::ProcessInfo {
        time: Some(timestamp(minute + MINUTE)),
        memory_bytes: told.process.memory_bytes,
        cpu: Some(duration(told.process.cpu)),
        cpu_cores: told.process.cpu.get() as f64 / MINUTE.get() as f64,
        threads: told.process.threads,
        tasks: told.process.tasks,
        open_files: told.process.open_files,
        fail_store_bytes: told.fail_store_bytes,
        ..who
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_defaults_and_names_what_is_wrong() {
        let now = Timestamp::from_millis(7 * 3_600_000);
        let ask = |request: pb::QuerySeriesRequest| query(&request, now);
        let plain = ask(pb::QuerySeriesRequest::default()).expect("defaults are right");
        assert_eq!(
            (plain.of, plain.series.first().map(|series| series.name)),
            (Of::NodeGroup, Some("receiveJobNum"))
        );
        let names = vec!["memorybytes".to_owned()];
        let scope = pb::SeriesScope::Tasktracker.into();
        let told = ask(pb::QuerySeriesRequest { scope, names: names.clone(), ..Default::default() });
        assert_eq!(told.expect("the case does not matter").series[0].name, "memoryBytes");
        let wrong =
            ask(pb::QuerySeriesRequest { names, ..Default::default() }).expect_err("of another scope");
        assert_eq!(wrong.field, "names");
        let step = Some(duration(Millis::new(1500)));
        assert_eq!(
            ask(pb::QuerySeriesRequest { step, ..Default::default() }).expect_err("no minute").field,
            "step"
        );
    }
}
