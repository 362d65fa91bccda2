//! Every JobTracker is away for a while: nothing that was promised is lost, nothing is done twice, and the order stays.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use raftsman::client::{ClientError, FailStoreOptions, JobClient, SubmitOutcome};
use raftsman::tasktracker::TaskTracker;
use raftsman::wire::pb;
use raftsman::{JobContext, JobResult, Payload};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::gates::Gate;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Step(usize);

impl Payload for Step {
    const KIND: &'static str = "step";
}

/// Three JobTrackers that clients and TaskTrackers reach through gates only.
async fn behind_gates() -> (Cluster, Arc<watch::Sender<bool>>, String) {
    let open = Arc::new(watch::Sender::new(false));
    let gates = [Gate::new(&open).await, Gate::new(&open).await, Gate::new(&open).await];
    let cluster = Cluster::unmade_with(gates.len(), |n, mut options| {
        options.advertise_client = Some(gates[n].address.to_string());
        // The executions that are under way shall outlive the outage.
        options.sessions.stop_working_after = Duration::from_secs(120);
        options.sessions.reclaim_after = Duration::from_secs(180);
        options
    })
    .await;
    for (gate, node) in gates.iter().zip(&cluster.nodes) {
        gate.lead_to(node.client_addr());
    }
    assert!(!cluster.init().await.already);
    let addresses: Vec<String> = gates.iter().map(|gate| gate.address.to_string()).collect();
    (cluster, open, addresses.join(","))
}

fn client(addresses: &str, directory: &Path) -> Result<JobClient, ClientError> {
    let options = FailStoreOptions::at(directory).save_after(Duration::from_millis(300));
    JobClient::builder().addresses(addresses).node_group("trade").fail_store(options).open()
}

/// A directory is free when the tasks of the client that had it have ended.
async fn reopened(addresses: &str, directory: &Path) -> JobClient {
    loop {
        match client(addresses, directory) {
            Ok(client) => return client,
            Err(error) if error.to_string().contains("in use") => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn submit(client: &JobClient, number: usize) -> SubmitOutcome {
    let submit = client.submit(Step(number)).task_id(format!("t{number:04}"));
    submit.await.expect("it is accepted or saved").outcome()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_every_jobtracker_is_away_nothing_is_lost_or_doubled_and_the_order_stays() {
    let (cluster, open, addresses) = behind_gates().await;
    let (saves, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (release, began) = (Arc::new(Semaphore::new(0)), watch::Sender::new(0));
    let stop = CancellationToken::new();
    let tracker = {
        let (release, began) = (Arc::clone(&release), began.clone());
        let step = move |context: JobContext, step: Step| {
            let release = Arc::clone(&release);
            began.send_modify(|began| *began += 1);
            async move {
                release.acquire().await?.forget();
                context.biz_logger().info(format_args!("step {} is done", step.0));
                JobResult::Ok(step.0)
            }
        };
        let builder = TaskTracker::builder("trade").addresses(&addresses).data_dir(results.path());
        let until = stop.clone();
        tokio::spawn(builder.concurrency(8).register::<Step, _>(step).run_until(until.cancelled_owned()))
    };
    let first = client(&addresses, saves.path()).expect("it opens");
    for number in 0..20 {
        assert_eq!(submit(&first, number).await, SubmitOutcome::Accepted);
    }
    began.subscribe().wait_for(|began| *began == 8).await.expect("the tracker lives");

    open.send_replace(false);
    // Some are under way when the JobTrackers go; what was done of them is not known.
    let racing: Vec<_> = (20..60).map(|n| first.submit(Step(n)).task_id(format!("t{n:04}"))).collect();
    for submitted in first.submit_all(racing).await {
        assert_eq!(submitted.expect("it is saved").outcome(), SubmitOutcome::SavedLocally);
    }
    for number in 60..200 {
        assert_eq!(submit(&first, number).await, SubmitOutcome::SavedLocally);
    }
    // What executes ends now, and waits for a JobTracker too.
    release.add_permits(8);
    drop(first);
    let second = reopened(&addresses, saves.path()).await;
    assert_eq!(second.fail_store_stats().expect("it has a store").waiting_jobs, 180);
    for number in 200..250 {
        assert_eq!(submit(&second, number).await, SubmitOutcome::SavedLocally);
    }

    open.send_replace(true);
    second.fail_store_drained().await;
    assert_eq!(submit(&second, 250).await, SubmitOutcome::Accepted);
    release.add_permits(10_000);
    let request = pb::ListJobsRequest { page_size: 1000, ..Default::default() };
    let jobs = second.list_jobs(request).await.expect("it answers").jobs;
    let names: Vec<String> = jobs.iter().map(|job| job.spec.clone().unwrap_or_default().task_id).collect();
    assert_eq!(names, (0..=250).map(|n| format!("t{n:04}")).collect::<Vec<_>>(), "each once, in order");
    let mut attempts = BTreeMap::new();
    for job in &jobs {
        let ended = second.wait(&job.job_id, Some(Duration::from_secs(60))).await.expect("it ends");
        assert_eq!(ended.state(), pb::JobState::Succeeded);
        *attempts.entry(ended.run.unwrap_or_default().attempts.len()).or_insert(0) += 1;
    }
    assert_eq!(attempts, [(1, 251)].into(), "nothing ran twice");
    // What ended while nobody listened said so too.
    let request = pb::GetLogsRequest {
        target: Some(pb::get_logs_request::Target::JobId(jobs[0].job_id.clone())),
        ..Default::default()
    };
    let log = second.logs(request).await.expect("it answers");
    assert!(format!("{log:?}").contains("step 0 is done"), "{log:?}");
    assert!(second.dead_letters().await.expect("it can be read").is_empty());
    stop.cancel();
    tracker.await.expect("no panic").expect("it drains");
    cluster.stop().await;
}
