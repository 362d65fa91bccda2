//! The binary as a shell sees it: what stdout has, what stderr has, and how it exits. Each test has a `raftsman dev` of its
//! own, on ports that the system chose.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

const RAFTSMAN: &str = env!("CARGO_BIN_EXE_raftsman");

/// A cluster in a process; it ends with the test.
struct Dev {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
    /// Where its data is; killed, it cannot delete that itself.
    _temporary: tempfile::TempDir,
}

impl Dev {
    fn start() -> Dev {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let mut process = raftsman(&["dev", "--port", "0"])
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary is built");
        let mut stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut told = String::new();
        // The last line that it prints once everything runs.
        while !told.contains("Ctrl-C") {
            let read = stdout.read_line(&mut told).expect("it prints text");
            assert!(read > 0, "it ended after saying:\n{told}");
        }
        let banner = told.lines().find_map(|line| line.trim().strip_prefix("JobTrackers  n1 "));
        let address = banner.unwrap_or_else(|| panic!("no address in:\n{told}")).to_owned();
        Dev { process, stdout, address, _temporary: temporary }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        raftsman(arguments).env("RAFTSMAN_ADDR", &self.address).output().expect("the binary is built")
    }

    /// Exit code, stdout and stderr of a command.
    fn told(&self, arguments: &[&str]) -> (i32, String, String) {
        told(self.run(arguments))
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself, and a test that fails has said why.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// The binary without whatever the environment of this test says.
fn raftsman(arguments: &[&str]) -> Command {
    let mut command = Command::new(RAFTSMAN);
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RAFTSMAN_") {
            command.env_remove(name);
        }
    }
    command
}

fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("it prints text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").to_string()
}

fn interrupt(process: &Child) {
    let sent = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
    assert!(sent.expect("there is a kill command").success());
}

#[test]
fn one_job_and_out() {
    let (code, stdout, stderr) =
        told(raftsman(&["dev", "--once", "--port", "0"]).output().expect("the binary is built"));
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("finished: SUCCEEDED on TaskTracker dev\n  hello from"), "{stdout}");
    assert!(stdout.contains("one plus one is 2"), "{stdout}");
}

