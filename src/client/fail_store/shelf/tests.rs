//! The books against a list in memory, in any order of events and through restarts.

use super::*;

const JOBS_MAX: usize = 1000;
const MIB: usize = 1 << 20;

fn job(task_id: impl Into<String>) -> pb::Job {
    pb::Job { task_id: task_id.into(), kind: "k".into(), ..Default::default() }
}

fn key(sequence: u64) -> pb::Idempotency {
    pb::Idempotency { client_id: "7.0".into(), sequence, request_id: String::new() }
}

fn open(directory: &Path) -> Shelf {
    Shelf::open(directory, JOBS_MAX, MIB).expect("it opens")
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn task_ids(head: &Head) -> Vec<&str> {
    head.jobs.iter().map(|job| job.task_id.as_str()).collect()
}

#[test]
fn what_was_tried_goes_alone_under_its_key_and_the_rest_together_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let mut shelf = open(directory.path());
    shelf.keep(vec![job("a"), job("b")], None, at(1)).unwrap();
    shelf.keep(vec![job("c")], None, at(2)).unwrap();
    shelf.keep(vec![job("d"), job("e")], Some(key(9)), at(3)).unwrap();
    shelf.keep(vec![job("f")], None, at(4)).unwrap();
    assert_eq!((shelf.stats().waiting_jobs, shelf.stats().oldest_saved_at), (6, Some(at(1))));
    let mut told = Vec::new();
    while let Some(head) = shelf.head().unwrap() {
        told.push(format!("{} {:?}", task_ids(&head).join(""), head.key.as_ref().map(|key| key.sequence)));
        shelf.settle(&head, &BTreeMap::new(), false, at(5)).unwrap();
    }
    assert_eq!(told, ["abc None", "de Some(9)", "f None"]);
    assert_eq!((shelf.stats().waiting_jobs, shelf.stats().bytes), (0, 0));
}

#[test]
fn a_batch_that_was_marked_stays_the_same_request_whatever_comes_and_through_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut shelf = open(directory.path());
    shelf.keep(vec![job("a")], None, at(1)).unwrap();
    shelf.keep(vec![job("b")], None, at(1)).unwrap();
    let mut head = shelf.head().unwrap().expect("two wait");
    shelf.mark(&mut head, key(3)).unwrap();
    assert!(head.certain && head.key == Some(key(3)));
    shelf.keep(vec![job("c")], None, at(1)).unwrap();
    assert!(shelf.head().unwrap().unwrap().certain, "it has not left");
    drop(shelf);
    let mut shelf = open(directory.path());
    let head = shelf.head().unwrap().expect("they wait");
    assert_eq!((task_ids(&head), head.key.clone()), (vec!["a", "b"], Some(key(3))));
    assert!(!head.certain, "it may have left before the restart");
    shelf.settle(&head, &BTreeMap::new(), false, at(5)).unwrap();
    let head = shelf.head().unwrap().expect("one waits");
    assert_eq!((task_ids(&head), head.key.clone()), (vec!["c"], None));
}

#[test]
fn a_key_of_which_surely_nothing_was_done_can_be_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let mut shelf = open(directory.path());
    shelf.keep(vec![job("a")], None, at(1)).unwrap();
    let mut head = shelf.head().unwrap().unwrap();
    shelf.mark(&mut head, key(3)).unwrap();
    shelf.keep(vec![job("b")], None, at(1)).unwrap();
    shelf.unmark().unwrap();
    drop(shelf);
    let shelf = open(directory.path());
    let head = shelf.head().unwrap().unwrap();
    assert_eq!((task_ids(&head), head.key.clone()), (vec!["a", "b"], None));
}

#[test]
pub(in crate::client::fail_store) fn two_submissions_with_one_task_id_are_two() {
    let directory = tempfile::tempdir().unwrap();
    let mut shelf = open(directory.path());
    for node_group in ["trade", "mail", "trade"] {
        shelf.keep(vec![pb::Job { node_group: node_group.into(), ..job("same") }], None, at(1)).unwrap();
    }
    drop(shelf);
    let groups: Vec<String> =
        open(directory.path()).head().unwrap().unwrap().jobs.into_iter().map(|job| job.node_group).collect();
    assert_eq!(groups, ["trade", "mail", "trade"], "W16: the number is the request's, not the task id");
}

