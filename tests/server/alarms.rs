//! Alarms, told to real receivers: a webhook and a mail server on loopback.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use hmac::{Hmac, Mac};
use raftsman::domain::{AlarmTarget, Millis};
use raftsman::jobtracker::NodeOptions;
use raftsman::jobtracker::alarm::{AlarmOptions, MailOptions, MailSecurity, WebhookOptions};
use raftsman::wire::pb::alarm_service_client::AlarmServiceClient;
use raftsman::wire::{Fault, pb};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::jobs::{RawTracker, job};
use crate::probes::get;

/// Longer than any of this takes; only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(120);
const SECRET: &[u8] = b"s3cret";

/// What a receiver got, in order; whoever waits for something is woken.
#[derive(Clone)]
struct Received<T>(watch::Sender<Vec<T>>);

impl<T: Clone + Send + Sync + 'static> Received<T> {
    fn new() -> Received<T> {
        Received(watch::Sender::new(Vec::new()))
    }

    fn add(&self, one: T) {
        self.0.send_modify(|all| all.push(one));
    }

    fn all(&self) -> Vec<T> {
        self.0.borrow().clone()
    }

    /// The first one that is as wanted, now or when it comes.
    async fn wait_for(&self, what: &str, is: impl Fn(&T) -> bool) -> T {
        let mut seen = self.0.subscribe();
        let come = seen.wait_for(|all| all.iter().any(&is));
        let come =
            tokio::time::timeout(PATIENCE, come).await.unwrap_or_else(|_| panic!("{what} did not come"));
        come.expect("the receiver lives").iter().find(|one| is(one)).expect("it was there").clone()
    }
}

/// A webhook that refuses the first `failures` calls.
async fn webhook(failures: usize) -> (String, Received<Value>) {
    let received = Received::new();
    let (all, left) = (received.clone(), Arc::new(AtomicUsize::new(failures)));
    let take = move |headers: HeaderMap, body: Bytes| {
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).expect("any length will do");
        mac.update(&body);
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let signature = headers.get("x-raftsman-signature").expect("the body is signed");
        assert_eq!(signature.to_str().expect("it is text"), format!("sha256={hex}"));
        all.add(serde_json::from_slice(&body).expect("the body is JSON"));
        StatusCode::OK
    };
    let take = move |headers: HeaderMap, body: Bytes| std::future::ready(take(headers, body));
    let app = axum::Router::new().route("/hook", axum::routing::post(take));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/hook", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, received)
}

/// A mail server that takes everything.
async fn mail_server() -> (u16, Received<String>) {
    let received = Received::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let all = received.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(mail_session(socket, all.clone()));
        }
    });
    (port, received)
}

