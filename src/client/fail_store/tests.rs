//! A JobClient with a FailStore against fake JobTrackers that go away and come back.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use tokio::net::TcpSocket;

use super::*;
use crate::client::tests::{FakeJobs, FakeNode, Whim};
use crate::client::{ClientCounters, JobClient, JobHandle, SubmitOutcome};

/// Soon, so that what waits for a moment is saved.
const SOON: Duration = Duration::from_millis(20);

async fn leader() -> (FakeNode, FakeJobs) {
    let jobs = FakeJobs::default();
    let node = FakeNode::start(&jobs).await;
    node.leadership.says(node.server.address, 1);
    (node, jobs)
}

fn client_of(node: &FakeNode, options: FailStoreOptions) -> JobClient {
    let client = JobClient::builder().addresses(node.server.address.to_string()).node_group("trade");
    client.fail_store(options.save_after(SOON)).patience(Duration::from_secs(2)).open().expect("it opens")
}

/// A directory is free when the tasks of the client that had it have ended.
async fn reopened(node: &FakeNode, directory: &Path) -> JobClient {
    loop {
        let client = JobClient::builder().addresses(node.server.address.to_string()).node_group("trade");
        match client.fail_store(FailStoreOptions::at(directory).save_after(SOON)).open() {
            Ok(client) => return client,
            Err(ClientError::FailStore(error)) if matches!(*error, FailStoreError::InUse(_)) => {
                tokio::task::yield_now().await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

async fn submit(client: &JobClient, task_id: &str) -> JobHandle {
    client.submit_raw("k", "1").task_id(task_id).await.expect("it is accepted or saved")
}

fn task_ids(jobs: &FakeJobs) -> Vec<String> {
    jobs.0.lock().jobs.iter().map(|job| job.task_id.clone()).collect()
}

async fn has_letters(client: &JobClient, count: usize) {
    let keeper = client.0.batches.keeper.as_ref().expect("it has a store");
    let mut stats = keeper.0.stats.subscribe();
    stats.wait_for(|stats| stats.dead_letters == count).await.expect("the store is open");
}

#[tokio::test]
async fn what_nobody_answers_for_is_saved_and_sent_in_order_when_somebody_does() {
    let directory = tempfile::tempdir().unwrap();
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    let client = JobClient::builder().addresses(address.to_string()).node_group("trade");
    let options = FailStoreOptions::at(directory.path()).save_after(SOON);
    let client = client.fail_store(options).connect().await.expect("it does not wait for anybody");
    let mut saved = Vec::new();
    for n in 0..30 {
        saved.push(submit(&client, &format!("t{n}")).await);
    }
    assert!(saved.iter().all(|job| job.outcome() == SubmitOutcome::SavedLocally && job.id().is_empty()));
    let more = (30..50).map(|n| client.submit_raw("k", "1").task_id(format!("t{n}")));
    assert!(client.submit_all(more).await.into_iter().all(|job| job.is_ok()));
    let stats = client.fail_store_stats().expect("it has a store");
    assert_eq!((stats.waiting_jobs, stats.dead_letters), (50, 0));
    assert!(stats.oldest_saved_at.is_some());
    let jobs = FakeJobs::default();
    let node = FakeNode::on(socket, &jobs).await;
    node.leadership.says(address, 1);
    client.fail_store_drained().await;
    let sent = saved[7].sent().await.expect("it is sent");
    assert_eq!((sent.id(), sent.outcome()), ("8.0", SubmitOutcome::Accepted));
    assert_eq!(submit(&client, "last").await.outcome(), SubmitOutcome::Accepted);
    let order: Vec<String> = (0..50).map(|n| format!("t{n}")).chain(["last".into()]).collect();
    assert_eq!(task_ids(&jobs), order);
    assert!(jobs.0.lock().submits <= 3, "they go in batches: {}", jobs.0.lock().submits);
    let counters =
        ClientCounters { submit_success: 1, fail_store: 50, submit_fail_store: 50, ..Default::default() };
    assert_eq!(client.counters(), counters);
    assert!(client.prometheus().contains("raftsman_jobclient_fail_store_jobs 0"));
}

#[tokio::test]
pub(super) async fn a_submit_that_was_done_without_an_answer_and_then_saved_is_done_once() {
    let directory = tempfile::tempdir().unwrap();
    let (node, jobs) = leader().await;
    let client = client_of(&node, directory.path().into());
    submit(&client, "first").await;
    jobs.0.lock().whims.push_back(Whim::Hang);
    let saved = submit(&client, "hung").await;
    assert_eq!(saved.outcome(), SubmitOutcome::SavedLocally);
    let sent = saved.sent().await.expect("it is sent");
    assert!(sent.replayed(), "W15: under the key of the first try");
    assert_eq!(task_ids(&jobs), ["first", "hung"]);
}

#[tokio::test]
pub(super) async fn a_restarted_client_has_the_same_identity_and_sends_what_the_earlier_one_saved() {
    let directory = tempfile::tempdir().unwrap();
    let (node, jobs) = leader().await;
    let client = client_of(&node, directory.path().into());
    submit(&client, "before").await;
    // It was done, and the answer was lost; then nobody leads.
    jobs.0.lock().whims.push_back(Whim::Hang);
    let hung = client.submit_raw("k", "1").task_id("hung");
    let hung = tokio::spawn(hung.into_future());
    while jobs.0.lock().submits < 2 {
        tokio::task::yield_now().await;
    }
    jobs.0.lock().away = true;
    assert_eq!(hung.await.unwrap().unwrap().outcome(), SubmitOutcome::SavedLocally);
    for n in 0..10 {
        submit(&client, &format!("t{n}")).await;
    }
    drop(client);
    let client = reopened(&node, directory.path()).await;
    assert_eq!(client.fail_store_stats().unwrap().waiting_jobs, 11);
    submit(&client, "after").await;
    jobs.0.lock().away = false;
    client.fail_store_drained().await;
    let order: Vec<String> =
        ["before".into(), "hung".into()].into_iter().chain((0..10).map(|n| format!("t{n}"))).collect();
    assert_eq!(task_ids(&jobs), order.into_iter().chain(["after".into()]).collect::<Vec<_>>());
    let identities = jobs.0.lock().identities.clone();
    assert!(identities.len() >= 2 && identities.windows(2).all(|two| two[0] == two[1]), "{identities:?}");
}

#[tokio::test]
async fn what_the_cluster_refuses_later_is_told_kept_and_can_be_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let (node, jobs) = leader().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let ids = Arc::clone(&told);
    let options = FailStoreOptions::at(directory.path())
        .on_dead_letter(move |letter| ids.lock().push((letter.id(), letter.reason.clone())));
    let client = client_of(&node, options);
    jobs.0.lock().away = true;
    submit(&client, "good").await;
    let bad = client.submit_raw("bad", "1").task_id("bad").await.expect("it is saved");
    submit(&client, "good too").await;
    jobs.0.lock().away = false;
    let refused = bad.sent().await.expect_err("it is refused");
    assert_eq!(refused.reason(), Some(Reason::InvalidArgument), "{refused}");
    client.fail_store_drained().await;
    has_letters(&client, 1).await;
    assert_eq!(task_ids(&jobs), ["good", "good too"]);
    let letters = client.dead_letters().await.unwrap();
    assert_eq!((letters[0].job.task_id.as_str(), letters[0].maybe_done), ("bad", false));
    assert!(client.resend(&letters[0]).await.unwrap());
    client.fail_store_drained().await;
    let letters = client.dead_letters().await.unwrap();
    assert_eq!(letters[0].id(), "3.0", "it was refused again");
    assert!(client.discard(&letters[0]).await.unwrap() && client.dead_letters().await.unwrap().is_empty());
    assert_eq!(
        *told.lock(),
        [("1.0", "INVALID_ARGUMENT"), ("3.0", "INVALID_ARGUMENT")].map(|(id, r)| (id.into(), r.to_owned()))
    );
}

#[tokio::test]
async fn what_waited_longer_than_the_cluster_remembers_is_not_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let (node, jobs) = leader().await;
    let client = client_of(&node, directory.path().into());
    jobs.0.lock().whims.push_back(Whim::Hang);
    let hung = client.submit_raw("k", "1").task_id("hung");
    let hung = tokio::spawn(hung.into_future());
    while jobs.0.lock().submits < 1 {
        tokio::task::yield_now().await;
    }
    jobs.0.lock().away = true;
    let hung = hung.await.unwrap().unwrap();
    let never_tried = submit(&client, "never tried").await;
    // A week passes: every session that there was is forgotten.
    {
        let mut cluster = jobs.0.lock();
        (cluster.expired, cluster.away) = (cluster.clients, false);
    }
    let unknown = hung.sent().await.expect_err("nobody knows what became of it");
    assert!(unknown.is_unknown() && unknown.reason() == Some(Reason::ClientUnknown), "{unknown}");
    assert_eq!(never_tried.sent().await.expect("it was never tried").outcome(), SubmitOutcome::Accepted);
    assert_eq!(task_ids(&jobs), ["hung", "never tried"], "once each");
    let letters = client.dead_letters().await.unwrap();
    assert_eq!((letters.len(), letters[0].job.task_id.as_str(), letters[0].maybe_done), (1, "hung", true));
}

#[tokio::test]
async fn a_full_store_refuses_what_comes_and_keeps_what_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let (node, jobs) = leader().await;
    let client = client_of(&node, FailStoreOptions::at(directory.path()).jobs_max(2));
    jobs.0.lock().away = true;
    submit(&client, "a").await;
    submit(&client, "b").await;
    let full = client.submit_raw("k", "1").await.expect_err("there is no room");
    assert!(matches!(&full, ClientError::NotDone(fault) if fault.reason == Reason::FailStoreFull), "{full}");
    assert!(full.to_string().contains("2 jobs with"), "{full}");
    jobs.0.lock().away = false;
    client.fail_store_drained().await;
    assert_eq!(task_ids(&jobs), ["a", "b"]);
    assert_eq!(client.counters().submit_failed, 1);
}

#[tokio::test]
async fn a_second_live_client_of_a_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (node, _jobs) = leader().await;
    let _client = client_of(&node, directory.path().into());
    let second = JobClient::builder().fail_store(directory.path()).open().expect_err("one at a time");
    assert!(second.to_string().contains("is in use by another process"), "{second}");
}

