//! A small cluster that does everything right, drawn from a seed: its evidence must be found valid, and every lie about
//! it must not. The model stands in for the machine, so what this proves is that rules fire, not that the model is right;
//! the stories do that.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::written::reply_json;
use crate::checker::command::{Command, JobType};
use crate::checker::evidence::Evidence;
use crate::checker::model::{Model, Settled, State};
use crate::checker::reply::{CancelAnswer, Push, Reply, SubmitAnswer};
use crate::checker::words::{At, Id, RunRef};
use crate::history::{
    Applied, AppliedCommand, Effect, Event, EventKind, Exec, ExecEvent, Fault, FaultEdge, FaultOutcome,
    Heard, RunInfo, Save, SaveEvent,
};

/// The monotonic clock when the world begins.
const START_NS: u64 = 5_000_000_000;
/// The wall clock at that moment, milliseconds since 1970.
const EPOCH_MS: i64 = 1_800_000_000_000;
pub(super) const NODES: [&str; 3] = ["n1", "n2", "n3"];
const TRACKERS: [&str; 2] = ["w1", "w2"];

pub(super) struct World {
    rng: u64,
    /// Milliseconds since the world began.
    ms: i64,
    index: u64,
    term: u64,
    model: Model,
    entries: Vec<Applied>,
    history: Vec<Event>,
    execs: Vec<Exec>,
    effects: Vec<Effect>,
    heard: Vec<Heard>,
    faults: Vec<Fault>,
    process: u64,
    names: u64,
    jobs: Vec<(String, Id)>,
    sessions: BTreeMap<&'static str, Id>,
    running: BTreeMap<Id, Running>,
    /// The highest token that the outside store accepted of each run.
    fences: BTreeMap<RunRef, u64>,
    crons: Vec<Cron>,
    paused: Option<&'static str>,
    /// The machine's time at the last submit.
    submitted_at: i64,
}

#[derive(Clone)]
struct Running {
    tracker: &'static str,
    push: Push,
    until: i64,
    fails: bool,
}

struct Cron {
    id: Id,
    after: i64,
}

/// The evidence of a world that lived some seconds.
pub(super) fn honest(seed: u64) -> Evidence {
    let world = World {
        rng: seed,
        ms: 0,
        index: 0,
        term: 1,
        model: Model::default(),
        entries: Vec::new(),
        history: Vec::new(),
        execs: Vec::new(),
        effects: Vec::new(),
        heard: Vec::new(),
        faults: Vec::new(),
        process: 0,
        names: 0,
        jobs: Vec::new(),
        sessions: BTreeMap::new(),
        running: BTreeMap::new(),
        fences: BTreeMap::new(),
        crons: Vec::new(),
        paused: None,
        submitted_at: 0,
    };
    world.live()
}

/// Every second submit of one job was one through a FailStore, and every fourth was answered as saved.
fn saves(history: &[Event]) -> Vec<Save> {
    let submitted = |event: &&Event| {
        event.kind == EventKind::Ok && event.f == "submit" && event.v["answer"].get("accepted").is_some()
    };
    let mut saves = Vec::new();
    for (n, answer) in history.iter().filter(submitted).enumerate().filter(|(n, _)| n % 2 == 0) {
        let asked = history.iter().find(|event| event.req == answer.req).expect("an answer has a question");
        let line = |t, ev| Save {
            t,
            client: "c1".into(),
            task: answer.job.clone().unwrap_or_default(),
            ev,
            spec: Value::Null,
            err: None,
        };
        let ev = if n % 4 == 0 { SaveEvent::Saved } else { SaveEvent::Committed };
        saves.extend([line(asked.t, SaveEvent::Invoke), line(answer.t, ev)]);
    }
    saves
}

