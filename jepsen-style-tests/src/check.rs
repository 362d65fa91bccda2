//! `jst check DIR`: a run's directory judged again, at any time and anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::checker::{Case, CrashMarker, Evidence, Judged, Verdict, check};
use crate::history::{Event, EventKind, RunInfo, Save, SaveEvent};

/// Logical processes of submissions through a FailStore count from here.
const FIRST_OF_SAVES: u64 = 1 << 40;

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The run's directory.
    dir: PathBuf,
    /// Write `report.html` beside the results.
    #[arg(long)]
    report: bool,
}

impl Check {
    /// 0 is valid, 1 invalid, 2 unknown.
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        Ok(exit_code(judge(&self.dir, self.report)?))
    }
}

/// As the verdict is told to scripts.
pub(crate) fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Valid => ExitCode::SUCCESS,
        Verdict::Invalid => ExitCode::from(1),
        Verdict::Unknown | Verdict::NotExercised => ExitCode::from(2),
    }
}

/// Judges a run's directory: prints a table of the rules, writes `results.json` and, if wanted, `report.html`.
///
/// # Errors
/// If there is no run that can be read, or the results cannot be written.
pub(crate) fn judge(dir: &Path, report: bool) -> anyhow::Result<Verdict> {
    let evidence = load(dir)?;
    let case = Case::new(&evidence);
    let (verdict, judged) = check(&case);
    print!("{}", table(verdict, &judged));
    let path = dir.join("results.json");
    let mut file = fs::File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    serde_json::to_writer_pretty(&mut file, &results(&evidence, verdict, &judged))?;
    file.write_all(b"\n")?;
    if report {
        let path = dir.join("report.html");
        let html = crate::report::render(&case, verdict, &judged);
        fs::write(&path, html).with_context(|| format!("writing {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(verdict)
}

/// `results.json`.
#[derive(Debug, Serialize)]
struct Results<'a> {
    verdict: Verdict,
    run: &'a RunInfo,
    rules: Vec<RuleResult<'a>>,
}

#[derive(Debug, Serialize)]
struct RuleResult<'a> {
    id: &'a str,
    name: &'a str,
    promise: &'a str,
    verdict: Verdict,
    checked: u64,
    violations: u64,
    counts: &'a BTreeMap<String, u64>,
    examples: &'a [String],
    doubts: &'a [String],
}

fn results<'a>(evidence: &'a Evidence, verdict: Verdict, judged: &'a [Judged]) -> Results<'a> {
    let rules = judged.iter().map(|Judged { rule, finding }| RuleResult {
        id: rule.id,
        name: rule.name,
        promise: rule.promise,
        verdict: finding.verdict(),
        checked: finding.checked,
        violations: finding.violations,
        counts: &finding.counts,
        examples: &finding.examples,
        doubts: &finding.doubts,
    });
    Results { verdict, run: &evidence.info, rules: rules.collect() }
}

pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::NotExercised => "not exercised",
        Verdict::Unknown => "unknown",
        Verdict::Invalid => "INVALID",
    }
}

/// One line a rule, then the worst example or doubt of those that are not valid.
pub(crate) fn table(verdict: Verdict, judged: &[Judged]) -> String {
    let mut text = String::new();
    for Judged { rule, finding } in judged {
        let counts: Vec<String> = finding.counts.iter().map(|(what, n)| format!("{n} {what}")).collect();
        text += &format!("{:<3} {:<22} {:<13} ", rule.id, rule.name, word(finding.verdict()));
        text += &format!("{:>7} checked  {}\n", finding.checked, counts.join(", "));
        if finding.violations > 0 {
            text += &format!("    {} violations, the first: {}\n", finding.violations, finding.examples[0]);
        }
        if let (false, Some(doubt)) = (finding.verdict() == Verdict::Valid, finding.doubts.first()) {
            text += &format!("    unknown because: {doubt}\n");
        }
    }
    text + &format!("verdict: {}\n", word(verdict))
}

