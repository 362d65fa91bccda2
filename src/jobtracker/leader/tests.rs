//! A leader's term without consensus: what it closes into entries is applied at once, or refused, as the story says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::{mpsc, oneshot};

use super::leading::{Leading, Outcome, ToLeader};
use super::{Door, Lane, LaneBytes, lanes};
use crate::dispatch::Patience;
use crate::domain::{
    self, Action, BizLogLevel, BizLogLine, Clock, ExecutionId, Identity, JobSpec, Kind, Millis, NodeGroup,
    SystemClock, TaskId, Timestamp,
};
use crate::jobtracker::session::{ExecutionResult, FromTracker, Hello, Lines, ToTracker};
use crate::machine::command::{Cancel, JobRef, RequestKey, Submit};
use crate::machine::{Base, BaseError, Command, Machine, RawRow, Reply};

/// Nothing is ever flushed.
#[derive(Debug)]
struct Nothing;

impl Base for Nothing {
    fn get(&self, _: &[u8]) -> Result<Option<Vec<u8>>, BaseError> {
        Ok(None)
    }

    fn scan(&self, _: &[u8], _: &[u8], _: usize) -> Result<Vec<RawRow>, BaseError> {
        Ok(Vec::new())
    }

    fn scan_back(&self, _: &[u8], _: &[u8], _: usize) -> Result<Vec<RawRow>, BaseError> {
        Ok(Vec::new())
    }
}

struct Term {
    machine: Arc<RwLock<Machine>>,
    leading: Leading,
    door: Door,
    now: Instant,
    at: Timestamp,
    next_stream: u64,
}

impl Term {
    fn begin() -> Term {
        let machine = Arc::new(RwLock::new(Machine::open(Arc::new(Nothing)).expect("an empty base")));
        Term::of(machine, Timestamp::from_millis(1_000))
    }

    fn of(machine: Arc<RwLock<Machine>>, at: Timestamp) -> Term {
        let now = SystemClock.monotonic();
        let patience =
            Patience { reclaim_after: Duration::from_secs(10), terminate_grace: Duration::from_secs(10) };
        let minute = Millis::from_secs(60);
        let leading = Leading::recover(1, Arc::clone(&machine), patience, minute, now).expect("memory");
        Term { machine, leading, door: Door::new(LaneBytes::default()), now, at, next_stream: 1 }
    }

    /// The next leader: it knows only the tables.
    fn next(self) -> Term {
        Term::of(self.machine, self.at)
    }

    fn say(&mut self, message: ToLeader) {
        self.leading.handle(self.now, message).expect("memory");
    }

    /// Commits what there is to propose until there is nothing more.
    fn commit(&mut self) {
        while let Some((entry, proposed)) = self.leading.close_entry(self.now, self.at) {
            let applied = {
                let mut machine = self.machine.write();
                let index = machine.applied_index() + 1;
                machine.apply(index, &entry).expect("memory")
            };
            self.leading.applied(self.now, proposed, Ok(applied)).expect("memory");
        }
    }

    fn ask(&mut self, command: Command) -> Reply {
        let pass = self.door.enter(Lane::Request, lanes::weight(&command)).expect("there is room");
        let (reply, mut answer) = oneshot::channel();
        self.say(ToLeader::Propose { lane: Lane::Request, command, pass, reply });
        self.commit();
        match answer.try_recv().expect("it is answered") {
            Outcome::Applied { reply, .. } => reply,
            other => panic!("{other:?}"),
        }
    }

    fn submit(&mut self, task: &str) {
        let names = (NodeGroup::new("g"), TaskId::new(task), Kind::new("k"));
        let (Ok(group), Ok(task), Ok(kind)) = names else { panic!("names") };
        let jobs = vec![Arc::new(JobSpec::new(group, task, kind))];
        self.ask(Command::Submit(Submit { request: RequestKey::None, jobs, refused: Vec::new() }));
    }

    fn cancel(&mut self, task: &str) -> Reply {
        let job = JobRef::Key(NodeGroup::new("g").expect("a name"), TaskId::new(task).expect("a name"));
        self.ask(Command::Cancel(Cancel { request: RequestKey::None, job, reason: String::new() }))
    }

    /// A TaskTracker with two slots says hello; its stream's number and what it is told.
    fn hear(&mut self, stream: u64, what: FromTracker) {
        let pass = self.door.enter(Lane::Drain, 1).expect("it has room");
        self.say(ToLeader::From { stream, what, pass });
    }

