//! Runs a command for each job: `/bin/sh -c`, the payload on stdin or as the script itself, params in the environment.
//!
//! Each line of output becomes a biz log line, and stdout is the result. The command gets a process group of its own;
//! when the execution is stopped the whole group gets TERM and, after a grace, KILL, also when nobody waits any more.
//! What a command leaves in the background is killed once it keeps the output open. Params whose names differ only in
//! characters that an environment cannot hold overwrite each other.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Notify;

use super::{BizLogger, JobContext, JobError, JobResult, RawRun, RawRunner};
use crate::domain::{BizLogLevel, limits};

/// The longest script: Linux takes no argument of more than 128 KiB.
const SCRIPT_BYTES_MAX: usize = 120_000;
/// Between TERM and KILL.
const GRACE_DEFAULT: Duration = Duration::from_secs(5);
/// How long the output may stay open after the command has ended.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);
/// A longer line is cut into several.
const LINE_BYTES_MAX: usize = 4 << 10;

/// What an exit code means; a code that is in no list is EXECUTE_EXCEPTION.
#[derive(Clone, Debug)]
pub struct ExitCodes {
    pub success: Vec<i32>,
    /// EXECUTE_LATER; 75 is EX_TEMPFAIL of sysexits.h.
    pub later: Vec<i32>,
    pub failed: Vec<i32>,
}

impl Default for ExitCodes {
    fn default() -> ExitCodes {
        ExitCodes { success: vec![0], later: vec![75], failed: Vec::new() }
    }
}

#[derive(Clone, Debug)]
enum Script {
    Command(String),
    Payload,
}

/// The shell runner.
#[derive(Clone, Debug)]
pub struct ShellRunner {
    script: Script,
    exit_codes: ExitCodes,
    grace: Duration,
}

impl ShellRunner {
    /// Runs the same command for every job, the payload on its stdin.
    pub fn command(command: impl Into<String>) -> ShellRunner {
        ShellRunner {
            script: Script::Command(command.into()),
            exit_codes: ExitCodes::default(),
            grace: GRACE_DEFAULT,
        }
    }

    /// Runs the payload as a script: whoever may submit to the node group may run anything here.
    pub fn script_from_payload() -> ShellRunner {
        ShellRunner { script: Script::Payload, exit_codes: ExitCodes::default(), grace: GRACE_DEFAULT }
    }

    #[must_use]
    pub fn exit_codes(mut self, exit_codes: ExitCodes) -> ShellRunner {
        self.exit_codes = exit_codes;
        self
    }

    /// How long a stopped command has between TERM and KILL.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> ShellRunner {
        self.grace = grace;
        self
    }

    async fn run(&self, context: JobContext, payload: Bytes) -> JobResult<Bytes> {
        let (script, input) = match &self.script {
            Script::Command(command) => (command.clone(), payload),
            Script::Payload => (script(&payload)?, Bytes::new()),
        };
        let mut child = command(&script, &context).spawn().context("cannot run /bin/sh")?;
        let group = Group::of(&child);
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (mut said, mut complained) = (Vec::new(), Vec::new());
        let logger = context.biz_logger();
        let ended = Notify::new();
        let output = async {
            let said = gather(stdout, &logger, BizLogLevel::Info, &mut said);
            tokio::join!(
                said,
                gather(stderr, &logger, BizLogLevel::Warn, &mut complained),
                feed(stdin, &input)
            );
        };
        let end = async {
            let status = end(&mut child, &group, &context, self.grace).await;
            ended.notify_one();
            status
        };
        let (status, ()) = tokio::join!(end, until_closed(output, &ended, &group));
        group.is_over();
        self.outcome(status?, &context, said, &complained)
    }

    fn outcome(
        &self,
        status: ExitStatus,
        context: &JobContext,
        stdout: Vec<u8>,
        stderr: &[u8],
    ) -> JobResult<Bytes> {
        let Some(code) = status.code() else {
            let what = format!("killed by signal {}", status.signal().unwrap_or_default());
            let stopped = context
                .is_cancelled()
                .then(|| anyhow::Error::from(JobError::Cancelled).context(what.clone()));
            return Err(stopped.unwrap_or_else(|| anyhow::anyhow!(what)));
        };
        let text = || {
            let tail = String::from_utf8_lossy(stderr);
            let last = tail.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
            if last.is_empty() { format!("exit code {code}") } else { format!("exit code {code}: {last}") }
        };
        if self.exit_codes.success.contains(&code) {
            Ok(stdout.into())
        } else if self.exit_codes.later.contains(&code) {
            Err(JobError::later(text()))
        } else if self.exit_codes.failed.contains(&code) {
            Err(JobError::fail(text()))
        } else {
            Err(anyhow::anyhow!(text()))
        }
    }
}