#[test]
fn what_is_refused_is_a_dead_letter_until_a_person_decides() {
    let directory = tempfile::tempdir().unwrap();
    let mut shelf = open(directory.path());
    shelf.keep(vec![job("a")], None, at(1)).unwrap();
    shelf.keep(vec![job("b"), job("c"), job("d")], None, at(2)).unwrap();
    let head = shelf.head().unwrap().unwrap();
    let fault = Fault::not_applied(crate::wire::Reason::InvalidArgument, "x".repeat(1000));
    let refused = [(1, fault.clone()), (3, fault)].into();
    let letters = shelf.settle(&head, &refused, false, at(9)).unwrap();
    let ids = |letters: &[DeadLetter]| letters.iter().map(DeadLetter::id).collect::<Vec<_>>();
    assert_eq!(ids(&letters), ["1.0", "1.2"]);
    assert_eq!((letters[0].job.task_id.as_str(), letters[1].job.task_id.as_str()), ("b", "d"));
    assert_eq!((letters[0].saved_at, letters[0].died_at), (at(2), at(9)));
    assert_eq!((letters[0].message.len(), letters[0].maybe_done), (MESSAGE_BYTES_MAX, false));
    drop(shelf);
    let mut shelf = open(directory.path());
    assert_eq!((shelf.stats().dead_letters, shelf.head().unwrap().is_none()), (2, true));
    let letters = shelf.dead_letters().unwrap();
    assert!(shelf.discard(&letters[0]).unwrap() && !shelf.discard(&letters[0]).unwrap());
    assert!(shelf.resend(&letters[1], at(10)).unwrap() && !shelf.resend(&letters[1], at(10)).unwrap());
    assert_eq!((shelf.stats().dead_letters, shelf.stats().waiting_jobs), (0, 1));
    let head = shelf.head().unwrap().unwrap();
    assert_eq!((task_ids(&head), head.key.clone()), (vec!["d"], None));
    assert!(head.submissions[0].0 > 1, "a number is not used again");
}

#[test]
fn it_is_bounded_in_jobs_and_in_bytes_and_dead_letters_count() {
    let directory = tempfile::tempdir().unwrap();
    let mut shelf = Shelf::open(directory.path(), 3, 200).unwrap();
    shelf.keep(vec![job("a"), job("b")], None, at(1)).unwrap();
    let full = shelf.keep(vec![job("c"), job("d")], None, at(1)).expect_err("two too many");
    assert!(matches!(full, ShelfError::Full { jobs: 2, jobs_max: 3, .. }), "{full}");
    let large = pb::Job { payload: vec![0; 300].into(), ..job("c") };
    assert!(matches!(shelf.keep(vec![large], None, at(1)), Err(ShelfError::Full { bytes_max: 200, .. })));
    let head = shelf.head().unwrap().unwrap();
    let fault = Fault::not_applied(crate::wire::Reason::InvalidArgument, "no");
    shelf.settle(&head, &[(0, fault.clone()), (1, fault)].into(), false, at(2)).unwrap();
    assert!(matches!(shelf.keep(vec![job("c"), job("d")], None, at(1)), Err(ShelfError::Full { .. })));
    shelf.keep(vec![job("c")], None, at(1)).unwrap();
    assert_eq!(task_ids(&shelf.head().unwrap().unwrap()), ["c"]);
}

#[test]
fn whoever_looks_sees_what_waits_and_why_letters_are_dead() {
    let directory = tempfile::tempdir().unwrap();
    let mut shelf = open(directory.path());
    shelf.keep(vec![job("z")], None, at(1)).unwrap();
    let head = shelf.head().unwrap().unwrap();
    let fault = Fault::not_applied(crate::wire::Reason::JobExists, "it lives");
    shelf.settle(&head, &[(0, fault)].into(), true, at(2)).unwrap();
    shelf.keep(vec![job("a")], None, at(3)).unwrap();
    let mut head = shelf.head().unwrap().unwrap();
    shelf.mark(&mut head, key(1)).unwrap();
    shelf.keep(vec![job("b"), job("c")], None, at(4)).unwrap();
    let (waiting, letters) = look(directory.path()).expect("while it is in use");
    let waiting: Vec<_> = waiting.iter().map(|one| (one.id(), one.job.task_id.clone(), one.tried)).collect();
    let expected = [("1.0", "a", true), ("2.0", "b", false), ("2.1", "c", false)];
    assert_eq!(waiting, expected.map(|(id, task, tried)| (id.to_owned(), task.to_owned(), tried)));
    assert_eq!((letters[0].reason.as_str(), letters[0].maybe_done), ("JOB_EXISTS", true));
    assert!(look(&directory.path().join("none")).is_err());
}