impl World {
    fn live(mut self) -> Evidence {
        TRACKERS.iter().for_each(|tracker| self.online(tracker, 1));
        let cron = json!({"job_type": "cron", "expression": "* * * * * ?", "zone": "UTC", "rely_on_prev_cycle": false});
        let cron = self.submit(&cron);
        self.crons.push(Cron { id: cron, after: self.submitted_at });
        self.submit(
            &json!({"job_type": "repeat", "interval_ms": 400, "count": 3, "rely_on_prev_cycle": false}),
        );
        (0..60).for_each(|_| self.step());
        let quiet = self.ms;
        self.leader_dies();
        (0..40).for_each(|_| self.step());
        self.zombie();
        (0..40).for_each(|_| self.step());
        let healed = self.ms;
        self.submit(&json!({"job_type": "real_time"}));
        // What was disturbed settles; then it is calm for long enough that lateness counts again.
        for _ in 0..70 {
            self.ms += 300;
            self.lead();
        }
        // An instant falls due, and the cancel shares its entry with the tick that would have made it a run.
        self.ms = (self.ms / 1000 + 1) * 1000 + 5;
        self.cancel(cron, "t1");
        (0..40).for_each(|_| self.step());
        self.told_to_stop();
        self.drain();
        self.rested();
        self.drain();
        self.replaced_and_cancelled();
        self.drain();
        self.list_real_time();
        let (task, id) = self.any_job();
        for _ in 0..2 {
            let asked = json!({"job_id": id.to_string(), "consistency": "stale"});
            self.operate("get", &task, NODES[2], asked, None);
        }
        for node in NODES {
            self.submit_through(&json!({"job_type": "real_time"}), node);
            self.drain();
            let jobs = self.jobs.clone();
            jobs.iter().for_each(|(task, id)| self.get(task, *id, node));
        }
        self.listen();
        let drained = self.ms;
        self.pass(1, 5);
        let periodic: Vec<(String, Id)> = self.jobs[..2].to_vec();
        periodic.iter().for_each(|(task, id)| self.read_ledger(task, *id));
        self.evidence(quiet, healed, drained)
    }