impl RawRunner for ShellRunner {
    fn run_raw(&self, context: JobContext, payload: Bytes) -> RawRun<'_> {
        Box::pin(self.run(context, payload))
    }
}

fn script(payload: &Bytes) -> JobResult<String> {
    if payload.len() > SCRIPT_BYTES_MAX {
        return Err(JobError::fail(format!(
            "the script has {} bytes; at most {SCRIPT_BYTES_MAX}",
            payload.len()
        )));
    }
    let text = std::str::from_utf8(payload).ok().filter(|text| !text.contains('\0'));
    text.map(str::to_owned).ok_or_else(|| JobError::fail("the script is not text"))
}

fn command(script: &str, context: &JobContext) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, value) in context.params() {
        // An environment cannot hold a NUL.
        command.env(format!("RAFTSMAN_PARAM_{}", variable(name)), value.replace('\0', ""));
    }
    command
        .env("RAFTSMAN_JOB_ID", context.job_id())
        .env("RAFTSMAN_RUN_ID", context.run_id())
        .env("RAFTSMAN_TASK_ID", context.task_id())
        .env("RAFTSMAN_FENCING_TOKEN", context.fencing_token().to_string())
        .env("RAFTSMAN_ATTEMPT", context.attempt().to_string());
    command
}

/// `order-id` as the name of a variable: `ORDER_ID`.
fn variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// Waits for the command; when the execution is stopped, ends it with all that it started.
async fn end(
    child: &mut Child,
    group: &Group,
    context: &JobContext,
    grace: Duration,
) -> std::io::Result<ExitStatus> {
    tokio::select! {
        status = child.wait() => return status,
        () = context.cancelled() => group.signal(Signal::TERM),
    }
    match tokio::time::timeout(grace, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            group.signal(Signal::KILL);
            child.wait().await
        }
    }
}

async fn feed(stdin: Option<ChildStdin>, input: &[u8]) {
    if let Some(mut stdin) = stdin {
        // A command that does not read its input is no fault.
        let _ = stdin.write_all(input).await;
    }
}

/// Waits for the end of the output; what holds it open after the end of the command is killed, then left alone.
async fn until_closed(output: impl Future<Output = ()>, ended: &Notify, group: &Group) {
    let mut output = std::pin::pin!(output);
    tokio::select! {
        () = &mut output => return,
        () = ended.notified() => {}
    }
    if tokio::time::timeout(OUTPUT_PATIENCE, &mut output).await.is_err() {
        group.signal(Signal::KILL);
        let _ = tokio::time::timeout(OUTPUT_PATIENCE, output).await;
    }
}

/// Logs each line of a stream and keeps its beginning.
async fn gather(
    stream: Option<impl AsyncRead + Unpin>,
    logger: &BizLogger,
    level: BizLogLevel,
    kept: &mut Vec<u8>,
) {
    let Some(mut stream) = stream else { return };
    let (mut line, mut buffer) = (Vec::new(), vec![0; 8 << 10]);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let room = limits::RESULT_BYTES_MAX - kept.len();
        kept.extend_from_slice(&buffer[..read.min(room)]);
        for byte in &buffer[..read] {
            if *byte != b'\n' {
                line.push(*byte);
            }
            if *byte == b'\n' || line.len() >= LINE_BYTES_MAX {
                logger.log(level, String::from_utf8_lossy(&line));
                line.clear();
            }
        }
    }
    if !line.is_empty() {
        logger.log(level, String::from_utf8_lossy(&line));
    }
}

/// The process group of a command; killed when nobody waits for it any more. 0 when it is over.
#[derive(Debug)]
struct Group(AtomicI32);

