//! Lies drawn by chance: a reply turned over on all nodes, a line dropped, a beginning doubled, a stamp moved. Whatever is
//! hit, the run is no longer valid.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::lies::judge;
use super::world::{NODES, honest};
use crate::checker::Verdict;
use crate::checker::evidence::Evidence;
use crate::history::{EventKind, ExecEvent};

/// One seed to run again: `RANDOM_LIE=17 cargo test -p jepsen-style-tests random`.
const SEED: Option<&str> = option_env!("RANDOM_LIE");
const SEEDS: u64 = 70;

#[test]
fn a_random_lie_makes_no_run_valid() {
    let one = SEED.map(|seed| seed.parse().expect("RANDOM_LIE is a number"));
    let seeds = one.map_or(0..SEEDS, |seed: u64| seed..seed + 1);
    let mut told: BTreeMap<&str, u32> = BTreeMap::new();
    let mut missed = Vec::new();
    for seed in seeds {
        let mut evidence = honest(seed % 4);
        let mut draw = Draw(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let (kind, lie) = LIES[usize::try_from(seed).unwrap() % LIES.len()];
        let Some(what) = lie(&mut evidence, &mut draw) else { continue };
        *told.entry(kind).or_default() += 1;
        if judge(&evidence).0 == Verdict::Valid {
            missed.push(format!("seed {seed}: {kind}: {what}"));
        }
    }
    println!("{told:?}");
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(SEED.is_some() || told.len() == LIES.len(), "not told at all: {told:?}");
}

struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((x ^ (x >> 29)) % n as u64).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.below(of.len())])
    }
}

type Tell = fn(&mut Evidence, &mut Draw) -> Option<String>;

const LIES: [(&str, Tell); 7] = [
    ("a reply turned over", turn_a_reply),
    ("an answer turned over", turn_an_answer),
    ("an answer dropped", drop_an_answer),
    ("an entry dropped", drop_an_entry),
    ("a beginning dropped", drop_a_beginning),
    ("a beginning doubled", double_a_beginning),
    ("a beginning before its time", move_a_beginning),
];

fn turned(reply: &Value) -> Option<Value> {
    let (name, of) = reply.as_object()?.iter().next()?;
    Some(match name.as_str() {
        "completed" => json!({"completed": [if of[0] == "stale" { "accepted" } else { "stale" }]}),
        "cancelled" if of == "not_found" => return None,
        "cancelled" => json!({"cancelled": "not_found"}),
        "submitted" => json!({"submitted": [{"exists": of[0].as_object()?.values().next()?}]}),
        "dispatched" => {
            let mut fewer = of["pushes"].as_array()?.clone();
            fewer.pop()?;
            json!({"dispatched": {"session": of["session"], "pushes": fewer}})
        }
        "done" => json!({"refused": {"reason": "plan_outdated"}}),
        _ => return None,
    })
}

fn turn_a_reply(evidence: &mut Evidence, draw: &mut Draw) -> Option<String> {
    let log = &evidence.logs["n1"];
    let places: Vec<(usize, usize)> = (0..log.len())
        .flat_map(|entry| (0..log[entry].commands.len()).map(move |place| (entry, place)))
        .filter(|(entry, place)| log[*entry].commands[*place].reply.as_ref().and_then(turned).is_some())
        .collect();
    let (entry, place) = draw.one(&places)?;
    let reply = log[entry].commands[place].reply.as_ref().and_then(turned)?;
    for node in NODES {
        evidence.logs.get_mut(node)?[entry].commands[place].reply = Some(reply.clone());
    }
    Some(format!("entry {entry}, command {place}: {reply}"))
}

fn ended(evidence: &Evidence, mutations: bool) -> Vec<usize> {
    let history = &evidence.history;
    (0..history.len())
        .filter(|i| history[*i].kind == EventKind::Ok && (!mutations || history[*i].pos.is_some()))
        .collect()
}

fn turn_an_answer(evidence: &mut Evidence, draw: &mut Draw) -> Option<String> {
    let i = draw.one(&ended(evidence, true))?;
    let event = &mut evidence.history[i];
    let answer = event.v.get_mut("answer")?;
    *answer = match event.f.as_str() {
        "submit" => json!({"exists": answer.get("accepted")?}),
        "cancel" if answer == "not_found" => json!({"cancelled": "3.0"}),
        _ => json!("not_found"),
    };
    Some(event.req.clone())
}

fn drop_an_answer(evidence: &mut Evidence, draw: &mut Draw) -> Option<String> {
    // The last of a process may stay open.
    let last_of =
        |i: &usize| !evidence.history[i + 1..].iter().any(|later| later.p == evidence.history[*i].p);
    let all: Vec<usize> = ended(evidence, false).into_iter().filter(|i| !last_of(i)).collect();
    let i = draw.one(&all)?;
    Some(evidence.history.remove(i).req)
}

fn drop_an_entry(evidence: &mut Evidence, draw: &mut Draw) -> Option<String> {
    let entry = draw.below(evidence.logs["n1"].len() - 1);
    for node in NODES {
        evidence.logs.get_mut(node)?.remove(entry);
    }
    Some(format!("entry {entry}"))
}

/// Beginnings of executions that ended well.
fn beginnings(evidence: &Evidence) -> Vec<usize> {
    let execs = &evidence.execs;
    let well: Vec<Value> = evidence.logs["n1"]
        .iter()
        .flat_map(|entry| &entry.commands)
        .filter(|one| one.reply.as_ref().is_some_and(|reply| reply["completed"][0] == "accepted"))
        .map(|one| one.command["complete"]["results"][0].clone())
        .filter(|result| result["action"] == "success")
        .map(|result| result["execution"].clone())
        .collect();
    let is_well = |token: u64| {
        let id = crate::checker::words::Id(token).to_string();
        well.iter().any(|one| one == &id)
    };
    (0..execs.len()).filter(|i| execs[*i].ev == ExecEvent::Begin && is_well(execs[*i].execution)).collect()
}

fn drop_a_beginning(evidence: &mut Evidence, draw: &mut Draw) -> Option<String> {
    let i = draw.one(&beginnings(evidence))?;
    Some(evidence.execs.remove(i).run)
}

fn double_a_beginning(evidence: &mut Evidence, draw: &mut Draw) -> Option<String> {
    let i = draw.one(&beginnings(evidence))?;
    let mut again = evidence.execs[i].clone();
    again.t += 50_000;
    evidence.execs.insert(i + 1, again);
    Some(evidence.execs[i].run.clone())
}

fn move_a_beginning(evidence: &mut Evidence, draw: &mut Draw) -> Option<String> {
    let i = draw.one(&beginnings(evidence))?;
    let exec = &mut evidence.execs[i];
    // Before it was due, whenever that was.
    let since_start = exec.due_ns
        - i64::try_from(evidence.info.started_at.parse::<jiff::Timestamp>().ok()?.as_nanosecond()).ok()?;
    exec.t = evidence.info.started_ns.checked_add_signed(since_start - 20_000_000)?;
    Some(exec.run.clone())
}