    fn evidence(self, quiet: i64, healed: i64, drained: i64) -> Evidence {
        let ns = |ms: i64| START_NS + u64::try_from(ms).unwrap() * 1_000_000;
        let info = RunInfo {
            workload: "golden".into(),
            nemeses: vec!["kill".into(), "pause".into()],
            seed: 1,
            time_s: 10,
            version: "0".into(),
            config_hash: "0".into(),
            default_config_hash: "0".into(),
            settings: Vec::new(),
            stalled_ms: 0,
            filesystem: "ext4".into(),
            started_at: At(EPOCH_MS).to_string(),
            started_ns: START_NS,
            faults_from_ns: ns(quiet),
            healed_ns: ns(healed),
            drained_ns: ns(drained),
            undrained: Vec::new(),
            nodes: NODES.map(str::to_owned).to_vec(),
            rerun: "none".into(),
        };
        let saves = saves(&self.history);
        Evidence {
            info,
            saves,
            history: self.history,
            execs: self.execs,
            effects: self.effects,
            heard: self.heard,
            faults: self.faults,
            logs: NODES.map(|node| (node.to_owned(), self.entries.clone())).into(),
            digests: Vec::new(),
            crashes: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    fn chance(&mut self, below: u64) -> u64 {
        self.rng = self.rng.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.rng;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % below
    }

    fn pass(&mut self, from: i64, to: i64) {
        self.ms += from + i64::try_from(self.chance(u64::try_from(to - from).unwrap())).unwrap();
    }

    fn wall(&self) -> i64 {
        EPOCH_MS + self.ms
    }

    fn t(&self) -> u64 {
        START_NS + u64::try_from(self.ms).unwrap() * 1_000_000
    }

    fn commit(&mut self, commands: Vec<Value>) -> Vec<Reply> {
        self.index += 1;
        self.model.enter(self.index, self.wall());
        let mut replies = Vec::new();
        let mut applied = Vec::new();
        for command in commands {
            let read: Command =
                serde_json::from_value(command.clone()).expect("the world writes what can be read");
            let reply = self.model.apply(&read, None).expect("the world stays within the model");
            applied.push(AppliedCommand { command, reply: Some(reply_json(&reply)) });
            replies.push(reply);
        }
        let digest = Some(format!("{:016x}", self.index * 7919));
        let at = At(self.wall()).to_string();
        self.entries.push(Applied { index: self.index, term: self.term, at, digest, commands: applied });
        replies
    }

    /// An operation of a client from its call to its answer.
    fn operate(
        &mut self,
        f: &str,
        job: &str,
        node: &str,
        asked: Value,
        command: Option<Value>,
    ) -> Option<Reply> {
        self.process += 1;
        let mut event = Event {
            t: self.t(),
            p: self.process % 8,
            kind: EventKind::Invoke,
            f: f.into(),
            req: format!("r{}", self.process),
            job: Some(job.into()),
            node: Some(node.into()),
            v: asked,
            pos: None,
            rdx: None,
            err: None,
        };
        self.history.push(event.clone());
        self.pass(1, 5);
        let reply = command.map(|mut command| {
            let body = command.as_object_mut().and_then(|command| command.values_mut().next());
            body.expect("a command has a body")["request"] = json!({"id": event.req});
            let with_tick = [command.clone(), json!({"tick": {}})];
            let commands = if f == "cancel" { &with_tick[..] } else { &with_tick[..1] };
            let reply = self.commit(commands.to_vec()).remove(0);
            self.submitted_at = self.wall();
            event.pos = Some(self.index);
            if self.chance(8) == 0 {
                self.commit(vec![command]);
            }
            reply
        });
        event.v = match &reply {
            Some(reply) => answer(reply),
            None => {
                event.rdx = Some(self.index);
                self.shown(event.v.get("job_id").and_then(Value::as_str).expect("reads are by id"))
            }
        };
        self.pass(1, 5);
        event.t = self.t();
        event.kind = EventKind::Ok;
        self.history.push(event);
        reply
    }

    fn shown(&self, id: &str) -> Value {
        let id: Id = id.parse().unwrap();
        match self.model.shown_state(id) {
            Some(state) => {
                json!({"job": {"job_id": id.to_string(), "state": state.to_uppercase()}, "runs": []})
            }
            None => json!({"job": {"job_id": id.to_string()}, "runs": []}),
        }
    }

    fn submit(&mut self, what: &Value) -> Id {
        let node = NODES[usize::try_from(self.chance(3)).unwrap()];
        self.submit_through(what, node)
    }

    fn submit_through(&mut self, what: &Value, node: &str) -> Id {
        self.names += 1;
        let task = format!("t{}", self.names);
        let mut spec = json!({"task_id": task, "node_group": "g", "kind": "k", "backoff": {"fixed_ms": 50}});
        if self.names.is_multiple_of(2) {
            (spec["submit_node_group"], spec["need_feedback"]) = (json!("ears"), json!(true));
        }
        for (name, value) in what.as_object().expect("an object") {
            spec[name] = value.clone();
        }
        let command = json!({"submit": {"request": null, "jobs": [spec]}});
        let reply = self.operate("submit", &task, node, json!({"spec": spec}), Some(command));
        let Some(Reply::Submitted(answers)) = reply else { panic!("{reply:?}") };
        let SubmitAnswer::Accepted(id) = answers[0] else { panic!("{answers:?}") };
        self.jobs.push((task, id));
        id
    }

    fn cancel(&mut self, id: Id, task: &str) {
        let command = json!({"cancel": {"request": null, "job": {"id": id.to_string()}}});
        let asked = json!({"job_id": id.to_string()});
        let reply = self.operate("cancel", task, NODES[0], asked, Some(command));
        if let Some(Reply::Cancelled(CancelAnswer::CancelRequested(_))) = reply {
            let stopped: Vec<Id> =
                self.running.iter().filter(|(_, run)| run.push.run.job == id).map(|(id, _)| *id).collect();
            for execution in stopped {
                let running = self.running[&execution].clone();
                if self.paused != Some(running.tracker) {
                    self.saw(&running, ExecEvent::Interrupted);
                }
            }
        }
    }

    fn get(&mut self, task: &str, id: Id, node: &str) {
        self.operate("get", task, node, json!({"job_id": id.to_string()}), None);
    }

    /// One page holds it all.
    fn read_ledger(&mut self, task: &str, id: Id) {
        let asked = json!({"job_id": id.to_string(), "page_token": ""});
        let row = |settled: &Settled| {
            let until = At(settled.last()).to_string();
            json!({"planned": At(settled.first()).to_string(), "until": until, "state": "succeeded"})
        };
        let rows: Vec<Value> = self.model.settled(id).iter().map(row).collect();
        self.read("runs", Some(task), asked, json!({"runs": rows, "next_page_token": ""}));
    }

    /// All jobs of one type on one page.
    fn list_real_time(&mut self) {
        let asked = json!({"node_group": "g", "states": [], "job_type": "real_time", "page_token": ""});
        let real_time = self.model.jobs.iter().filter(|(_, job)| job.spec.job_type == JobType::RealTime);
        let shown: Vec<Value> = real_time.map(|(id, _)| self.shown(&id.to_string())["job"].clone()).collect();
        self.read("list", None, asked, json!({"jobs": shown, "next_page_token": ""}));
    }

    fn read(&mut self, f: &str, job: Option<&str>, asked: Value, shown: Value) {
        self.process += 1;
        let mut event = Event {
            t: self.t(),
            p: self.process % 8,
            kind: EventKind::Invoke,
            f: f.into(),
            req: format!("r{}", self.process),
            job: job.map(str::to_owned),
            node: Some(NODES[0].into()),
            v: asked,
            pos: None,
            rdx: None,
            err: None,
        };
        self.history.push(event.clone());
        self.pass(1, 5);
        (event.t, event.kind, event.rdx) = (self.t(), EventKind::Ok, Some(self.index));
        event.v = shown;
        self.history.push(event);
    }

    fn online(&mut self, tracker: &'static str, start: u64) {
        let command = json!({"tracker_online": {
            "node_group": "g", "identity": tracker, "start": start, "capacity": 6, "kinds": [], "holds": [],
        }});
        let Reply::Online(session) = self.commit(vec![command]).remove(0) else { panic!("a session") };
        self.sessions.insert(tracker, session);
    }

    fn step(&mut self) {
        self.pass(5, 40);
        match self.chance(10) {
            0..3 => drop(self.submit(&json!({"job_type": "real_time", "max_retries": 1}))),
            3 => {
                let due = At(self.wall() + 80 + i64::try_from(self.chance(200)).unwrap()).to_string();
                self.submit(&json!({"job_type": "trigger_time", "due": due}));
            }
            4..6 => {
                let (task, id) = self.any_job();
                // The first two are periodic, and are to have their instants.
                if !self.jobs[..2].iter().any(|(_, periodic)| *periodic == id) {
                    self.cancel(id, &task);
                }
            }
            6..8 => {
                let (task, id) = self.any_job();
                self.get(&task, id, NODES[1]);
            }
            _ => {}
        }
        self.lead();
    }

    fn any_job(&mut self) -> (String, Id) {
        let i = self.chance(self.jobs.len() as u64);
        self.jobs[usize::try_from(i).unwrap()].clone()
    }

    /// What a leader does in between: plans, ticks, dispatches; and what TaskTrackers do.
    fn lead(&mut self) {
        self.finish_what_is_over();
        let wall = self.wall();
        for i in 0..self.crons.len() {
            let Cron { id, after } = self.crons[i];
            if after < wall + 3000 && self.model.jobs[&id].lives {
                let instants: Vec<i64> = (1..=5).map(|n| (after.div_euclid(1000) + n) * 1000).collect();
                let told: Vec<String> = instants.iter().map(|at| At(*at).to_string()).collect();
                self.commit(vec![json!({"plan": {
                    "job": id.to_string(), "revision": 1, "after": At(after).to_string(), "instants": told,
                }})]);
                self.crons[i].after = instants[4];
            }
        }
        let trackers = self.sessions.iter().filter(|(tracker, _)| self.paused != Some(**tracker));
        let dispatches =
            trackers.map(|(_, session)| json!({"dispatch": {"session": session.to_string(), "want": 4}}));
        let commands: Vec<Value> = [json!({"tick": {}})].into_iter().chain(dispatches).collect();
        for reply in self.commit(commands) {
            let Reply::Dispatched { session, pushes } = reply else { continue };
            let tracker = *self.sessions.iter().find(|(_, of)| **of == session).expect("a session").0;
            pushes.into_iter().for_each(|push| self.begin(tracker, push));
        }
    }

    fn begin(&mut self, tracker: &'static str, push: Push) {
        let until = self.ms + 10 + i64::try_from(self.chance(150)).unwrap();
        let running = Running { tracker, push, until, fails: self.chance(6) == 0 };
        self.saw(&running, ExecEvent::Begin);
        self.write(&running);
        self.running.insert(running.push.execution, running);
    }

    fn saw(&mut self, running: &Running, ev: ExecEvent) {
        self.execs.push(Exec {
            t: self.t() + 100_000,
            tracker: running.tracker.into(),
            pid: 7,
            job: running.push.task_id.clone(),
            run: running.push.run.to_string(),
            due: running.push.due.to_string(),
            due_ns: running.push.due.0 * 1_000_000,
            wall_ns: self.wall() * 1_000_000,
            attempt: u32::try_from(running.push.attempt).unwrap(),
            execution: running.push.execution.0,
            ev,
        });
    }

    fn write(&mut self, running: &Running) {
        let token = running.push.execution.0;
        let fence = self.fences.entry(running.push.run).or_default();
        let (accepted, max_seen) = (token >= *fence, *fence);
        *fence = token.max(*fence);
        self.effects.push(Effect {
            t: self.t() + 200_000,
            job: running.push.task_id.clone(),
            run: running.push.run.to_string(),
            execution: token,
            accepted,
            max_seen,
        });
    }

    fn finish_what_is_over(&mut self) {
        let over =
            self.running.values().filter(|run| run.until <= self.ms && self.paused != Some(run.tracker));
        let over: Vec<Running> = over.cloned().collect();
        for running in over {
            self.finish(&running);
        }
    }

    fn finish(&mut self, running: &Running) {
        self.running.remove(&running.push.execution);
        self.saw(running, ExecEvent::End);
        let action = if running.fails { "exception" } else { "success" };
        let result = json!({"execution": running.push.execution.to_string(), "action": action});
        self.commit(vec![json!({"complete": {"results": [result]}})]);
    }

    fn fault(&mut self, id: u64, f: FaultEdge, what: &str, target: &str) {
        self.faults.push(Fault {
            t: self.t(),
            id,
            f,
            what: what.into(),
            detail: String::new(),
            targets: vec![target.into()],
            outcome: FaultOutcome::Installed,
        });
    }

    fn leader_dies(&mut self) {
        self.fault(1, FaultEdge::Start, "kill", "n1");
        self.step();
        self.term += 1;
        (0..5).for_each(|_| self.step());
        self.fault(1, FaultEdge::Stop, "kill", "n1");
    }

    /// A TaskTracker is frozen with an execution, loses it, wakes up, and reports it in vain.
    fn zombie(&mut self) {
        self.drain();
        self.submit(&json!({"job_type": "real_time"}));
        let (_, id) = self.jobs.last().cloned().unwrap();
        self.lead();
        let held: Vec<Running> =
            self.running.values().filter(|run| run.push.run.job == id).cloned().collect();
        let tracker = held[0].tracker;
        self.fault(2, FaultEdge::Start, "pause", tracker);
        self.paused = Some(tracker);
        self.pass(400, 600);
        let session = self.sessions.remove(tracker).unwrap();
        let lost: Vec<Running> =
            self.running.values().filter(|run| run.tracker == tracker).cloned().collect();
        self.commit(vec![json!({"tracker_offline": {"session": session.to_string(), "reason": "silent"}})]);
        lost.iter().for_each(|run| drop(self.running.remove(&run.push.execution)));
        (0..6).for_each(|_| self.step());
        self.fault(2, FaultEdge::Stop, "pause", tracker);
        self.paused = None;
        for zombie in &lost {
            self.pass(1, 3);
            self.write(zombie);
            self.finish(zombie);
        }
        self.online(tracker, 1);
    }

    /// Something executes for long, is cancelled, and its TaskTracker is told.
    fn told_to_stop(&mut self) {
        self.drain();
        let id = self.submit(&json!({"job_type": "real_time"}));
        let (task, _) = self.jobs.last().cloned().unwrap();
        self.lead();
        for running in self.running.values_mut().filter(|run| run.push.run.job == id) {
            running.until = self.ms + 5000;
        }
        self.cancel(id, &task);
        self.ms += 6000;
    }

    /// A grid rests, is asked for by hand meanwhile, and goes on; a run is held beyond its time, and its job is deleted.
    fn rested(&mut self) {
        let grid = json!({"job_type": "repeat", "interval_ms": 300, "rely_on_prev_cycle": false});
        let id = self.submit(&grid);
        let (task, _) = self.jobs.last().cloned().unwrap();
        self.wait(650);
        self.act("suspend", id, &task);
        let request = format!("r{}", self.process);
        self.wait(1000);
        self.act("trigger", id, &task);
        self.wait(300);
        self.act("resume", id, &task);
        // The suspend was sent twice, and its second copy was stuck until now.
        let job = json!({"id": id.to_string()});
        self.commit(vec![
            json!({"suspend": {"request": {"id": request}, "job": job, "expected_revision": 0}}),
        ]);
        self.wait(650);
        self.cancel(id, &task);
        let due = At(self.wall() + 500).to_string();
        let id = self.submit(&json!({"job_type": "trigger_time", "due": due}));
        let (task, _) = self.jobs.last().cloned().unwrap();
        self.act("suspend", id, &task);
        self.wait(600);
        self.act("resume", id, &task);
        self.drain();
        self.act("delete", id, &task);
        self.jobs.retain(|(_, job)| *job != id);
    }

    fn wait(&mut self, ms: i64) {
        self.pass(ms, ms + 20);
        self.lead();
    }

    fn act(&mut self, f: &str, id: Id, task: &str) {
        let command = json!({f: {"request": null, "job": {"id": id.to_string()}, "expected_revision": 0}});
        let reply = self.operate(f, task, NODES[1], json!({"job_id": id.to_string()}), Some(command));
        assert!(matches!(reply, Some(Reply::Acted(_))), "{reply:?}");
    }

    /// A revision is executed and fails; the next one is cancelled while it waits for its time.
    fn replaced_and_cancelled(&mut self) {
        let first = json!({"job_type": "real_time", "max_retries": 3, "backoff": {"fixed_ms": 60_000}});
        let id = self.submit(&first);
        let (task, _) = self.jobs.last().cloned().unwrap();
        self.lead();
        for running in self.running.values_mut().filter(|run| run.push.run.job == id) {
            running.fails = true;
        }
        self.pass(200, 300);
        self.lead();
        let due = At(self.wall() + 20_000).to_string();
        let next = json!({
            "task_id": task, "node_group": "g", "kind": "k", "backoff": {"fixed_ms": 50},
            "job_type": "trigger_time", "due": due, "on_conflict": "replace",
        });
        let command = json!({"submit": {"request": null, "jobs": [next]}});
        let reply = self.operate("submit", &task, NODES[0], json!({"spec": next}), Some(command));
        assert!(
            matches!(&reply, Some(Reply::Submitted(answers)) if matches!(answers[0], SubmitAnswer::Replaced { .. }))
        );
        self.cancel(id, &task);
    }

    /// What has ended by then is heard: some after a handler failed, one again since its answer was lost.
    fn listen(&mut self) {
        let jobs = self.model.jobs.iter();
        let told = jobs.flat_map(|(job, it)| {
            let told = it.runs.iter().filter(|(_, run)| run.is_told());
            told.map(|(number, run)| (RunRef { job: *job, number: *number }, run.state))
        });
        let told: Vec<(RunRef, State)> = told.collect();
        for (place, (run, state)) in told.into_iter().enumerate() {
            let State::Ended(fate) = state else { continue };
            let state = format!("RUN_STATE_{}", format!("{fate:?}").to_uppercase());
            let times: &[bool] = match place % 5 {
                0 => &[false, true],
                1 => &[true, true],
                _ => &[true],
            };
            for ok in times {
                self.pass(1, 5);
                let (t, run, state) = (self.t(), run.to_string(), state.clone());
                self.heard.push(Heard {
                    t,
                    client: "c1".into(),
                    run,
                    job: "t".into(),
                    state,
                    attempt: 1,
                    ok: *ok,
                });
            }
            self.commit(vec![json!({"feedback_heard": {"client_group": "ears", "runs": [run.to_string()]}})]);
        }
    }

    fn drain(&mut self) {
        for _ in 0..200 {
            let live = self.jobs.iter().any(|(_, id)| {
                let runs = self.model.jobs[id].runs.values();
                runs.clone().any(|run| !matches!(run.state, State::Ended(_)))
            });
            if self.running.is_empty() && !live {
                return;
            }
            self.pass(20, 40);
            self.lead();
        }
    }
}

fn answer(reply: &Reply) -> Value {
    match reply {
        Reply::Submitted(_) => json!({"answer": reply_json(reply)["submitted"][0]}),
        Reply::Cancelled(_) => json!({"answer": reply_json(reply)["cancelled"]}),
        Reply::Acted(_) => json!({"answer": reply_json(reply)["acted"]}),
        _ => panic!("{reply:?} is no answer to a client"),
    }
}