/// A cluster that does what it is asked once for each key, beside the list of what was submitted.
#[derive(Default)]
struct Once {
    done: Vec<String>,
    answered: BTreeMap<u64, Vec<String>>,
}

impl Once {
    fn submit(&mut self, sequence: u64, jobs: Vec<String>) {
        match self.answered.get(&sequence) {
            Some(first) => assert_eq!(*first, jobs, "a key is of one request"),
            None => {
                self.done.extend(jobs.clone());
                self.answered.insert(sequence, jobs);
            }
        }
    }
}

#[test]
fn in_any_order_of_events_and_restarts_everything_is_done_once_and_in_order() {
    let (mut restarts, mut repeated, mut torn, mut given_up) = (0, 0, 0, 0);
    for seed in 0..12_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let directory = tempfile::tempdir().unwrap();
        let mut shelf = open(directory.path());
        let (mut cluster, mut sequences) = (Once::default(), 0..);
        let mut submitted = Vec::new();
        let mut sequence = || sequences.next().expect("there are many");
        for n in 0..120 {
            match random.u8(0..10) {
                0..=3 => {
                    let jobs: Vec<String> = (0..random.usize(1..4)).map(|m| format!("{n}.{m}")).collect();
                    // The first try of some was done and not answered, but only of what nothing waits before.
                    let tried = (shelf.waiting_jobs == 0 && random.bool()).then(&mut sequence);
                    if let Some(sequence) = tried.filter(|_| random.bool()) {
                        cluster.submit(sequence, jobs.clone());
                    }
                    submitted.extend(jobs.clone());
                    shelf.keep(jobs.into_iter().map(job).collect(), tried.map(key), at(n)).unwrap();
                }
                4..=7 => {
                    let Some(mut head) = shelf.head().unwrap() else { continue };
                    if head.key.is_none() {
                        shelf.mark(&mut head, key(sequence())).unwrap();
                    }
                    if head.certain && shelf.marked.is_some() && random.u8(0..4) == 0 {
                        shelf.unmark().unwrap();
                        given_up += 1;
                        continue;
                    }
                    if random.bool() {
                        let key = head.key.as_ref().unwrap().sequence;
                        repeated += usize::from(cluster.answered.contains_key(&key));
                        cluster.submit(key, task_ids(&head).into_iter().map(str::to_owned).collect());
                    } else {
                        shelf.left();
                        continue;
                    }
                    match random.bool() {
                        true => drop(shelf.settle(&head, &BTreeMap::new(), false, at(n)).unwrap()),
                        false => shelf.left(),
                    }
                }
                8 => {
                    drop(shelf);
                    shelf = open(directory.path());
                    restarts += 1;
                }
                _ => {
                    // It dies while it writes: a record that nobody was told of is torn.
                    drop(shelf);
                    let path = directory.path().join("failstore.log");
                    let mut bytes = std::fs::read(&path).unwrap();
                    bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(9));
                    std::fs::write(&path, bytes).unwrap();
                    shelf = open(directory.path());
                    torn += 1;
                }
            }
        }
        while let Some(mut head) = shelf.head().unwrap() {
            if head.key.is_none() {
                shelf.mark(&mut head, key(sequence())).unwrap();
            }
            let jobs = task_ids(&head).into_iter().map(str::to_owned).collect();
            cluster.submit(head.key.as_ref().unwrap().sequence, jobs);
            shelf.settle(&head, &BTreeMap::new(), false, at(0)).unwrap();
        }
        assert_eq!(cluster.done, submitted, "seed {seed}");
        assert_eq!((shelf.stats().waiting_jobs, shelf.stats().bytes), (0, 0), "seed {seed}");
    }
    assert!(
        restarts > 80 && repeated > 20 && torn > 80 && given_up > 15,
        "{restarts} {repeated} {torn} {given_up}"
    );
}