/// # Errors
/// When the directory has no `run.json` that can be read: without it nothing is known of the run.
fn load(dir: &Path) -> anyhow::Result<Evidence> {
    let path = dir.join("run.json");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let info: RunInfo = serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    let mut unreadable = Vec::new();
    let mut history: Vec<Event> = lines(&dir.join("history.jsonl"), Missing::IsWrong, &mut unreadable);
    let execs = lines(&dir.join("exec.jsonl"), Missing::IsEmpty, &mut unreadable);
    let effects = lines(&dir.join("effects.jsonl"), Missing::IsEmpty, &mut unreadable);
    let heard = lines(&dir.join("heard.jsonl"), Missing::IsEmpty, &mut unreadable);
    let faults = lines(&dir.join("nemesis.jsonl"), Missing::IsEmpty, &mut unreadable);
    let saves: Vec<Save> = lines(&dir.join("saves.jsonl"), Missing::IsEmpty, &mut unreadable);
    let digests = lines(&dir.join("digests.jsonl"), Missing::IsEmpty, &mut unreadable);
    history.extend(as_operations(&saves));
    history.sort_by_key(|event| event.t);
    let mut logs = BTreeMap::new();
    let mut crashes = Vec::new();
    for node in &info.nodes {
        let of_node = dir.join("nodes").join(node);
        let log = lines(&of_node.join("log.jsonl"), Missing::IsWrong, &mut unreadable);
        logs.insert(node.clone(), log);
        for name in ["jobtracker.log", "stderr.log"] {
            crashes.extend(crash_markers(node, &of_node.join(name)));
        }
    }
    for (name, log) in task_trackers(dir) {
        crashes.extend(crash_markers(&name, &log));
    }
    Ok(Evidence { info, history, execs, effects, heard, faults, saves, logs, digests, crashes, unreadable })
}

/// To all other rules a submission through a FailStore is a submit whose outcome nobody knows: it may be done long after
/// its answer.
fn as_operations(saves: &[Save]) -> Vec<Event> {
    let invoked = saves.iter().filter(|save| save.ev == SaveEvent::Invoke);
    let events = invoked.zip(FIRST_OF_SAVES..).flat_map(|(save, p)| {
        let event = |kind, v| Event {
            t: save.t,
            p,
            kind,
            f: "submit".into(),
            req: format!("save-{}", save.task),
            job: Some(save.task.clone()),
            node: None,
            v,
            pos: None,
            rdx: None,
            err: None,
        };
        let asked = serde_json::json!({ "spec": save.spec });
        [event(EventKind::Invoke, asked), event(EventKind::Info, serde_json::Value::Null)]
    });
    events.collect()
}

/// The names and the logs of the TaskTrackers.
fn task_trackers(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(dir.join("nodes")).into_iter().flatten().flatten();
    let logs = entries.map(|entry| {
        (entry.file_name().to_string_lossy().into_owned(), entry.path().join("tasktracker.log"))
    });
    let mut logs: Vec<_> = logs.filter(|(_, log)| log.exists()).collect();
    logs.sort();
    logs
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsWrong,
    IsEmpty,
}

fn lines<T: DeserializeOwned>(path: &Path, missing: Missing, unreadable: &mut Vec<String>) -> Vec<T> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let absent = error.kind() == std::io::ErrorKind::NotFound;
            if !absent || missing == Missing::IsWrong {
                unreadable.push(format!("{}: {error}", path.display()));
            }
            return Vec::new();
        }
    };
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let read = numbered.filter_map(|(i, line)| match serde_json::from_str(line) {
        Ok(value) => Some(value),
        Err(error) => {
            unreadable.push(format!("{}:{}: {error}", path.display(), i + 1));
            None
        }
    });
    read.collect()
}

/// What only a crash writes to standard error.
fn crash_markers(node: &str, path: &Path) -> Vec<CrashMarker> {
    let Ok(bytes) = fs::read(path) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    let marked = text.lines().filter(|line| {
        line.contains("panicked at") || line.contains("assertion failed") || line.contains("Fatal(")
    });
    marked.map(|line| CrashMarker { node: node.to_owned(), line: line.chars().take(500).collect() }).collect()
}
