//! What must hold between settings. Each violation names the setting and what would be right; all are told at once.

use std::net::SocketAddr;

use super::alarms::wrong_words;
use super::{AuthMode, Config, Size, TlsMode};
use crate::domain::{FieldError, Millis};
use crate::jobtracker::alarm::is_address;

/// Between the last answered heartbeat and the moment that a TaskTracker stops lie at least so many heartbeats.
const HEARTBEATS_BEFORE_STOP: u64 = 3;
/// What a TaskTracker may take to interrupt what it runs; silence must last this much longer before others begin.
const STOPPING_TAKES: Millis = Millis::from_secs(1);
/// One lost heartbeat must not elect.
const HEARTBEATS_BEFORE_ELECTION: u64 = 3;
/// The longest timer between JobTrackers that still is one.
const ELECTION_TIMEOUT_MAX: Millis = Millis::from_secs(60);
/// Joining a cluster of more JobTrackers than this is surely a mistake.
const JOIN_MAX: usize = 32;

/// More file descriptors than any system gives.
const CONNECTIONS_MAX: u64 = 1_000_000;
/// Alarms are no stop watch.
const ALARM_SPAN_MIN: Millis = Millis::new(10);

/// The largest request, with what its commands weigh besides.
const LANE_MIN: Size = Size::mib(8);

