//! The product's stories are its contract by example: `src/machine/testdata`. The model, which shares no code with the
//! product, must tell each of them in the same words: the replies, and what `show job` says of each run.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::checker::command::Command;
use crate::checker::model::{Model, State};
use crate::checker::reply::{ActAnswer, CancelAnswer, CompleteAnswer, Fate, Reply, SubmitAnswer};
use crate::checker::words::{At, Id, RunRef};

/// What the model says it does not follow; of requests that come again it cannot tell whether they are the same, since no log
/// export shows payloads. No workload updates jobs, pauses groups, drains TaskTrackers or asks for alarms, so the model knows
/// nothing of those; nor does it keep the job log, the history of nodes and what waits to be told, of which the stories here
/// tell. That each end is told is judged apart (`checker/feedback.rs`).
const BEYOND: &[&str] = &[
    "a_millisecond_after_an_hour.story",
    "alarms.story",
    "drain_and_slots.story",
    "e5_a_group_in_use_is_not_deleted.story",
    "expiry.story",
    "job_log.story",
    "job_log_retention.story",
    "node_history.story",
    "pause_a_group.story",
    "suspend_and_update.story",
    "update_a_schedule.story",
    "update_keys_and_ends.story",
    "update_moves_a_job.story",
    "w10_w18_w21_feedback.story",
    "w14_update.story",
    "w15_requests.story",
];

#[test]
fn the_model_tells_every_story_as_the_product_does() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/machine/testdata");
    let (mut replies, mut shown, mut stories) = (0, 0, 0);
    let mut names: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().path()).collect();
    names.sort();
    for path in names.iter().filter(|path| path.extension().is_some_and(|end| end == "story")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if BEYOND.contains(&name) {
            continue;
        }
        let mut story = Story { name, ..Story::default() };
        std::fs::read_to_string(path).unwrap().lines().for_each(|line| story.line(line));
        replies += story.replies;
        shown += story.shown;
        stories += 1;
    }
    println!("{stories} stories, {replies} replies, {shown} runs shown");
    assert!(stories >= 29 && replies >= 400 && shown >= 150, "{stories} {replies} {shown}");
}

#[derive(Default)]
struct Story<'a> {
    name: &'a str,
    model: Model,
    index: u64,
    sessions: BTreeMap<String, String>,
    clients: BTreeMap<String, String>,
    replies: usize,
    shown: usize,
}

