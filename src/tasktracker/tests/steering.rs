//! What is asked of a TaskTracker while it runs: slots, a busy machine, its HTTP endpoint.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::process::MachineInfo;

/// A TaskTracker that is attached, its session, and its handle.
async fn attached(
    node: &mut FakeNode,
    tune: impl FnOnce(TaskTrackerBuilder) -> TaskTrackerBuilder,
) -> (Tracker, FakeSession, TaskTrackerHandle) {
    node.leadership.says(node.server.address, 1);
    let mut handle = None;
    let tracker = Tracker::start(&[node], |builder| {
        handle = Some(builder.handle());
        tune(builder)
    });
    let mut session = node.session().await;
    session.hello().await;
    session.welcome(1).await;
    assert_eq!(session.next().await, Some(pull(2)));
    (tracker, session, handle.expect("it was built"))
}

fn pull(free_slots: u32) -> ToCluster {
    ToCluster::Pull(pb::Pull { free_slots })
}

#[tokio::test]
async fn its_own_number_of_slots_is_told_and_interrupts_nothing() {
    let mut node = FakeNode::start().await;
    let (tracker, mut session, handle) = attached(&mut node, |builder| builder).await;
    session.push(1, 1, "one").await;
    session.push(2, 1, "two").await;
    // Lines of both tell that both run.
    while handle.state().await.expect("it runs").running.len() < 2 {
        tokio::task::yield_now().await;
    }
    handle.set_slots(1).await.expect("it runs");
    let told = async |session: &mut FakeSession| loop {
        match session.next().await.expect("the stream is open") {
            ToCluster::BizLogs(_) => {}
            other => return other,
        }
    };
    assert_eq!(told(&mut session).await, ToCluster::Resize(pb::Resize { slots: 1 }));
    assert_eq!(told(&mut session).await, pull(0));
    let state = handle.state().await.expect("it runs");
    assert_eq!((state.slots, state.free_slots, state.running.len()), (1, 0, 2));
    tracker.release.add_permits(2);
    session.result().await;
    let wrong = handle.set_slots(0).await.expect_err("it is out of bounds").to_string();
    assert_eq!(wrong, "slots: is 0; 1 to 4096");
    tracker.running.abort();
}

/// LTS compared memory in the wrong unit and never paused.
#[tokio::test]
async fn a_busy_machine_pauses_the_pull_and_what_runs_goes_on() {
    let busy = Arc::new(AtomicBool::new(false));
    let is_busy = Arc::clone(&busy);
    let machine = move || MachineInfo {
        memory_bytes: 100,
        memory_available_bytes: if is_busy.load(Ordering::Relaxed) { 5 } else { 50 },
        ..MachineInfo::default()
    };
    let mut node = FakeNode::start().await;
    let thresholds = Thresholds { memory_percent: Some(90.0), ..Thresholds::default() };
    let tune = |builder: TaskTrackerBuilder| TaskTrackerBuilder {
        machine: Some(Box::new(machine)),
        ..builder.thresholds(thresholds)
    };
    let (tracker, mut session, handle) = attached(&mut node, tune).await;
    session.push(1, 1, "one").await;
    while handle.state().await.expect("it runs").running.is_empty() {
        tokio::task::yield_now().await;
    }
    busy.store(true, Ordering::Relaxed);
    let no_lines = async |session: &mut FakeSession| loop {
        match session.next().await.expect("the stream is open") {
            ToCluster::BizLogs(_) => {}
            other => return other,
        }
    };
    assert_eq!(no_lines(&mut session).await, pull(0));
    let state = handle.state().await.expect("it runs");
    assert_eq!(state.paused.as_deref(), Some("memory is 95.0%, over 90%"));
    assert_eq!(state.running.len(), 1, "what runs goes on");
    session.push(2, 1, "two").await;
    let returned = no_lines(&mut session).await;
    let expected = pb::Returned { executions: vec![2 << 20], reason: pb::ReturnReason::NoSlot.into() };
    assert_eq!(returned, ToCluster::Returned(expected), "what was under way is given back");
    busy.store(false, Ordering::Relaxed);
    assert_eq!(no_lines(&mut session).await, pull(1));
    assert_eq!(handle.state().await.expect("it runs").paused, None);
    tracker.release.add_permits(1);
    assert_eq!(session.result().await.action(), pb::Action::ExecuteSuccess);
    tracker.running.abort();
}

/// Status line and body.
async fn ask(address: SocketAddr, method: &str, path: &str, form: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).await.expect("it listens");
    let length = form.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: w1\r\nconnection: close\r\ncontent-length: {length}");
    let kind = "content-type: application/x-www-form-urlencoded";
    socket.write_all(format!("{head}\r\n{kind}\r\n\r\n{form}").as_bytes()).await.expect("it takes bytes");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.1 ");
    (status.to_owned(), body.trim_end().to_owned())
}