    fn hello(&mut self, running: &[ExecutionId]) -> (u64, mpsc::Receiver<ToTracker>) {
        let (outbox, inbox) = mpsc::channel(64);
        let stream = self.next_stream;
        self.next_stream += 1;
        let hello = Hello {
            node_group: NodeGroup::new("g").expect("a name"),
            identity: Identity::new("w1").expect("a name"),
            start: 7,
            stream_number: stream,
            capacity: 2,
            kinds: BTreeSet::new(),
            running: running.iter().copied().collect(),
            owed: BTreeSet::new(),
            draining: false,
        };
        self.say(ToLeader::Hello { hello, outbox, stream });
        (stream, inbox)
    }
}

fn pushed(inbox: &mut mpsc::Receiver<ToTracker>) -> Vec<ExecutionId> {
    let mut executions = Vec::new();
    while let Ok(message) = inbox.try_recv() {
        if let ToTracker::Push { pushes, .. } = message {
            executions.extend(pushes.iter().map(|push| push.execution));
        }
    }
    executions
}

fn success(execution: ExecutionId) -> FromTracker {
    let outcome = domain::Outcome {
        action: Action::ExecuteSuccess,
        result: Bytes::new(),
        error: String::new(),
        retry_after: None,
    };
    FromTracker::Completed {
        results: vec![ExecutionResult {
            execution,
            run: None,
            outcome,
            resent: false,
            took: Some(Millis::new(5)),
        }],
        has_room: true,
    }
}

#[test]
fn whoever_was_full_when_it_came_back_gets_work_again_with_its_first_result() {
    let mut term = Term::begin();
    let (_, mut inbox) = term.hello(&[]);
    term.commit();
    ["a", "b", "c"].iter().for_each(|task| term.submit(task));
    let running = pushed(&mut inbox);
    assert_eq!(running.len(), 2, "as many as it has slots");

    let mut term = term.next();
    let (stream, mut inbox) = term.hello(&running);
    term.commit();
    term.hear(stream, FromTracker::Accepting(false));
    term.commit();
    assert_eq!(pushed(&mut inbox), []);
    term.hear(stream, success(running[0]));
    term.commit();
    assert_eq!(pushed(&mut inbox).len(), 1);
}

#[test]
fn what_was_cancelled_before_its_push_arrived_is_not_pushed_again() {
    let mut term = Term::begin();
    let (stream, inbox) = term.hello(&[]);
    term.commit();
    term.submit("a");
    drop(inbox);
    term.say(ToLeader::Detached { stream });
    assert!(matches!(term.cancel("a"), Reply::Cancelled(_)));

    let mut term = term.next();
    let (_, mut inbox) = term.hello(&[]);
    term.commit();
    assert_eq!(pushed(&mut inbox), [], "the answer was that nothing more of it runs");
    let machine = term.machine.read();
    assert_eq!(machine.tables().indexes().executing(), 0, "and it has its fate");
}

#[test]
fn a_stream_that_broke_while_its_hello_was_committed_holds_no_identity_and_gets_no_work() {
    let mut term = Term::begin();
    let (stream, inbox) = term.hello(&[]);
    drop(inbox);
    term.say(ToLeader::Detached { stream });
    term.commit();
    term.submit("a");
    let (_, mut inbox) = term.hello(&[]);
    term.commit();
    assert_eq!(pushed(&mut inbox).len(), 1);
}

#[test]
fn lines_are_acknowledged_up_to_the_last_one_that_came() {
    let mut term = Term::begin();
    let (stream, mut inbox) = term.hello(&[]);
    term.commit();
    term.submit("a");
    let execution = pushed(&mut inbox)[0];
    let line = |text: &str| BizLogLine { at: term.at, level: BizLogLevel::Info, text: text.into() };
    let lines = Lines { execution, first: 4, lines: vec![line("four"), line("five")] };
    term.hear(stream, FromTracker::BizLogs(vec![lines]));
    term.commit();
    let acks = std::iter::from_fn(|| inbox.try_recv().ok()).find_map(|message| match message {
        ToTracker::BizLogsAck(acks) => Some(acks),
        _ => None,
    });
    assert_eq!(acks, Some(vec![(execution, 5)]));
}

#[test]
fn a_leader_that_is_refused_by_consensus_rests_before_it_tries_again() {
    let mut term = Term::begin();
    let (_, _inbox) = term.hello(&[]);
    let (_, proposed) = term.leading.close_entry(term.now, term.at).expect("the hello");
    term.leading.applied(term.now, proposed, Err(Outcome::NotApplied)).expect("memory");
    let (_, _inbox) = term.hello(&[]);
    assert!(term.leading.close_entry(term.now, term.at).is_none());
    assert!(term.leading.next_tick() > term.now);
    let later = term.now + Duration::from_secs(1);
    assert!(term.leading.close_entry(later, term.at).is_some());
}
