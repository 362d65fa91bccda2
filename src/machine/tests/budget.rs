//! How many keys a job touches in its life: the budget that two cores have for three replicas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::script::{self, Names};
use crate::machine::limits::CLIENT_WINDOW;
use crate::machine::{Key, Machine, NoBase};

/// Keys that one job owns; what a group or a client session shares is beside it.
const KEYS_MAX: usize = 6;

/// The keys that an entry wrote, the machine's own row aside.
fn written(machine: &mut Machine, line: &str, names: &Names) -> BTreeSet<Key> {
    let entry = script::entry(line, names, machine.tables().meta().limits);
    let index = machine.applied_index() + 1;
    machine.apply(index, &entry).unwrap();
    let layer = machine.seal();
    let keys = layer.iter().flat_map(|layer| layer.encoded());
    keys.map(|(key, _)| Key::from_bytes(&key).unwrap()).filter(|key| *key != Key::Meta).collect()
}

/// The seed of a steady state: a session whose window is full, a TaskTracker, a group that has had jobs.
fn busy_machine(names: &mut Names) -> Machine {
    let mut machine = Machine::open(Arc::new(NoBase)).unwrap();
    written(&mut machine, "at 60000 open c1", names);
    written(&mut machine, "at 60000 online w1 trade 9", names);
    names.clients.insert("c1".into(), "1.0".parse().unwrap());
    names.sessions.insert("w1".into(), "2.0".parse().unwrap());
    for sequence in 1..=CLIENT_WINDOW {
        written(&mut machine, &format!("at 60000 cancel trade/x req=c1:{sequence}"), names);
    }
    written(&mut machine, "at 60000 submit warm trade", names);
    written(&mut machine, "at 60000 cancel trade/warm", names);
    machine
}

#[test]
fn a_one_shot_job_touches_at_most_six_keys_of_its_own() {
    let mut names = Names::default();
    let mut machine = busy_machine(&mut names);
    let mut puts = BTreeMap::<Key, usize>::new();
    let mut live = |line: &str| {
        for key in written(&mut machine, line, &names) {
            *puts.entry(key).or_default() += 1;
        }
        machine.applied_index()
    };
    let job = live(&format!("at 60001 submit t1 trade req=c1:{}", CLIENT_WINDOW + 1));
    let dispatched = live("at 60002 dispatch w1 1");
    live(&format!("at 60003 complete {dispatched}.0 success of={job}.0/0"));
    // The answer of a job a window ago goes when this one's comes: each job pays for one of both.
    let first = "1.0".parse().map(|client| Key::Answer(client, 1)).unwrap();
    assert_eq!(puts.remove(&first), Some(1), "the oldest answer leaves the window");
    let is_shared = |key: &Key| matches!(key, Key::Group(_) | Key::Client(_));
    for (key, puts) in &puts {
        println!("{} {puts} x {key:?}", if is_shared(key) { "shared" } else { "own   " });
    }
    let own = puts.keys().filter(|key| !is_shared(key)).count();
    let all: usize = puts.values().sum();
    println!("{own} keys of its own, {} with shared ones, {all} puts, 1 delete a window later", puts.len());
    assert!(own <= KEYS_MAX, "{own} keys: {puts:?}");
    assert!(puts.len() <= KEYS_MAX + 2, "{puts:?}");
}

#[test]
fn one_entry_for_submit_and_dispatch_and_a_batch_share_what_they_can() {
    let mut names = Names::default();
    let mut machine = busy_machine(&mut names);
    let jobs: Vec<String> = (0..100).map(|n| format!("t{n} trade")).collect();
    let request = format!("req=c1:{}", CLIENT_WINDOW + 1);
    let line = format!("at 60001 submit {} {request}", jobs.join(" , "));
    let keys = written(&mut machine, &line, &names);
    println!("{} keys for the submit of 100 jobs", keys.len());
    // A job, its task key and its run each; the answer, the one that leaves, the session and the group once.
    assert_eq!(keys.len(), 3 * 100 + 4);
}

#[test]
fn a_live_run_that_ends_within_a_layer_never_reaches_the_disk() {
    let mut names = Names::default();
    let mut machine = busy_machine(&mut names);
    let mut live = |sealed: bool| {
        let mut keys = BTreeMap::new();
        let mut play = |line: &str| {
            let entry = script::entry(line, &names, machine.tables().meta().limits);
            let index = machine.applied_index() + 1;
            machine.apply(index, &entry).unwrap();
            let layer = (sealed || line.contains("complete")).then(|| machine.seal()).flatten();
            keys.extend(layer.iter().flat_map(|layer| layer.encoded()));
            index
        };
        let job = play("at 60001 submit t1 trade");
        let dispatched = play("at 60002 dispatch w1 1");
        play(&format!("at 60003 complete {dispatched}.0 success of={job}.0/0"));
        let of_runs = |(key, row): (Vec<u8>, _)| match Key::from_bytes(&key) {
            Some(Key::Live(_)) => Some(row),
            _ => None,
        };
        keys.into_iter().filter_map(of_runs).collect::<Vec<_>>()
    };
    assert_eq!(live(true), [None], "what a layer before it wrote is deleted");
    assert_eq!(live(false), [], "within one layer there is nothing to delete");
}