#[test]
fn a_job_is_submitted_waited_for_and_shown_in_every_format() {
    let dev = Dev::start();
    let (code, stdout, stderr) =
        dev.told(&["job", "submit", "echo", "--payload", "{\"hi\":1}", "--task-id", "t1", "--wait"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with("ID ") && stdout.contains("SUCCEEDED  {\"hi\":1}"), "{stdout}");
    assert!(stderr.contains("accepted, waiting"), "messages go to stderr: {stderr}");

    let (_, id, _) = dev.told(&["job", "list", "-o", "id"]);
    let id = id.trim();
    let (_, by_name, _) = dev.told(&["job", "get", "--task-id", "t1", "-o", "json"]);
    let by_name: serde_json::Value = serde_json::from_str(&by_name).expect("it is one JSON document");
    assert_eq!((by_name["job_id"].as_str(), by_name["state"].as_str()), (Some(id), Some("SUCCEEDED")));
    let (_, lines, _) = dev.told(&["job", "runs", id, "-o", "jsonl"]);
    let run: serde_json::Value = serde_json::from_str(lines.trim()).expect("a line is JSON");
    assert_eq!(run["result"]["hi"], 1);
    let (_, bare, _) = dev.told(&["job", "list", "--no-headers", "--state", "dead"]);
    assert_eq!(bare, "");
}

#[test]
fn what_nobody_answers_for_is_saved_seen_and_sent_later() {
    let store = tempfile::tempdir().expect("a temporary directory");
    let directory = store.path().to_str().expect("it is UTF-8");
    let away = |more: &[&str]| {
        let line = ["job", "submit", "sh", "--fail-store", directory, "--patience", "200ms"];
        told(raftsman(&[&line, more].concat()).env("RAFTSMAN_ADDR", nobody()).output().expect("it is built"))
    };
    let (code, stdout, stderr) = away(&["--payload", "true", "--task-id", "t1"]);
    assert!(
        code == 9 && stdout.contains("t1") && stdout.contains("SAVED_LOCALLY"),
        "{code}: {stdout}{stderr}"
    );
    assert!(stderr.contains("no jobtracker answers: saved in"), "{stderr}");
    // What only the cluster can refuse.
    let (code, json, _) = away(&["--task-id", "t2", "--retries", "-1", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is one JSON document");
    assert_eq!((code, json["outcome"].as_str()), (9, Some("SAVED_LOCALLY")));

    let dev = Dev::start();
    let (_, status, _) = dev.told(&["fail-store", "status", directory, "-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).expect("it is one JSON document");
    assert_eq!((status["waiting_jobs"].as_u64(), status["dead_letters"].as_u64()), (Some(2), Some(0)));
    let (_, list, _) = dev.told(&["fail-store", "list", directory, "--no-headers"]);
    assert!(list.starts_with("0.0  WAITING  t1") && list.contains("\n1.0  WAITING  t2"), "{list}");
    let (code, _, stderr) = dev.told(&["fail-store", "replay", directory]);
    assert!(code == 6 && stderr.contains("1 sent, 0 wait, 1 refused"), "{code}: {stderr}");
    let (code, ..) = dev.told(&["job", "get", "--task-id", "t1"]);
    assert_eq!(code, 0, "it was sent");
    let (_, dead, _) = dev.told(&["fail-store", "list", directory, "--dead", "-o", "jsonl"]);
    let dead: serde_json::Value = serde_json::from_str(dead.trim()).expect("a line is JSON");
    assert_eq!((dead["id"].as_str(), dead["reason"].as_str()), (Some("1.0"), Some("INVALID_ARGUMENT")));
    assert_eq!(dev.told(&["fail-store", "resend", directory, "7.0"]).0, 3, "there is no such letter");
    assert_eq!(dev.told(&["fail-store", "discard", directory, "--all"]).0, 0);
    // With nothing in the way it is a submit like any other.
    let (code, stdout, stderr) =
        dev.told(&["job", "submit", "sh", "--fail-store", directory, "--payload", "true"]);
    assert!(code == 0 && stdout.contains("ACCEPTED"), "{code}: {stdout}{stderr}");
    assert_eq!(dev.told(&["fail-store", "status", "/nowhere"]).0, 3);
}

#[test]
fn every_exit_code_tells_what_happened() {
    let dev = Dev::start();
    let submit = |more: &[&str]| dev.told(&[&["job", "submit", "sh"], more].concat());
    // 7: the job ended unsuccessfully.
    let (code, stdout, _) = submit(&["--payload", "echo no >&2; exit 3", "--wait"]);
    assert!(code == 7 && stdout.contains("DEAD"), "{code}: {stdout}");
    // 2: clap, and fields that only the cluster understands.
    let (code, _, stderr) = submit(&["--every", "1s", "--in", "1s"]);
    assert!(code == 2 && stderr.contains("cannot be used with"), "{code}: {stderr}");
    let (code, _, stderr) = submit(&["--cron", "nonsense"]);
    assert!(code == 2 && stderr.contains("cron.expression: has 1 field"), "{code}: {stderr}");
    let (code, _, stderr) = submit(&["--retries", "-1", "--priority", "7", "--every", "0s"]);
    assert!(
        code == 2 && stderr.contains("repeat.interval:") && stderr.contains("retry.retries_max:"),
        "{code}: {stderr}"
    );
    // 3: not found. 6: conflict.
    assert_eq!(dev.told(&["job", "get", "1.0"]).0, 3);
    assert_eq!(dev.told(&["job", "cancel", "1.0"]).0, 3);
    let (_, id, _) = submit(&["--in", "1h", "-o", "id"]);
    let (code, stdout, _) = dev.told(&["job", "cancel", id.trim()]);
    assert!(code == 0 && stdout.contains("CANCELLED"), "{code}: {stdout}");
    let (code, _, stderr) = dev.told(&["job", "cancel", id.trim()]);
    assert!(code == 6 && stderr.contains("had ended as CANCELLED"), "{code}: {stderr}");
    // 4: unavailable.
    let (code, _, stderr) = dev.told(&["job", "list", "--addr", &nobody(), "--patience", "300ms"]);
    assert!(code == 4 && stderr.contains("NO_JOBTRACKER"), "{code}: {stderr}");
    // A wait that was not long enough is no end of the job.
    let (_, id, _) = submit(&["--in", "1h", "-o", "id"]);
    assert_eq!(dev.told(&["job", "wait", id.trim(), "--timeout", "10ms"]).0, 4);
}

#[test]
fn alarms_are_listed_silenced_and_tried() {
    let dev = Dev::start();
    let (code, listed, stderr) = dev.told(&["alarm", "list", "--raised", "-o", "json"]);
    assert_eq!((code, listed.trim()), (0, "[]"), "{stderr}");
    let (code, _, stderr) = dev.told(&["alarm", "list", "--here"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, silenced, stderr) =
        dev.told(&["alarm", "silence", "dead_run", "trade", "--for", "2h", "--by", "alice"]);
    assert!(code == 0 && silenced.contains("silenced until"), "{silenced}{stderr}");
    let (_, silences, _) = dev.told(&["alarm", "silences", "-o", "jsonl"]);
    let silence: serde_json::Value = serde_json::from_str(silences.trim()).expect("a line is JSON");
    assert_eq!((silence["subject"].as_str(), silence["by"].as_str()), (Some("trade"), Some("alice")));
    assert_eq!(dev.told(&["alarm", "unsilence", "dead_run", "trade"]).0, 0);
    assert_eq!(dev.told(&["alarm", "silences", "--no-headers"]).1, "");
    let (code, _, stderr) = dev.told(&["alarm", "silence", "dead"]);
    assert!(
        code == 2 && stderr.contains("rule: \"dead\" is no rule; the rules are no_tasktracker"),
        "{stderr}"
    );
    let (code, _, stderr) = dev.told(&["alarm", "test", "ops"]);
    assert!(
        code == 2 && stderr.contains("target: there is no target of this name; none is configured"),
        "{stderr}"
    );
}

#[test]
fn ctrl_c_ends_a_wait_with_130_and_dev_with_0() {
    let mut dev = Dev::start();
    let mut waits = raftsman(&["job", "submit", "sh", "--in", "1h", "--wait"])
        .env("RAFTSMAN_ADDR", &dev.address)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    let mut said = String::new();
    BufReader::new(waits.stderr.take().expect("it is piped")).read_line(&mut said).expect("it prints text");
    assert!(said.contains("waiting"), "{said}");
    interrupt(&waits);
    assert_eq!(waits.wait().expect("it was started").code(), Some(130));

    interrupt(&dev.process);
    assert_eq!(dev.process.wait().expect("it was started").code(), Some(0));
    let mut rest = String::new();
    dev.stdout.read_to_string(&mut rest).expect("it prints text");
    assert_eq!(rest, "");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut preview = raftsman(&["cron", "preview", "* * * * *", "-n", "1000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built");
    drop(preview.stdout.take());
    let (code, _, stderr) = told(preview.wait_with_output().expect("it was started"));
    assert_eq!((code, stderr.contains("rror")), (0, false), "{stderr}");
}

#[test]
fn a_cron_is_explained_without_a_cluster() {
    let line = [
        "cron",
        "preview",
        "0 30 2 * * ?",
        "--tz",
        "America/New_York",
        "-n",
        "2",
        "--after",
        "2026-03-07T08:00:00Z",
    ];
    let (code, stdout, stderr) = told(raftsman(&line).output().expect("the binary is built"));
    assert_eq!((code, stderr.as_str()), (0, "at 02:30 (America/New_York)\n"));
    expect_test::expect![[r#"
        LOCAL                           UTC
        Sun 2026-03-08 03:30:00 -04:00  2026-03-08T07:30:00.000Z
        Mon 2026-03-09 02:30:00 -04:00  2026-03-09T06:30:00.000Z
    "#]]
    .assert_eq(&stdout);
    let never = told(raftsman(&["cron", "preview", "0 0 0 31 2 ?"]).output().expect("the binary is built"));
    assert!(never.0 == 2 && never.2.contains("cron.expression:"), "{never:?}");
}

#[test]
fn a_configuration_is_explained_and_checked() {
    let shown = raftsman(&["config", "show"])
        .env("RAFTSMAN_RAFT__HEARTBEAT", "50ms")
        .output()
        .expect("the binary is built");
    let (code, stdout, _) = told(shown);
    assert!(code == 0 && stdout.contains("environment RAFTSMAN_RAFT__HEARTBEAT"), "{code}: {stdout}");
    let wrong = [
        "config",
        "validate",
        "--set",
        "raft.heartbeat=1s",
        "--set",
        "raft.heartbaet=1s",
        "--set",
        "auth.mode=token",
    ];
    let (code, _, stderr) = told(raftsman(&wrong).output().expect("the binary is built"));
    assert_eq!(code, 1);
    for told in [
        "raft.election_timeout_min: is 500ms",
        "raft.heartbaet: is not a setting",
        "auth.mode: is not available yet",
    ] {
        assert!(stderr.contains(told), "{stderr}");
    }
}

/// What an import reports: its totals by outcome, and the outcome and job id of each row.
fn imported(dev: &Dev, files: &[String], more: &[&str]) -> (i32, serde_json::Value) {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let report = folder.path().join("report.json").display().to_string();
    let mut line =
        vec!["import", "lts", "--time-zone", "Asia/Shanghai", "--kind", "default=echo", "--report", &report];
    line.extend(files.iter().map(String::as_str));
    line.extend(more);
    let (code, _, stderr) = dev.told(&line);
    let text = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (code, serde_json::from_str(&text).expect("the report is JSON"))
}

fn outcome<'a>(report: &'a serde_json::Value, task_id: &str) -> (&'a str, &'a str) {
    let rows = report["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["task_id"] == task_id).expect("the task is in the report");
    (row["outcome"].as_str().unwrap_or(""), row["job_id"].as_str().unwrap_or(""))
}

#[test]
fn an_import_from_lts_twice_is_the_same_jobs_and_runs_nothing_again() {
    let dev = Dev::start();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let due = folder.path().join("lts_wjq_default.csv");
    let row =
        "job_id,task_id,task_tracker_node_group,trigger_time\nj1,ran_in_between,default,1700000000000\n";
    std::fs::write(&due, row).expect("it is written");
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lts-export");
    let mut files = vec![due.display().to_string()];
    for entry in std::fs::read_dir(sample).expect("the sample is there") {
        let path = entry.expect("it can be read").path().display().to_string();
        files.extend((!path.ends_with(".md")).then_some(path));
    }

    let (code, dry) = imported(&dev, &files, &["--dry-run"]);
    assert_eq!(code, 1, "rows are left");
    let carried = dry["totals"]["WOULD_IMPORT"].as_u64().expect("there are some");
    assert_eq!(dev.told(&["job", "list", "-o", "id"]).1, "", "a dry run submits nothing");

    let (code, first) = imported(&dev, &files, &[]);
    assert_eq!((code, first["totals"]["IMPORTED"].as_u64()), (1, Some(carried)), "{}", first["totals"]);
    let (word, job) = outcome(&first, "ran_in_between");
    assert_eq!(word, "IMPORTED");
    assert_eq!(dev.told(&["job", "wait", job]).0, 0, "it was due and ran");
    let (word, paused) = outcome(&first, "paused_sync");
    assert_eq!(word, "IMPORTED");
    let paused = dev.told(&["job", "get", paused, "-o", "json"]);
    let paused: serde_json::Value = serde_json::from_str(&paused.1).unwrap_or_else(|_| panic!("{paused:?}"));
    assert_eq!(paused["state"], "SUSPENDED", "{paused}");
    let list = || dev.told(&["job", "list", "--limit", "1000", "-o", "id"]).1;
    let before = list();
    assert_eq!(before.lines().count() as u64, carried);

    let (_, again) = imported(&dev, &files, &[]);
    assert_eq!(again["totals"]["ALREADY_THERE"].as_u64(), Some(carried), "{}", again["totals"]);
    assert_eq!(again["totals"]["LEFT"], first["totals"]["LEFT"]);
    assert_eq!(
        outcome(&again, "ran_in_between"),
        ("ALREADY_THERE", job),
        "it has ended and is not run again"
    );
    assert_eq!(list(), before);

    // Other options are another request under a name that is remembered: nothing comes of it.
    let (_, otherwise) = imported(&dev, &files[..1], &["--kind", "default=sh"]);
    assert_eq!(otherwise["totals"]["ALREADY_THERE"].as_u64(), Some(1), "{otherwise}");
    assert_eq!(list(), before);
}

#[test]
fn an_import_without_a_cluster_says_that_nothing_was_tried() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/lts-export/lts_wjq_trade.csv");
    let (code, _, stderr) = told(
        raftsman(&["import", "lts", sample, "--addr", &nobody(), "--patience", "300ms"])
            .output()
            .expect("it runs"),
    );
    assert!(code == 4 && stderr.contains("NO_JOBTRACKER"), "{code}: {stderr}");
}