impl Group {
    fn of(child: &Child) -> Group {
        Group(AtomicI32::new(child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0)))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.0.load(Ordering::Relaxed)) {
            // It may be over already.
            let _ = kill_process_group(group, signal);
        }
    }

    fn is_over(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{context, context_with};
    use super::*;
    use crate::domain::Action;
    use crate::tasktracker::runner::outcome;
    use crate::tasktracker::{Journal, StopCause};

    async fn run(runner: ShellRunner, payload: &str) -> (Action, String) {
        let (context, _, _) = context();
        let outcome = outcome(runner.run(context, Bytes::copy_from_slice(payload.as_bytes())).await);
        let said = if outcome.action == Action::ExecuteSuccess {
            String::from_utf8_lossy(&outcome.result).into_owned()
        } else {
            outcome.error
        };
        (outcome.action, said)
    }

    #[tokio::test]
    async fn the_payload_is_on_stdin_and_stdout_is_the_result() {
        let counted = run(ShellRunner::command("wc -c"), "twelve bytes").await;
        assert_eq!((counted.0, counted.1.trim()), (Action::ExecuteSuccess, "12"));
        let script =
            run(ShellRunner::script_from_payload(), "echo $RAFTSMAN_TASK_ID $RAFTSMAN_PARAM_ORDER_ID").await;
        assert_eq!(script, (Action::ExecuteSuccess, "t1 77\n".into()));
        assert_eq!(run(ShellRunner::command("exit 0"), &"x".repeat(1 << 20)).await.0, Action::ExecuteSuccess);
    }

    #[tokio::test]
    async fn an_exit_code_is_an_outcome_and_stderr_says_why() {
        let fails =
            async |code: i32| run(ShellRunner::command(format!("echo why >&2; exit {code}")), "").await;
        assert_eq!(fails(75).await, (Action::ExecuteLater, "exit code 75: why".into()));
        assert_eq!(fails(3).await, (Action::ExecuteException, "exit code 3: why".into()));
        let codes = ExitCodes { failed: vec![9], ..ExitCodes::default() };
        let failed = run(ShellRunner::script_from_payload().exit_codes(codes), "exit 9").await;
        assert_eq!(failed, (Action::ExecuteFailed, "exit code 9".into()));
        let killed = run(ShellRunner::script_from_payload(), "kill -9 $$").await;
        assert_eq!(killed, (Action::ExecuteException, "killed by signal 9".into()));
        assert_eq!(
            run(ShellRunner::script_from_payload(), &"#".repeat(200_000)).await.0,
            Action::ExecuteFailed
        );
    }

    #[tokio::test]
    async fn output_becomes_lines_and_the_result_is_bounded() {
        let (context, journal, _) = context();
        let script = Bytes::from_static(b"printf 'one\\ntwo'; echo three >&2; head -c 100000 /dev/zero");
        let result = ShellRunner::script_from_payload().run(context, script).await.expect("it succeeds");
        assert_eq!(result.len(), limits::RESULT_BYTES_MAX);
        let lines = Journal::fetch(&journal).lines.remove(0).1;
        assert!(lines.iter().any(|line| line.text == "one"), "{lines:?}");
        assert!(lines.iter().any(|line| line.text == "three" && line.level == 3), "{lines:?}");
    }

    #[tokio::test]
    async fn a_stop_reaches_the_whole_group_also_one_that_ignores_term() {
        let (context, journal, stop) = context_with(&[]);
        let runner = ShellRunner::script_from_payload().grace(Duration::from_millis(50));
        let script = Bytes::from_static(
            b"trap '' TERM; (trap '' TERM; sleep 1000) & echo begun; sleep 1000; sleep 1000",
        );
        let running = tokio::spawn(async move { runner.run(context, script).await });
        journal.written().await;
        stop.give(StopCause::TimedOut);
        let error = running.await.expect("no panic").expect_err("it was stopped");
        assert_eq!(format!("{error:#}"), "killed by signal 9: cancelled");
        assert!(error.downcast_ref::<JobError>().is_some());
    }

    #[tokio::test]
    async fn dropping_the_run_kills_the_group() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("alive");
        let (context, journal, _) = context();
        // The lock is held as long as anything of the group lives.
        let script = format!("exec 9>{0}; flock 9; echo begun; sleep 1000 & sleep 1000", fifo.display());
        let runner = ShellRunner::script_from_payload();
        let running = tokio::spawn(async move { runner.run(context, Bytes::from(script)).await });
        journal.written().await;
        running.abort();
        let free =
            tokio::process::Command::new("flock").arg(&fifo).arg("true").status().await.expect("flock runs");
        assert!(free.success());
    }

    #[tokio::test]
    async fn what_stays_in_the_background_does_not_hold_the_job() {
        let ended = run(ShellRunner::script_from_payload(), "sleep 1000 & echo done").await;
        assert_eq!(ended, (Action::ExecuteSuccess, "done\n".into()));
    }
}
