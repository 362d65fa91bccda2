//! The lanes that need no processes, by their own commands: each prints a line for every bug that it looks for.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::Context as _;

use super::tally::{Caught, Tally};
use crate::disk::text;
use crate::product::Bug;

/// The seeded world, in a test of the product: the command that docs/planted-bugs.md names.
pub(super) async fn world(bugs: &[Bug], tally: &mut Tally) -> anyhow::Result<()> {
    let words = [
        "cargo",
        "test",
        "--no-default-features",
        "--features",
        "machine,planted-bugs",
        "--lib",
        "sim::planted",
        "--",
        "--nocapture",
    ];
    lane(bugs, Some(&words), tally).await
}

/// The whole cluster on virtual time.
pub(super) async fn simulation(
    bugs: &[Bug],
    program: Option<&Path>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    match program {
        Some(program) => lane(bugs, Some(&[text(program), "--planted"]), tally).await,
        None => lane(bugs, None, tally).await,
    }
}

async fn lane(bugs: &[Bug], words: Option<&[&str]>, tally: &mut Tally) -> anyhow::Result<()> {
    if bugs.is_empty() {
        return Ok(());
    }
    let Some([program, args @ ..]) = words else {
        bugs.iter().for_each(|bug| tally.skip(bug, "no program was named for its lane"));
        return Ok(());
    };
    println!("  {}", words.unwrap_or_default().join(" "));
    let began = Instant::now();
    let mut command = tokio::process::Command::new(program);
    command.args(args);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true).output();
    let output = output.await.with_context(|| format!("cannot start {program}"))?;
    let seconds = began.elapsed().as_secs();
    let printed = String::from_utf8_lossy(&output.stdout);
    for bug in bugs {
        let said = line_of(bug, &printed);
        let seeds = said.as_deref().map_or(0, seeds);
        tally.add(bug, Caught { runs: seeds, unit: "seeds", seconds, said });
    }
    Ok(())
}

/// What was said of a bug that was caught.
fn line_of(bug: &Bug, printed: &str) -> Option<String> {
    let first = |line: &str| line.split_whitespace().next().map(|word| word.trim_end_matches(':').to_owned());
    let lines = printed.lines().filter(|line| first(line).as_ref() == Some(&bug.name));
    let mut caught =
        lines.filter_map(|line| line.split_once("caught").map(|(_, said)| said.trim().to_owned()));
    caught.next()
}

/// `after 3 seeds: ...`, `by A2 at seed 2: ...`: the seeds begin with 0.
fn seeds(said: &str) -> u64 {
    let mut words = said.split_whitespace().map(|word| word.trim_end_matches(':'));
    let number = words.clone().find_map(|word| word.parse().ok()).unwrap_or(0);
    number + u64::from(words.any(|word| word == "seed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_lane_is_read() {
        let bug =
            |name: &str| Bug { name: name.into(), promise: 1, lane: "world".into(), checker: "B1".into() };
        let printed = "running 1 test\nhalf_a_batch   promise 1 W9  B1  caught after  3 seeds: B1 lost\n\
                       ids_restart    promise 3      L1  MISSED\n";
        let said = line_of(&bug("half_a_batch"), printed);
        assert_eq!(said.as_deref(), Some("after  3 seeds: B1 lost"));
        assert_eq!(said.as_deref().map(seeds), Some(3));
        assert_eq!(line_of(&bug("ids_restart"), printed), None);
        let simulated = "vote_not_synced: caught by M1 at seed 2: two leaders";
        let said = line_of(&bug("vote_not_synced"), simulated);
        assert_eq!(said.as_deref().map(seeds), Some(3));
        assert_eq!(line_of(&bug("ripens_early"), printed), None);
    }
}
