//! Layers over layers, and everything that is wrong at once.

use super::*;

fn layers(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str, &str)],
) -> (tempfile::TempDir, Layers) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("raftsman.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let flag = |(name, key, value): &(&str, &str, &str)| Flag {
        name: (*name).into(),
        key: (*key).into(),
        value: (*value).into(),
    };
    let flags = flags.iter().map(flag).collect();
    (directory, Layers { file: Some(path), environment, flags })
}

/// Each setting that is not at its default.
fn shown(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> String {
    let (directory, layers) = layers(file, environment, flags);
    let result = load(&layers);
    let text = match result {
        Ok(loaded) => {
            let changed = loaded.effective().into_iter().filter(|setting| setting.origin != "default");
            let line =
                |setting: Effective| format!("{} = {} ({})", setting.key, setting.value, setting.origin);
            changed.map(line).collect::<Vec<_>>().join("\n")
        }
        Err(error) => error.to_string(),
    };
    text.replace(&format!("{}/", directory.path().display()), "")
}

fn wrong(file: &str) -> String {
    shown(file, &[], &[])
}

#[test]
fn each_layer_wins_over_the_one_below_and_says_so() {
    let file = "[raft]\nheartbeat = \"50ms\"\nelection_timeout_min = \"300ms\"\n\n[node]\njoin = [\"n1:5871\", \"n2:5871\"]\n";
    let environment = [("RAFTSMAN_RAFT__HEARTBEAT", "60ms"), ("RAFTSMAN_SCHEDULER__RECLAIM_AFTER", "20s")];
    let flags = [("--set", "scheduler.reclaim_after", "30s"), ("--data-dir", "node.data_dir", "/data")];
    expect_test::expect![[r#"
        node.data_dir = "/data" (flag --data-dir)
        node.join = ["n1:5871", "n2:5871"] (raftsman.toml:6)
        raft.heartbeat = "60ms" (environment RAFTSMAN_RAFT__HEARTBEAT)
        raft.election_timeout_min = "300ms" (raftsman.toml:3)
        scheduler.reclaim_after = "30s" (flag --set)"#]]
    .assert_eq(&shown(file, &environment, &flags));
}

#[test]
fn names_that_kubernetes_injects_are_not_settings() {
    let injected = [
        ("RAFTSMAN_PORT", "tcp://10.0.0.1:5870"),
        ("RAFTSMAN_SERVICE_HOST", "10.0.0.1"),
        ("RAFTSMAN_ADDR", "n1:5870"),
        ("OTHER_RAFT__HEARTBEAT", "1ms"),
    ];
    assert_eq!(shown("", &injected, &[]), "");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_with_its_origin() {
    let file = "[raft]\nheartbaet = \"50ms\"\nheartbeat = 50\n[rafft]\nx = 1\n[limits]\ndisk_free_min_percent = -1\n";
    expect_test::expect![[r#"
        rafft.x: is not a setting; the sections are [node] [listen] [raft] [storage] [scheduler] [limits] [alarms] [smtp] [tls] [auth] [telemetry] (raftsman.toml:5)
        raft.heartbaet: is not a setting; [raft] has heartbeat, election_timeout_min, election_timeout_max, hand_over, hand_over_step, snapshot_entries, snapshot_timeout, keep_entries, promote_lag_max (raftsman.toml:2)
        node.nmae: is not a setting; [node] has name, data_dir, advertise, advertise_client, join (environment RAFTSMAN_NODE__NMAE)
        raft.heartbeat: is 50; give a span such as "250ms", "10s", "5m", "2h" or "7d" (raftsman.toml:3)
        limits.disk_free_min_percent: is -1; give a whole number from 0 (raftsman.toml:7)"#]]
    .assert_eq(&shown(file, &[("RAFTSMAN_NODE__NMAE", "n1")], &[]));
}

#[test]
fn relations_between_timers_are_kept() {
    let file = "[raft]\nheartbeat = \"200ms\"\nelection_timeout_max = \"400ms\"\nhand_over_step = \"600ms\"\n\
                [scheduler]\nsession_heartbeat = \"3s\"\nreclaim_after = \"7s\"\n";
    expect_test::expect![[r#"
        raft.election_timeout_min: is 500ms; at least 3 x raft.heartbeat, 600ms (default)
        raft.election_timeout_max: is 400ms; more than raft.election_timeout_min, 500ms (raftsman.toml:3)
        raft.hand_over_step: is 600ms; from 1ms to less than raft.election_timeout_min, 500ms: beyond that the timers are faster (raftsman.toml:4)
        scheduler.stop_working_after: is 7s; at least 3 x scheduler.session_heartbeat, 9s (default)
        scheduler.reclaim_after: is 7s; at least 1s more than scheduler.stop_working_after, 8s, or a run could execute twice at a time (raftsman.toml:7)"#]]
    .assert_eq(&wrong(file));
}

#[test]
fn relations_between_sizes_are_kept() {
    let file = "[limits]\nlane_log_bytes = \"1MiB\"\ndisk_free_min_percent = 91\n\
                [storage]\nlayer_bytes = \"64MiB\"\nflush_bytes = \"1MiB\"\n";
    expect_test::expect![[r#"
        storage.layer_bytes: is 64MiB; 1MiB to 32MiB (raftsman.toml:5)
        storage.flush_bytes: is 1MiB; at least storage.layer_bytes, 64MiB (raftsman.toml:6)
        limits.lane_log_bytes: is 1MiB; at least 8MiB, or the largest request could never pass (raftsman.toml:2)
        limits.disk_free_min_percent: is 91; 0 to 90 (raftsman.toml:3)"#]].assert_eq(&wrong(file));
}

#[test]
fn alarms_that_could_never_be_told_are_refused() {
    let file = "[alarms]\noff = [\"backlog\"]\nseverities = [\"disk_low=bad\"]\n\
                webhooks = [\"ops=ftp://x\", \"mail=http://h/\", \"a=http://h/\", \"a=http://h/\", \"http://h/\"]\n\
                webhook_secrets = [\"b=/s\"]\nroutes = [\"dead_run=a+mail\", \"dead=a\", \"disk_low=\"]\n\
                failure_percent = 101\ndead_run_window = \"0ms\"\ntasktracker_missed_for = \"1s\"\n\
                [smtp]\nto = [\"ops\"]\nport = 0\nuser = \"u\"\n";
    expect_test::expect![[r#"
        alarms.off: "backlog" is no rule; the rules are no_tasktracker, backlog_age, backlog_count, failure_ratio, dead_run, cron_lateness, tasktracker_offline, jobtracker_down, clock_skew, no_leader, disk_low, open_files, memory, feedback_backlog (raftsman.toml:2)
        alarms.severities: "bad" is neither "warning" nor "critical" (raftsman.toml:3)
        alarms.webhooks: has ops, which is no URL such as https://ops.example/hook (raftsman.toml:4)
        alarms.webhooks: has mail; give it a name without `+` that is not `mail` (raftsman.toml:4)
        alarms.webhooks: has a twice; give each a name of its own (raftsman.toml:4)
        alarms.webhooks: has "http://h/"; give NAME=VALUE (raftsman.toml:4)
        alarms.webhook_secrets: names b, which is no target; there are: a (raftsman.toml:5)
        alarms.routes: names mail, which is no target; there are: a (raftsman.toml:6)
        alarms.routes: "dead" is no rule; the rules are no_tasktracker, backlog_age, backlog_count, failure_ratio, dead_run, cron_lateness, tasktracker_offline, jobtracker_down, clock_skew, no_leader, disk_low, open_files, memory, feedback_backlog (raftsman.toml:6)
        alarms.dead_run_window: is 0ms; at least 10ms (raftsman.toml:8)
        alarms.failure_percent: is 101; 1 to 100 (raftsman.toml:7)
        alarms.tasktracker_missed_for: is 1s; more than alarms.tasktracker_offline_after, 30s (raftsman.toml:9)
        smtp.host: is empty although smtp.to names somebody; give the mail server (default)
        smtp.port: is 0; 1 to 65535 (raftsman.toml:12)
        smtp.password_file: is empty although smtp.user is given; give the file with the password (default)
        smtp.to: is "ops"; give a mail address such as ops@example.com (raftsman.toml:11)"#]].assert_eq(&wrong(file));
    let mail = "[smtp]\nhost = \"mail.example\"\nsecurity = \"ssl\"\n";
    expect_test::expect![[
        r#"smtp.security: is "ssl"; give "starttls" or "tls" or "plain" (raftsman.toml:3)"#
    ]]
    .assert_eq(&wrong(mail));
    let mail = "[smtp]\nhost = \"mail.example\"\n";
    expect_test::expect![[r#"
        smtp.from: is ""; give a mail address such as ops@example.com (default)
        smtp.to: is empty; name who gets the mails (default)"#]]
    .assert_eq(&wrong(mail));
}

#[test]
fn what_is_said_of_alarms_is_what_the_node_does() {
    let file = "[alarms]\noff = [\"backlog_count\"]\nseverities = [\"dead_run=critical\"]\n\
                webhooks = [\"ops=https://ops.example/hook?a=b\"]\nwebhook_secrets = [\"ops=/etc/s\"]\n\
                routes = [\"dead_run=ops+mail\", \"disk_low=\"]\nmemory_max = \"1GiB\"\n\
                [smtp]\nhost = \"mail.example\"\nfrom = \"Raftsman <r@example.com>\"\nto = [\"ops@example.com\"]\n";
    let (_directory, layers) = layers(file, &[], &[]);
    let alarms = load(&layers).unwrap().config.node_options("n1").alarms;
    expect_test::expect![[r#"{BacklogCount} {DeadRun: Critical} {DeadRun: {mail, ops}, DiskLow: {}} [WebhookOptions { name: ops, url: "https://ops.example/hook?a=b", secret_file: Some("/etc/s") }] Some(MailOptions { host: "mail.example", port: 587, security: StartTls, user: "", password_file: "", from: "Raftsman <r@example.com>", to: ["ops@example.com"], batch: 30s, timeout: 20s }) 1073741824"#]].assert_eq(&format!(
        "{:?} {:?} {:?} {:?} {:?} {}",
        alarms.off,
        alarms.severities,
        alarms.routes,
        alarms.webhooks,
        alarms.mail,
        alarms.thresholds.memory_max
    ));
}

#[test]
fn the_defaults_are_those_of_the_node_they_configure() {
    let defaults = NodeOptions::on_loopback("n1", "/data");
    let mut configured = Config::default().node_options("n1");
    configured.data_dir = "/data".into();
    (configured.listen_client, configured.listen_peer) = ("127.0.0.1:0".into(), "127.0.0.1:0".into());
    assert_eq!(format!("{configured:?}"), format!("{defaults:?}"));
    assert_eq!(Config::default().raft.heartbeat, Config::default().node_options("n1").raft.heartbeat);
    assert_eq!(configured.raft.check(), Ok(()));
}

#[test]
fn an_open_port_without_protection_needs_a_word_and_an_address_to_tell_others() {
    expect_test::expect![[r#"
        listen.client: is not a loopback address, and without TLS and authentication whoever reaches it owns the cluster; set listen.insecure = true if the network around it is closed (raftsman.toml:2)
        node.advertise_client: is empty; 0.0.0.0:5870 is no address that others can call (default)"#]]
    .assert_eq(&wrong("[listen]\nclient = \"0.0.0.0:5870\"\n"));
    let closed =
        "[listen]\nclient = \"0.0.0.0:5870\"\ninsecure = true\n[node]\nadvertise_client = \"n1:5870\"\n";
    assert!(wrong(closed).contains("listen.insecure = true (raftsman.toml:3)"), "{}", wrong(closed));
    let addresses = "[node]\nadvertise = \"n1\"\njoin = [\"http://n1:5871\", \"n2:0\"]\n";
    expect_test::expect![[r#"
        node.advertise: is "n1"; give host:port such as n1.example:5871 (raftsman.toml:2)
        node.join: is "http://n1:5871"; give host:port such as n1.example:5871 (raftsman.toml:3)
        node.join: is "n2:0"; give host:port such as n1.example:5871 (raftsman.toml:3)"#]]
    .assert_eq(&wrong(addresses));
}

#[test]
fn security_that_does_not_exist_yet_is_refused_and_not_ignored() {
    let file = "[tls]\npeer_mode = \"require\"\nkey_file = \"/k.pem\"\n[auth]\nmode = \"token\"\n";
    expect_test::expect![[r#"
        tls.peer_mode: is not available yet: this version has no TLS; set "off" or leave it out (raftsman.toml:2)
        auth.mode: is not available yet: this version has no authentication; set "off" or leave it out (raftsman.toml:5)
        tls.key_file: is not available yet: this version has no TLS; leave it out (raftsman.toml:3)"#]]
    .assert_eq(&wrong(file));
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let missing = Layers { file: Some("/does/not/exist.toml".into()), ..Layers::default() };
    let error = load(&missing).unwrap_err().to_string();
    assert_eq!(error, "/does/not/exist.toml: No such file or directory (os error 2)");
    let broken = wrong("[raft\n");
    assert!(broken.starts_with("raftsman.toml: TOML parse error at line 1"), "{broken}");
    let sections = wrong("raft = 1\n[node.name]\nx = 2\n");
    assert!(
        sections.contains("raft: is not a setting") && sections.contains("node.name.x: is not a setting"),
        "{sections}"
    );
}