/// A TaskTracker that runs one job, and the address of its endpoint.
async fn serving(node: &mut FakeNode) -> (Tracker, FakeSession, SocketAddr, CancellationToken) {
    let (tracker, session, handle) = attached(node, |builder| builder).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let probe = Arc::new(Probe::new(Arc::new(SystemClock)));
    let over = CancellationToken::new();
    tokio::spawn(endpoint::serve(listener, handle.clone(), probe, "w1".into(), over.clone()));
    session.push(1, 1, "one").await;
    while handle.state().await.expect("it runs").running.is_empty() {
        tokio::task::yield_now().await;
    }
    (tracker, session, address, over)
}

#[tokio::test]
async fn the_http_endpoint_tells_what_runs_and_terminates_it() {
    let mut node = FakeNode::start().await;
    let (tracker, mut session, address, over) = serving(&mut node).await;
    let get = async |path: &str| ask(address, "GET", path, "").await;
    assert_eq!(get("/healthz").await, ("200 OK".into(), "ok".into()));
    let (_, status) = get("/status").await;
    assert!(status.contains(r#""attached":true"#) && status.contains(r#""running":1"#), "{status}");
    let (_, info) = get("/info").await;
    assert!(info.contains(&format!("\"pid\":{}", std::process::id())), "{info}");
    let (_, jobs) = get("/jobs").await;
    assert!(jobs.contains(r#""execution_id":"1.0""#) && jobs.contains(r#""kind":"note""#), "{jobs}");
    let (_, metrics) = get("/metrics").await;
    assert!(metrics.contains("\nraftsman_tasktracker_running 1\n"), "{metrics}");
    assert_eq!(get("/jobs/1.0/terminate").await.0, "405 Method Not Allowed");
    let (gone, why) = ask(address, "POST", "/jobs/9.0/terminate", "").await;
    assert_eq!(gone, "404 Not Found");
    assert_eq!(why, r#"{"message":"9.0 does not run here","reason":"RUN_NOT_FOUND"}"#);
    let told = ask(address, "POST", "/jobs/1.0/terminate", "reason=by+ann").await;
    assert_eq!(told, ("202 Accepted".into(), r#"{"told_to_stop":1}"#.into()));
    let result = session.result().await;
    assert_eq!(result.action(), pb::Action::ExecuteException);
    assert!(result.error.contains("terminated: by ann"), "{}", result.error);
    over.cancel();
    tracker.running.abort();
}

#[tokio::test]
async fn ltss_commands_answer_in_ltss_form() {
    let mut node = FakeNode::start().await;
    let (tracker, mut session, address, over) = serving(&mut node).await;
    let get = async |path: &str| ask(address, "GET", path, "").await;
    let ok = r#"{"code":null,"msg":"ok","obj":null,"success":true}"#;
    assert_eq!(get("/w1/status_check_cmd").await, ("200 OK".into(), ok.into()));
    assert_eq!(ask(address, "POST", "/w1/status_check_cmd", "").await.1, ok);
    let (_, info) = get("/w1/jvm_info_get_cmd").await;
    assert!(info.contains(r#""success":true"#) && info.contains(r#""memory_bytes":"#), "{info}");
    let missing = get("/w1/job_terminate_cmd").await;
    assert_eq!(missing.0, "400 Bad Request");
    assert!(missing.1.contains(r#""msg":"jobId is missing""#), "{}", missing.1);
    let absent = get("/w1/job_terminate_cmd?jobId=77.0").await;
    assert_eq!(absent.0, "200 OK");
    assert!(absent.1.contains(r#""code":"RUN_NOT_FOUND""#), "{}", absent.1);
    assert_eq!(get("/w1/job_add_cmd").await.0, "400 Bad Request", "that is a JobTracker's");
    assert!(get("/w2/status_check_cmd").await.1.contains("not \\\"w2\\\""));
    // One byte too many: all of it is read, so the answer is not lost with the connection.
    let large = "x".repeat((64 << 10) + 1);
    assert_eq!(ask(address, "POST", "/w1/job_terminate_cmd", &large).await.0, "413 Payload Too Large");
    let told = ask(address, "POST", "/w1/job_terminate_cmd", "jobId=1.0").await;
    assert!(told.1.contains(r#""success":true"#), "{}", told.1);
    assert!(session.result().await.error.contains("job_terminate_cmd"));
    over.cancel();
    tracker.running.abort();
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_before_it_begins() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let address = taken.local_addr().expect("it is bound");
    let note = async |_: JobContext, _: Note| Ok(());
    let builder = || TaskTracker::builder("trade").register::<Note, _>(note);
    let error = builder().http(address.to_string()).run_until(std::future::pending()).await;
    let error = error.expect_err("it is taken").to_string();
    assert!(error.starts_with(&format!("cannot serve http at {address}")), "{error}");
    let wrong = builder().http("somewhere").run_until(std::future::pending()).await;
    assert!(wrong.expect_err("it is wrong").to_string().starts_with("http: \"somewhere\""));
    let thresholds = Thresholds { memory_percent: Some(0.9), ..Thresholds::default() };
    let wrong = builder().thresholds(thresholds).run_until(std::future::pending()).await;
    assert_eq!(wrong.expect_err("it is wrong").to_string(), "memory_percent: is 0.9; 1 to 100");
}