#[tokio::test]
async fn what_a_cluster_refuses_at_once_is_not_saved() {
    let directory = tempfile::tempdir().unwrap();
    let (node, _jobs) = leader().await;
    let client = client_of(&node, directory.path().into());
    let refused = client.submit_raw("bad", "1").await.expect_err("it is refused");
    assert_eq!(refused.reason(), Some(Reason::InvalidArgument));
    assert_eq!(client.fail_store_stats().unwrap().waiting_jobs, 0);
    let counters = ClientCounters { submit_failed: 1, ..Default::default() };
    assert_eq!(client.counters(), counters);
}

/// Where the child of the next test saves.
const CHILD_DIRECTORY: &str = "RAFTSMAN_TEST_FAIL_STORE";

/// Not a test: the process that the next test kills.
#[tokio::test]
#[ignore = "it is started by the test that kills it"]
async fn submits_until_it_is_killed() {
    let Ok(directory) = std::env::var(CHILD_DIRECTORY) else { return };
    let options = FailStoreOptions::at(directory).save_after(SOON);
    // Nobody listens at the discard port.
    let client = JobClient::builder().addresses("127.0.0.1:9").node_group("trade").fail_store(options);
    let client = client.open().expect("it opens");
    for n in 0_u64.. {
        let job = submit(&client, &format!("t{n}")).await;
        assert_eq!(job.outcome(), SubmitOutcome::SavedLocally);
        println!("saved {n}");
    }
}

#[tokio::test]
async fn what_was_answered_as_saved_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let (node, jobs) = leader().await;
    let mut answered = 0;
    for round in 0..3_u64 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "client::fail_store::tests::submits_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env(CHILD_DIRECTORY, directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let saved = lines.map_while(Result::ok).filter(|line| line.starts_with("saved"));
        answered += saved.take(5 + 4 * usize::try_from(round).unwrap()).count();
        child.kill().expect("it lives");
        child.wait().expect("it is dead");
    }
    assert_eq!(answered, 5 + 9 + 13);
    let waiting = FailStoreContents::look(directory.path()).unwrap().waiting;
    assert!(waiting.len() >= answered, "{} of {answered}", waiting.len());
    let client = reopened(&node, directory.path()).await;
    client.fail_store_drained().await;
    let sent = task_ids(&jobs);
    assert_eq!(sent, waiting.into_iter().map(|saved| saved.job.task_id).collect::<Vec<_>>(), "in order");
    // Each of the three began at 0 and counted without a gap.
    let mut starts = sent.split(|task_id| task_id == "t0").skip(1);
    assert!(starts.all(|of_one| of_one.iter().zip(1..).all(|(task_id, n)| *task_id == format!("t{n}"))));
}