async fn mail_session(socket: TcpStream, received: Received<String>) {
    let mut socket = BufReader::new(socket);
    socket.write_all(b"220 mail.example ready\r\n").await.expect("the client reads");
    let (mut line, mut mail) = (String::new(), None::<String>);
    loop {
        line.clear();
        if socket.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(text) = &mut mail {
            if line != ".\r\n" {
                text.push_str(&line);
                continue;
            }
            received.add(mail.take().expect("it is being read"));
        }
        let answer: &[u8] = match line.split_whitespace().next().unwrap_or_default().to_uppercase().as_str() {
            "EHLO" => b"250-mail.example\r\n250 8BITMIME\r\n",
            "DATA" => {
                mail = Some(String::new());
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 ok\r\n",
        };
        if socket.write_all(answer).await.is_err() {
            return;
        }
    }
}

fn hasty() -> AlarmOptions {
    let mut alarms = AlarmOptions {
        evaluate_every: Duration::from_millis(50),
        recover_after: Duration::from_millis(200),
        ..AlarmOptions::default()
    };
    alarms.thresholds.no_tasktracker_after = Duration::ZERO;
    alarms.thresholds.jobtracker_down_after = Millis::from_secs(2);
    alarms.thresholds.no_leader_after = Millis::from_secs(2);
    alarms
}

fn tells_webhook(options: &mut NodeOptions, url: &str, secret: &Path) {
    let name = AlarmTarget::new("ops").expect("it is printable");
    let webhook = WebhookOptions { name, url: url.to_owned(), secret_file: Some(secret.to_owned()) };
    options.alarms = AlarmOptions { webhooks: vec![webhook], ..hasty() };
}

fn is(event: &Value, rule: &str, state: &str) -> bool {
    event["rule"] == rule && event["state"] == state
}

async fn alarms(cluster: &Cluster, node: usize) -> AlarmServiceClient<Channel> {
    AlarmServiceClient::new(cluster.channel(node).await)
}

/// Waits until the tables say that the target was told of this rule.
async fn told(cluster: &Cluster, node: usize, rule: &str) {
    let mut client = alarms(cluster, node).await;
    let until_told = async {
        loop {
            let request = pb::ListAlarmsRequest { rule: rule.to_owned(), ..pb::ListAlarmsRequest::default() };
            let answer = client.list_alarms(request).await.expect("it answers").into_inner();
            if answer.alarms.iter().any(|alarm| !alarm.told.is_empty()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, until_told).await.expect("it is written down");
}

async fn submit(cluster: &Cluster, node: usize) {
    let request = pb::SubmitRequest { jobs: vec![job("t1")], idempotency: None };
    cluster.jobs(node).await.submit(request).await.expect("it is accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_hears_once_of_an_alarm_though_leaders_change_and_hears_of_its_end() {
    let secret = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(secret.path(), SECRET).expect("it can be written");
    let (url, received) = webhook(2).await;
    let cluster = Cluster::with(3, |options| tells_webhook(options, &url, secret.path())).await;
    let first = cluster.leader().await;
    submit(&cluster, first).await;
    let raised = received.wait_for("the alarm", |event| is(event, "no_tasktracker", "raised")).await;
    assert_eq!((raised["subject"].as_str(), raised["scope"].as_str()), (Some("trade"), Some("cluster")));
    told(&cluster, first, "no_tasktracker").await;

    cluster.nodes[first].shutdown().await;
    let second = cluster.leader_among(&[0, 1, 2].map(|n| n != first)).await;
    let down =
        received.wait_for("the next leader's alarm", |event| is(event, "jobtracker_down", "raised")).await;
    assert_eq!(down["subject"], cluster.nodes[first].name());

    let tracker = RawTracker::attach(cluster.channel(second).await, "trade", 4).await;
    let over = received.wait_for("its end", |event| is(event, "no_tasktracker", "recovered")).await;
    assert_eq!(over["dedup_key"], raised["dedup_key"]);
    assert_eq!(over["raised_at"], raised["raised_at"], "it was one alarm under both leaders");
    let all = received.all();
    let times = |state| all.iter().filter(|event| is(event, "no_tasktracker", state)).count();
    assert_eq!((times("raised"), times("recovered")), (1, 1), "{all:#?}");
    drop(tracker);

    // Without a majority the last one can only speak for itself.
    cluster.nodes[second].shutdown().await;
    let alone = received.wait_for("the word of the last one", |event| is(event, "no_leader", "raised")).await;
    assert_eq!(alone["scope"], "node");
    let last = (0..3).find(|node| ![first, second].contains(node)).expect("there are three");
    let request = pb::ListAlarmsRequest {
        consistency: pb::Consistency::Stale.into(),
        raised_only: true,
        ..pb::ListAlarmsRequest::default()
    };
    let answer =
        alarms(&cluster, last).await.list_alarms(request).await.expect("also without a leader").into_inner();
    let local = answer.alarms.iter().find(|alarm| alarm.rule == "no_leader").expect("it is listed");
    assert_eq!(local.local_to, cluster.nodes[last].name());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_tells_of_an_alarm_and_another_of_its_end() {
    let (port, received) = mail_server().await;
    let mail = MailOptions {
        host: "127.0.0.1".into(),
        port,
        security: MailSecurity::Plain,
        user: String::new(),
        password_file: "".into(),
        from: "Raftsman <raftsman@example.com>".into(),
        to: vec!["ops@example.com".into(), "boss@example.com".into()],
        batch: Duration::from_millis(100),
        timeout: Duration::from_secs(10),
    };
    let cluster =
        Cluster::with(1, |options| options.alarms = AlarmOptions { mail: Some(mail.clone()), ..hasty() })
            .await;
    submit(&cluster, cluster.leader().await).await;
    let begins = |mail: &String| mail.contains("Subject: [raftsman] CRITICAL no_tasktracker trade");
    let mail = received.wait_for("the mail", begins).await;
    assert!(mail.contains("To: ops@example.com, boss@example.com"), "{mail}");
    assert!(mail.contains("CRITICAL no_tasktracker trade: 1 runs are ready"), "{mail}");
    let _tracker = RawTracker::attach(cluster.channel(0).await, "trade", 4).await;
    let ends = |mail: &String| mail.contains("Subject: [raftsman] RECOVERED no_tasktracker trade");
    received.wait_for("the mail about its end", ends).await;
    assert_eq!(received.all().len(), 2);
    let tested = alarms(&cluster, 0).await.test_target(pb::TestTargetRequest { target: "mail".into() }).await;
    assert!(tested.expect("it is tried").into_inner().delivered);
    received.wait_for("the test", |mail| mail.contains("Subject: [raftsman] test")).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silenced_alarm_is_listed_and_told_when_the_silence_ends() {
    let secret = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(secret.path(), SECRET).expect("it can be written");
    let (url, received) = webhook(0).await;
    let cluster = Cluster::with(1, |options| tells_webhook(options, &url, secret.path())).await;
    cluster.leader().await;
    let mut client = alarms(&cluster, 0).await;
    let silence = pb::SilenceAlarmRequest {
        rule: "no_tasktracker".into(),
        subject: "trade".into(),
        span: Some(prost_types::Duration { seconds: 3600, nanos: 0 }),
        by: "alice".into(),
    };
    client.silence_alarm(silence).await.expect("it is silenced");
    submit(&cluster, 0).await;
    let mut list =
        async || client.list_alarms(pb::ListAlarmsRequest::default()).await.expect("it answers").into_inner();
    let mut listed = list().await;
    while listed.alarms.is_empty() {
        listed = list().await;
    }
    let (alarm, silence) = (&listed.alarms[0], &listed.silences[0]);
    assert_eq!(
        (alarm.rule.as_str(), alarm.raised, alarm.silenced_until),
        ("no_tasktracker", true, silence.until_time)
    );
    assert_eq!((silence.by.as_str(), listed.targets[0].sent), ("alice", 0));
    let (_, metrics) = get(cluster.nodes[0].client_addr(), "/metrics").await;
    assert!(metrics.contains("raftsman_alarm_raised{rule=\"no_tasktracker\"} 1"), "{metrics}");
    let unsilence = pb::UnsilenceAlarmRequest {
        rule: "no_tasktracker".into(),
        subject: "trade".into(),
        by: "alice".into(),
    };
    client.unsilence_alarm(unsilence).await.expect("it is told again");
    received.wait_for("the alarm", |event| is(event, "no_tasktracker", "raised")).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_call_about_alarms_is_named() {
    let cluster = Cluster::of(1).await;
    cluster.leader().await;
    let mut client = alarms(&cluster, 0).await;
    let wrong = pb::SilenceAlarmRequest {
        rule: "backlog".into(),
        subject: "a\nb".into(),
        span: Some(prost_types::Duration { seconds: 91 * 24 * 3600, nanos: 0 }),
        by: String::new(),
    };
    let fault = Fault::from(client.silence_alarm(wrong).await.expect_err("it is refused"));
    let fields: Vec<&str> = fault.violations.iter().map(|wrong| wrong.field.as_ref()).collect();
    assert_eq!(fields, ["rule", "subject", "by", "span"]);
    let unknown = client.test_target(pb::TestTargetRequest { target: "ops".into() }).await;
    let fault = Fault::from(unknown.expect_err("it is refused"));
    assert_eq!(fault.violations[0].field, "target");
    cluster.stop().await;
}