impl Story<'_> {
    fn line(&mut self, line: &str) {
        if let Some(shown) = line.strip_prefix("    | ") {
            return self.show(shown);
        }
        let Some((script, told)) = line.strip_prefix("at ").and_then(|line| line.split_once(" -> ")) else {
            assert!(!line.starts_with("at ") && !line.starts_with("repeat "), "{}: {line}", self.name);
            return;
        };
        let (at, commands) = script.split_once(' ').unwrap();
        self.index += 1;
        self.model.enter(self.index, at.parse().unwrap());
        let mut words = Vec::new();
        for script in commands.split(" + ") {
            let command = self.command(script);
            let written_down = matches!(command, Command::BizLog(_)).then_some(Reply::Done {});
            let bad = told.contains("limits refused").then(|| Reply::refused("bad_limits"));
            let refused =
                bad.or(told.contains("limits were changed").then(|| Reply::refused("limits_changed")));
            // An act before it in the entry may have written a line of the job log, whose id the model does not make.
            let pushed = matches!(command, Command::Dispatch { .. }).then(|| pushed(told)).flatten();
            let recorded = written_down.or(refused).or(pushed);
            let reply = self.model.apply(&command, recorded.as_ref());
            let reply = reply.unwrap_or_else(|beyond| panic!("{}: {line}: {beyond}", self.name));
            self.remember(script, &reply);
            words.extend(tell(&reply));
            self.replies += 1;
        }
        // The one refusal whose text has a comma.
        let told = told.replace(", not the expected one", "");
        let told: Vec<String> = told.split(", ").map(without_payload).collect();
        let told: Vec<String> =
            told.into_iter().take(words.len()).map(|word| without_reason(&reason(&word))).collect();
        assert_eq!(words, told, "{}: {line}", self.name);
    }

    /// `2.0/1 due 3000 rev 1 executing 13.0 on w1`: the state of a run.
    fn show(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [run, "due", due, "rev", _, state, ..] = words[..] else { return };
        let at: RunRef = run.parse().unwrap();
        let run = self.model.jobs[&at.job].runs.get(&at.number);
        let run = run.unwrap_or_else(|| panic!("{}: {line}: no such run", self.name));
        let word = match run.state {
            State::Waiting { .. } => "waiting",
            State::Ready => "ready",
            State::Executing(_) => "executing",
            State::Suspended { .. } => "suspended",
            State::Ended(fate) => fate_word(fate),
        };
        let state = state.trim_end_matches(',');
        assert_eq!((word, run.due.to_string().as_str()), (state, due), "{}: {line}", self.name);
        self.shown += 1;
    }

    fn remember(&mut self, script: &str, reply: &Reply) {
        let name = script.split_whitespace().nth(1).unwrap_or_default().to_owned();
        match reply {
            Reply::Online(session) => drop(self.sessions.insert(name, session.to_string())),
            Reply::ClientOpened(client) => drop(self.clients.insert(name, client.to_string())),
            _ => {}
        }
    }

    fn command(&self, script: &str) -> Command {
        let words: Vec<&str> = script.split_whitespace().collect();
        let (verb, rest) = (words[0], &words[1..]);
        let session = |name: &str| self.sessions.get(name).cloned().unwrap_or(name.to_owned());
        let request = self.request(rest);
        let command = match verb {
            "open" => json!({"client_open": {"identity": rest[0]}}),
            "submit" => {
                let jobs: Vec<Value> = rest.split(|word| *word == ",").map(spec).collect();
                json!({"submit": {"request": request, "jobs": jobs}})
            }
            "cancel" => {
                json!({"cancel": {"request": request, "job": job(rest[0])}})
            }
            "suspend" | "resume" | "trigger" | "delete" => {
                let expected_revision = option(rest, "expect").map_or(0, number);
                json!({verb: {"request": request, "job": job(rest[0]), "expected_revision": expected_revision}})
            }
            "retry" if rest[0].parse::<RunRef>().is_err() => {
                json!({"retry": {"request": request, "run": null, "last_dead_of": job(rest[0])}})
            }
            "terminate" | "retry" => json!({verb: {"request": request, "run": rest[0]}}),
            "online" => json!({"tracker_online": {
                "node_group": rest[1], "identity": rest[0], "start": option(rest, "start").unwrap_or("1"),
                "capacity": number(rest[2]), "kinds": list(option(rest, "kinds")), "holds": list(option(rest, "holds")),
            }}),
            "offline" => json!({"tracker_offline": {"session": session(rest[0])}}),
            "dispatch" => json!({"dispatch": {"session": session(rest[0]), "want": number(rest[1])}}),
            "return" => json!({"return": {
                "executions": list(Some(rest[0])), "began": rest[1..].contains(&"began"),
            }}),
            "complete" => {
                let result = |words: &[&str]| json!({"execution": words[0], "action": words[1], "retry_after_ms": option(words, "after").map(number)});
                let results: Vec<Value> = rest.split(|word| *word == ",").map(result).collect();
                json!({"complete": {"results": results}})
            }
            "reclaim" => {
                let reason = if rest.contains(&"timed-out") { "timed_out" } else { "unknown" };
                json!({"reclaim": {"executions": list(Some(rest[0])), "reason": reason}})
            }
            "plan" => json!({"plan": plan(rest)}),
            "tick" => json!({"tick": {}}),
            "log" => json!({"biz_log": {"execution": rest[0], "lines": 1}}),
            "expire" => json!({"expire": {}}),
            "stats" | "sample" | "node-sample" => json!({"stats": {}}),
            "limits" => json!({"set_limits": {"reclaims_max": option(rest, "reclaims").map(number)}}),
            _ => panic!("{}: {verb:?} is no verb", self.name),
        };
        serde_json::from_value(command.clone())
            .unwrap_or_else(|why| panic!("{}: {command}: {why}", self.name))
    }

    fn request(&self, words: &[&str]) -> Value {
        if let Some(id) = option(words, "id") {
            return json!({"id": id});
        }
        let Some((client, sequence)) = option(words, "req").and_then(|req| req.split_once(':')) else {
            return Value::Null;
        };
        let client = self.clients.get(client).map_or(client, String::as_str);
        json!({"client": client, "sequence": number(sequence)})
    }
}