/// One rule: whether it holds, else the setting that breaks it and why.
pub(super) type Rule = (bool, &'static str, String);

/// # Errors
/// Every rule that does not hold.
pub(super) fn check(config: &Config) -> Result<(), Vec<FieldError>> {
    let rules = [
        node(config),
        listen(config),
        raft(config),
        storage(config),
        scheduler(config),
        waiting(config),
        alarms(config),
        smtp(config),
        later(config),
    ];
    let broken: Vec<FieldError> = rules
        .into_iter()
        .flatten()
        .filter(|(holds, _, _)| !holds)
        .map(|(_, key, problem)| FieldError::new(key, problem))
        .collect();
    if broken.is_empty() { Ok(()) } else { Err(broken) }
}

fn node(config: &Config) -> Vec<Rule> {
    let node = &config.node;
    let printable = !node.name.chars().any(char::is_control) && node.name.chars().count() <= 64;
    let mut rules = vec![
        (printable, "node.name", format!("is {:?}; at most 64 printable characters", node.name)),
        (!node.data_dir.as_os_str().is_empty(), "node.data_dir", "is empty; give a directory".into()),
        (
            node.join.len() <= JOIN_MAX,
            "node.join",
            format!("has {} addresses; at most {JOIN_MAX}", node.join.len()),
        ),
    ];
    for (key, address) in
        [("node.advertise", &node.advertise), ("node.advertise_client", &node.advertise_client)]
    {
        rules.push((address.is_empty() || is_host_port(address), key, is_no_host_port(address)));
    }
    rules.extend(
        node.join.iter().map(|address| (is_host_port(address), "node.join", is_no_host_port(address))),
    );
    rules
}

fn is_host_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let strange = |c: char| c.is_whitespace() || c.is_control() || ['/', '@', ','].contains(&c);
    !host.is_empty() && !host.contains(strange) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn is_no_host_port(text: &str) -> String {
    format!("is {text:?}; give host:port such as n1.example:5871")
}

fn listen(config: &Config) -> Vec<Rule> {
    let (listen, node) = (&config.listen, &config.node);
    let open = |address: SocketAddr| !address.ip().is_loopback();
    let exposed = "is not a loopback address, and without TLS and authentication whoever reaches it owns the cluster; \
                   set listen.insecure = true if the network around it is closed";
    let unclear = |address: SocketAddr| format!("is empty; {address} is no address that others can call");
    vec![
        (
            (1..=CONNECTIONS_MAX).contains(&listen.connections_max),
            "listen.connections_max",
            format!("is {}; 1 to {CONNECTIONS_MAX}", listen.connections_max),
        ),
        (!listen.head_timeout.is_zero(), "listen.head_timeout", "is 0; at least 1ms".into()),
        (listen.insecure || !open(listen.client), "listen.client", exposed.into()),
        (listen.insecure || !open(listen.peer), "listen.peer", exposed.into()),
        (
            listen.client.port() == 0 || listen.client != listen.peer,
            "listen.peer",
            format!("is {}, the same as listen.client; give it a port of its own", listen.peer),
        ),
        (
            !node.advertise.is_empty() || !listen.peer.ip().is_unspecified(),
            "node.advertise",
            unclear(listen.peer),
        ),
        (
            !node.advertise_client.is_empty() || !listen.client.ip().is_unspecified(),
            "node.advertise_client",
            unclear(listen.client),
        ),
    ]
}

fn raft(config: &Config) -> Vec<Rule> {
    let raft = &config.raft;
    let shortest = Millis::new(raft.heartbeat.get().saturating_mul(HEARTBEATS_BEFORE_ELECTION));
    vec![
        (!raft.heartbeat.is_zero(), "raft.heartbeat", "is 0; at least 1ms".into()),
        (
            raft.election_timeout_min >= shortest,
            "raft.election_timeout_min",
            format!(
                "is {}; at least {HEARTBEATS_BEFORE_ELECTION} x raft.heartbeat, {shortest}",
                raft.election_timeout_min
            ),
        ),
        (
            raft.election_timeout_max > raft.election_timeout_min,
            "raft.election_timeout_max",
            format!(
                "is {}; more than raft.election_timeout_min, {}",
                raft.election_timeout_max, raft.election_timeout_min
            ),
        ),
        (
            raft.election_timeout_max <= ELECTION_TIMEOUT_MAX,
            "raft.election_timeout_max",
            format!("is {}; at most {ELECTION_TIMEOUT_MAX}", raft.election_timeout_max),
        ),
        (
            !raft.hand_over_step.is_zero() && raft.hand_over_step < raft.election_timeout_min,
            "raft.hand_over_step",
            format!(
                "is {}; from 1ms to less than raft.election_timeout_min, {}: beyond that the timers are faster",
                raft.hand_over_step, raft.election_timeout_min
            ),
        ),
        (
            raft.snapshot_timeout >= raft.election_timeout_max,
            "raft.snapshot_timeout",
            format!(
                "is {}; at least raft.election_timeout_max, {}",
                raft.snapshot_timeout, raft.election_timeout_max
            ),
        ),
        (raft.snapshot_entries > 0, "raft.snapshot_entries", "is 0; at least 1".into()),
    ]
}

fn storage(config: &Config) -> Vec<Rule> {
    let storage = &config.storage;
    let layer = (Size::mib(1)..=Size::mib(32)).contains(&storage.layer_bytes);
    vec![
        (layer, "storage.layer_bytes", format!("is {}; 1MiB to 32MiB", storage.layer_bytes)),
        (!storage.layer_age.is_zero(), "storage.layer_age", "is 0; at least 1ms".into()),
        (
            storage.flush_bytes >= storage.layer_bytes,
            "storage.flush_bytes",
            format!("is {}; at least storage.layer_bytes, {}", storage.flush_bytes, storage.layer_bytes),
        ),
    ]
}

fn scheduler(config: &Config) -> Vec<Rule> {
    let scheduler = &config.scheduler;
    let few = Millis::new(scheduler.session_heartbeat.get().saturating_mul(HEARTBEATS_BEFORE_STOP));
    let stopped = Millis::new(scheduler.stop_working_after.get().saturating_add(STOPPING_TAKES.get()));
    vec![
        (!scheduler.session_heartbeat.is_zero(), "scheduler.session_heartbeat", "is 0; at least 1ms".into()),
        (
            scheduler.stop_working_after >= few,
            "scheduler.stop_working_after",
            format!(
                "is {}; at least {HEARTBEATS_BEFORE_STOP} x scheduler.session_heartbeat, {few}",
                scheduler.stop_working_after
            ),
        ),
        (
            scheduler.reclaim_after >= stopped,
            "scheduler.reclaim_after",
            format!(
                "is {}; at least {STOPPING_TAKES} more than scheduler.stop_working_after, {stopped}, or a run could \
                 execute twice at a time",
                scheduler.reclaim_after
            ),
        ),
    ]
}

fn waiting(config: &Config) -> Vec<Rule> {
    let set = &config.limits;
    let lanes = [
        ("limits.lane_drain_bytes", set.lane_drain_bytes),
        ("limits.lane_request_bytes", set.lane_request_bytes),
        ("limits.lane_log_bytes", set.lane_log_bytes),
    ];
    let roomy = |(key, lane)| {
        let problem = format!("is {lane}; at least {LANE_MIN}, or the largest request could never pass");
        (lane >= LANE_MIN, key, problem)
    };
    let percent = set.disk_free_min_percent;
    let mut rules: Vec<Rule> = lanes.map(roomy).into();
    rules.push((percent <= 90, "limits.disk_free_min_percent", format!("is {percent}; 0 to 90")));
    rules
}

fn alarms(config: &Config) -> Vec<Rule> {
    let set = &config.alarms;
    let mut rules = wrong_words(config);
    let spans = [
        ("alarms.webhook_timeout", set.webhook_timeout),
        ("alarms.evaluate_every", set.evaluate_every),
        ("alarms.failure_window", set.failure_window),
        ("alarms.dead_run_window", set.dead_run_window),
        ("alarms.backlog_age_max", set.backlog_age_max),
        ("alarms.cron_lateness_max", set.cron_lateness_max),
    ];
    rules.extend(
        spans.map(|(key, span)| {
            (span >= ALARM_SPAN_MIN, key, format!("is {span}; at least {ALARM_SPAN_MIN}"))
        }),
    );
    let percents = [
        ("alarms.failure_percent", set.failure_percent),
        ("alarms.feedback_percent", set.feedback_percent),
        ("alarms.open_files_percent", set.open_files_percent),
    ];
    rules.extend(
        percents.map(|(key, percent)| ((1..=100).contains(&percent), key, format!("is {percent}; 1 to 100"))),
    );
    let missed = set.tasktracker_missed_for > set.tasktracker_offline_after;
    rules.push((
        missed,
        "alarms.tasktracker_missed_for",
        format!(
            "is {}; more than alarms.tasktracker_offline_after, {}",
            set.tasktracker_missed_for, set.tasktracker_offline_after
        ),
    ));
    rules.push((set.backlog_count_max > 0, "alarms.backlog_count_max", "is 0; at least 1".into()));
    rules
}

fn smtp(config: &Config) -> Vec<Rule> {
    let smtp = &config.smtp;
    let is_on = !smtp.host.is_empty();
    let address = |text: &str| is_address(text);
    let no_address = |text: &str| format!("is {text:?}; give a mail address such as ops@example.com");
    let mut rules = vec![
        (
            is_on || smtp.to.is_empty(),
            "smtp.host",
            "is empty although smtp.to names somebody; give the mail server".into(),
        ),
        ((1..=65_535).contains(&smtp.port), "smtp.port", format!("is {}; 1 to 65535", smtp.port)),
        (!is_on || address(&smtp.from), "smtp.from", no_address(&smtp.from)),
        (!is_on || !smtp.to.is_empty(), "smtp.to", "is empty; name who gets the mails".into()),
        (
            smtp.user.is_empty() || !smtp.password_file.as_os_str().is_empty(),
            "smtp.password_file",
            "is empty although smtp.user is given; give the file with the password".into(),
        ),
        (!smtp.timeout.is_zero(), "smtp.timeout", "is 0; at least 1ms".into()),
    ];
    rules.extend(smtp.to.iter().map(|to| (address(to), "smtp.to", no_address(to))));
    rules
}

/// Settings that exist so that files need not change later; what they ask for is refused rather than ignored.
fn later(config: &Config) -> Vec<Rule> {
    let not_yet =
        |what: &str| format!("is not available yet: this version has no {what}; set \"off\" or leave it out");
    let tls = &config.tls;
    let files =
        [("tls.ca_file", &tls.ca_file), ("tls.cert_file", &tls.cert_file), ("tls.key_file", &tls.key_file)];
    let mut rules = vec![
        (tls.client_mode == TlsMode::Off, "tls.client_mode", not_yet("TLS")),
        (tls.peer_mode == TlsMode::Off, "tls.peer_mode", not_yet("TLS")),
        (config.auth.mode == AuthMode::Off, "auth.mode", not_yet("authentication")),
    ];
    rules.extend(files.map(|(key, file)| {
        (
            file.as_os_str().is_empty(),
            key,
            "is not available yet: this version has no TLS; leave it out".into(),
        )
    }));
    rules
}
