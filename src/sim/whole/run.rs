//! What `raftsman-simulation` is asked for on its command line, and who does it.

use std::collections::BTreeSet;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use super::alone;
use super::batch::{self, Batch, Seeds};
use super::options::Options;

const HELP: &str = "\
Simulates whole clusters from seeds: JobTrackers, TaskTrackers and JobClients in one process on virtual time.

Usage: raftsman-simulation --seed S | --seeds A..B | --seconds N | --regressions FILE | --planted [options]

  --seed S            one world
  --seeds A..B        the worlds from A up to and without B
  --seconds N         as many worlds as begin within so many seconds by the clock
  --from S            the first world of --seconds, else 0
  --at-least N        so many worlds in any case, however long --seconds is
  --regressions FILE  the seeds in a file, one a line, `#` begins a comment; before all others
  --twice             each seed twice, else each twentieth; a trace hash that differs is a failure
  --minimise          a seed that fails is run again with fewer and fewer faults
  --skip N,M          leaves out these faults
  --jobs N            so many processes at once; else one a core
  --planted           looks for planted bugs instead, at most 50 seeds for each (build with feature planted-bugs)
  --bug NAME          with --planted: only this one, of whatever lane
  --faults            lists a seed's faults and ends
  --trace             one seed in this process, with all its events on stderr
  --of TEXT           one seed in this process, with the commands and replies that contain TEXT
  --help              this text

Exit code: 0 all passed; 1 a seed broke, a trace differed, a planted bug was missed; 2 unknown, because events that must
not be rare were, or because the command line is wrong.";

#[derive(Clone, Debug, Default)]
struct Args {
    help: bool,
    seeds: Vec<u64>,
    regressions: Vec<u64>,
    seconds: Option<u64>,
    from: u64,
    at_least: u64,
    twice: bool,
    minimise: bool,
    skip: BTreeSet<usize>,
    jobs: Option<usize>,
    planted: bool,
    bug: Option<String>,
    faults: bool,
    trace: bool,
    of: Option<String>,
    /// This process is the one that runs the seed.
    here: bool,
}

/// The whole of `raftsman-simulation`.
pub fn main() -> ExitCode {
    let args = match parse(std::env::args().skip(1)) {
        Ok(args) => args,
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    if args.help {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if !cfg!(tokio_unstable) {
        eprintln!("built without `--cfg tokio_unstable`: a seed need not give the same history twice");
    }
    match args.seeds.as_slice() {
        [seed] if args.faults => list_faults(*seed),
        [seed] if args.here || args.trace || args.of.is_some() => {
            alone::run(*seed, &args.skip, args.trace, args.of.as_deref())
        }
        _ if args.planted => hunt(&args),
        _ => batch::run(&of(args)),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Args, String> {
    let mut args = Args::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} wants a value"));
        match word.as_str() {
            "--help" | "-h" => args.help = true,
            "--seed" => args.seeds.push(number(&value()?)?),
            "--seeds" => args.seeds.extend(range(&value()?)?),
            "--seconds" => args.seconds = Some(number(&value()?)?),
            "--from" => args.from = number(&value()?)?,
            "--at-least" => args.at_least = number(&value()?)?,
            "--regressions" => args.regressions.extend(listed(&value()?)?),
            "--twice" => args.twice = true,
            "--minimise" => args.minimise = true,
            "--skip" => args.skip = value()?.split(',').map(number).collect::<Result<_, _>>()?,
            "--jobs" => args.jobs = Some(number(&value()?)?),
            "--planted" => args.planted = true,
            "--bug" => args.bug = Some(value()?),
            "--faults" => args.faults = true,
            "--trace" => args.trace = true,
            "--of" => args.of = Some(value()?),
            "--here" => args.here = true,
            other => return Err(format!("{other:?} is not known")),
        }
    }
    let has_work = !args.seeds.is_empty() || !args.regressions.is_empty() || args.seconds.is_some();
    if has_work || args.planted || args.help { Ok(args) } else { Err("no seed is given".into()) }
}

fn of(args: Args) -> Batch {
    let Args { regressions, seeds, seconds, from, at_least, twice, minimise, skip, jobs, .. } = args;
    let listed: Vec<u64> = regressions.into_iter().chain(seeds).collect();
    let seeds = match seconds {
        Some(seconds) => Seeds::While { listed, from, within: Duration::from_secs(seconds), at_least },
        None => Seeds::Listed(listed),
    };
    Batch { seeds, twice, minimise, skip, jobs: jobs.unwrap_or_else(cores) }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(feature = "planted-bugs")]
fn hunt(args: &Args) -> ExitCode {
    super::hunt::run(args.bug.as_deref(), args.jobs.unwrap_or_else(cores))
}

#[cfg(not(feature = "planted-bugs"))]
fn hunt(args: &Args) -> ExitCode {
    eprintln!("no bug is planted here, not even {:?}: build with the feature planted-bugs", args.bug);
    ExitCode::from(2)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a number"))
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or_else(|| format!("{text:?} is not a range like 0..100"))?;
    Ok(number(from)?..number(to)?)
}

fn listed(path: &str) -> Result<Vec<u64>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let seeds = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    seeds.filter(|line| !line.is_empty()).map(number).collect()
}

fn list_faults(seed: u64) -> ExitCode {
    for (number, fault) in Options::draw(seed).faults.iter().enumerate() {
        println!("{number:>3} at {:>6} ms for {:>5} ms: {:?}", fault.at, fault.lasts, fault.what);
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn words(line: &str) -> impl Iterator<Item = String> {
        line.split(' ').map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn a_command_line_without_work_or_with_unknown_words_is_refused() {
        for line in ["--twice", "--seeds 3", "--seed x", "--seconds", "--what"] {
            assert!(parse(words(line)).is_err(), "{line:?} was taken");
        }
        assert_eq!(parse(words("--seeds 3..5 --seed 9")).expect("it is right").seeds, [3, 4, 9]);
    }
}