/// The executions that a dispatch made, as the story tells them; the model takes nothing but their ids from it.
fn pushed(told: &str) -> Option<Reply> {
    let push = |told: &str| {
        let (execution, rest) = told.strip_prefix("push ")?.split_once(" of ")?;
        let run = rest.split_whitespace().next()?;
        Some(json!({
            "execution": execution, "run": run, "task_id": "", "due": "1970-01-01T00:00:00.000Z", "attempt": 1,
            "retries": 0, "reclaims": 0,
        }))
    };
    let pushes: Vec<Value> = told.split(", ").filter_map(push).collect();
    let recorded = json!({"dispatched": {"session": "0.0", "pushes": pushes}});
    Some(serde_json::from_value(recorded).unwrap_or_else(|why| panic!("{told}: {why}")))
}

fn job(word: &str) -> Value {
    match word.split_once('/') {
        Some((group, task)) => json!({"node_group": group, "task_id": task}),
        None => json!({"id": word}),
    }
}

fn option<'a>(words: &[&'a str], name: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

fn number(text: &str) -> u64 {
    text.parse().unwrap()
}

fn list(text: Option<&str>) -> Vec<&str> {
    text.unwrap_or_default().split(',').filter(|one| !one.is_empty()).collect()
}

fn time(ms: &str) -> String {
    At(ms.parse().unwrap()).to_string()
}

fn spec(words: &[&str]) -> Value {
    let mut spec = json!({
        "task_id": words[0], "node_group": words[1], "kind": option(words, "kind").unwrap_or("k"),
        "priority": option(words, "priority").map_or(100, number),
        "max_retries": option(words, "retries").map_or(0, number),
        "backoff": {"fixed_ms": option(words, "delay").map_or(30_000, number)},
        "rely_on_prev_cycle": !words.contains(&"norely"),
        "misfire_after_ms": option(words, "misfire_after").map_or(60_000, number),
        "start_deadline_ms": option(words, "deadline").map(number),
        "job_type": "real_time",
        "misfire": match option(words, "misfire") {
            Some("skip") => json!("skip"),
            Some("once") | None => json!("run_once_late"),
            Some(n) => json!({"catch_up": number(n)}),
        },
        "on_conflict": match (words.contains(&"replace"), words.contains(&"reject")) {
            (true, _) => "replace",
            (_, true) => "reject",
            (false, false) => "ignore",
        },
    });
    let mut set = |name: &str, value: Value| spec[name] = value;
    if let Some(at) = option(words, "at") {
        set("job_type", json!("trigger_time"));
        set("due", json!(time(at)));
    } else if let Some(every) = option(words, "every") {
        set("job_type", json!("repeat"));
        set("interval_ms", json!(number(every)));
        set("count", json!(option(words, "count").map(number)));
        set("first", json!(option(words, "first").map(time)));
    } else if words.contains(&"cron") {
        set("job_type", json!("cron"));
        set("expression", json!("* * * * * ?"));
    }
    spec
}

fn plan(words: &[&str]) -> Value {
    let range = |range: &str| {
        let (range, count) = range.split_once('*').unwrap();
        let (first, last) = range.split_once("..").unwrap();
        json!({"from": time(first), "to": time(last), "count": number(count)})
    };
    let [skipped, suspended] = ["skip", "suspended"].map(|name| option(words, name).map(range));
    let resumed = option(words, "resumed").map(time);
    let instants: Vec<String> = list(option(words, "instants")).into_iter().map(time).collect();
    json!({
        "job": words[0], "revision": option(words, "rev").map_or(1, number), "skipped": skipped,
        "resumed": resumed, "suspended": suspended,
        "after": time(option(words, "after").unwrap()), "instants": instants, "ended": words.contains(&"ended"),
    })
}

