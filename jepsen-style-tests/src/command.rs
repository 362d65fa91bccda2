//! Programs of the system: `ip`, `nft`, `mount` and the like. What they say on stderr is the error.

use std::process::{Output, Stdio};

use anyhow::Context as _;
use tokio::io::AsyncWriteExt as _;

/// Runs a program and returns what it printed.
///
/// # Errors
/// If it cannot be started or ends with another code than 0.
pub(crate) async fn run(words: &[&str]) -> anyhow::Result<String> {
    let [program, args @ ..] = words else { anyhow::bail!("no command was given") };
    let output = tokio::process::Command::new(program).args(args).stdin(Stdio::null()).output().await;
    judge(words, output)
}

/// The same with something on its stdin.
///
/// # Errors
/// As [`run`].
pub(crate) async fn feed(words: &[&str], stdin: &str) -> anyhow::Result<String> {
    let [program, args @ ..] = words else { anyhow::bail!("no command was given") };
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let mut pipe = child.stdin.take().context("a piped stdin is there")?;
    pipe.write_all(stdin.as_bytes()).await.with_context(|| format!("{program} does not read"))?;
    drop(pipe);
    judge(words, child.wait_with_output().await).with_context(|| stdin.trim().to_owned())
}

/// Runs a program without a runtime: for guards that clean up while everything else is unwinding.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_now(words: &[&str]) -> anyhow::Result<String> {
    let [program, args @ ..] = words else { anyhow::bail!("no command was given") };
    judge(words, std::process::Command::new(program).args(args).stdin(Stdio::null()).output())
}

fn judge(words: &[&str], output: std::io::Result<Output>) -> anyhow::Result<String> {
    let output = output.with_context(|| format!("cannot start {}", words[0]))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("{}: {} ({})", words.join(" "), said.trim(), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