/// The reply in the words of a transcript, one for each of its parts.
fn tell(reply: &Reply) -> Vec<String> {
    let one = |text: String| vec![text];
    match reply {
        Reply::Done {} => one("ok".into()),
        Reply::ClientOpened(id) => one(format!("client {id}")),
        Reply::Online(id) => one(format!("session {id}")),
        Reply::Terminating(id) => one(format!("terminating {id}")),
        Reply::Retried(run) => one(format!("retried as {run}")),
        Reply::FeedbackMoved(count) => one(format!("{count} moved")),
        Reply::Refused(refusal) => one(format!("refused: {}", refusal.reason)),
        Reply::Submitted(answers) => answers.iter().map(tell_submit).collect(),
        Reply::Cancelled(answer) => one(match answer {
            CancelAnswer::Cancelled(id) => format!("CANCELLED {id}"),
            CancelAnswer::CancelRequested(id) => format!("CANCEL_REQUESTED {id}"),
            CancelAnswer::AlreadyFinished { job, fate } => {
                format!("ALREADY_FINISHED {job} {}", fate_word(*fate))
            }
            CancelAnswer::NotFound => "NOT_FOUND".into(),
        }),
        Reply::Acted(answer) => one(tell_act(answer)),
        Reply::Completed(answers) => {
            let word = |answer: &CompleteAnswer| match answer {
                CompleteAnswer::Accepted => "accepted".into(),
                CompleteAnswer::Stale => "stale".into(),
            };
            answers.iter().map(word).collect()
        }
        Reply::Dispatched { pushes, .. } if pushes.is_empty() => one("nothing".into()),
        Reply::Dispatched { pushes, .. } => pushes
            .iter()
            .map(|push| {
                let text = format!("push {} of {} due {}", push.execution, push.run, push.due.0);
                match push.attempt {
                    1 => text,
                    n => text + &format!(" attempt {n} retries {} reclaims {}", push.retries, push.reclaims),
                }
            })
            .collect(),
    }
}

fn tell_submit(answer: &SubmitAnswer) -> String {
    match answer {
        SubmitAnswer::Accepted(id) => format!("accepted {id}"),
        SubmitAnswer::Exists(id) => format!("exists {id}"),
        SubmitAnswer::Conflict(id) => format!("conflict {id}"),
        SubmitAnswer::Replaced { job, revision } => format!("replaced {job} rev {revision}"),
        SubmitAnswer::Refused(refusal) => format!("refused: {refusal}"),
    }
}

fn tell_act(answer: &ActAnswer) -> String {
    let word = answer.word().to_uppercase();
    match answer {
        ActAnswer::StillExecuting(run) => format!("STILL_EXECUTING {run}"),
        ActAnswer::AlreadyFinished { job, fate } => format!("{word} {job} {}", fate_word(*fate)),
        ActAnswer::Triggered(run) | ActAnswer::AlreadyReady(run) | ActAnswer::AlreadyRunning(run) => {
            format!("{word} {run}")
        }
        _ => answer.job().map_or(word.clone(), |job| format!("{word} {job}")),
    }
}

fn fate_word(fate: Fate) -> &'static str {
    match fate {
        Fate::Succeeded => "succeeded",
        Fate::Failed => "failed",
        Fate::Dead => "dead",
        Fate::Cancelled => "cancelled",
        Fate::Skipped => "skipped",
    }
}

fn without_payload(word: &str) -> String {
    word.split(" payload ").next().unwrap_or_default().to_owned()
}

/// `ALREADY_FINISHED 8.0 skipped DeadlinePassed 1 to 7000`: why it was skipped is not the model's.
fn without_reason(word: &str) -> String {
    let words = if word.starts_with("ALREADY_FINISHED") { 3 } else { usize::MAX };
    word.split(' ').take(words).collect::<Vec<_>>().join(" ")
}

/// A refusal's text as its reason.
fn reason(word: &str) -> String {
    let Some(text) = word.strip_prefix("refused: ") else { return word.to_owned() };
    let reasons = [
        ("too old", "request_too_old"),
        ("client session", "unknown_client"),
        ("current one", "unknown_session"),
        ("unknown or expired", "unknown_run"),
        ("is not executing", "not_executing"),
        ("has not finished", "still_live"),
        ("same task id", "key_taken"),
        ("is outdated", "plan_outdated"),
        ("another kind", "request_mismatch"),
        ("has revision", "revision_differs"),
        ("no such job", "unknown_job"),
        ("is dead", "no_dead_run"),
        ("live runs already", "too_many_live"),
        ("limits refused", "bad_limits"),
        ("limits were changed", "limits_changed"),
    ];
    let reason = reasons.iter().find(|(part, _)| text.contains(part)).unwrap_or_else(|| panic!("{text}"));
    format!("refused: {}", reason.1)
}

#[test]
fn an_id_is_made_once_in_an_entry() {
    let mut model = Model::default();
    model.enter(7, 0);
    let open = Command::ClientOpen {};
    let ids: Vec<Reply> = (0..3).map(|_| model.apply(&open, None).unwrap()).collect();
    assert_eq!(ids, [0, 1, 2].map(|ordinal| Reply::ClientOpened(Id::new(7, ordinal))));
}
