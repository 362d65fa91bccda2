//! Stories of a session: what happens, and what it does about it.

use bytes::Bytes;

use super::*;
use crate::domain::{ExecutionId, Timestamp};

/// A session with the short name of everything that it was told and did.
struct Story {
    session: Session,
    now: u64,
}

fn e(n: u64) -> u64 {
    n << 20
}

impl Story {
    fn new(capacity: u32) -> Story {
        Story::owing(capacity, &[])
    }

    fn owing(capacity: u32, owed: &[u64]) -> Story {
        let me = Me {
            node_group: "trade".into(),
            identity: "w1".into(),
            start_number: 7,
            capacity,
            kinds: vec!["k".into()],
            host: "h".into(),
        };
        let result = |n: &u64| pb::ExecutionResult { execution: e(*n), action: 1, ..Default::default() };
        let left = Left { owed: owed.iter().map(result).collect(), lines: Vec::new() };
        Story { session: Session::new(me, left), now: 0 }
    }

    fn on(&mut self, event: Event) -> String {
        let mut acts = Vec::new();
        self.session.on(event, Millis::new(self.now), &mut acts);
        self.session.flush(Millis::new(self.now), &mut acts);
        acts.iter()
            .filter(|act| !matches!(act, Act::Send(ToCluster::Heartbeat(_))))
            .map(say)
            .collect::<Vec<_>>()
            .join("; ")
    }

    fn heard(&mut self, message: FromCluster) -> String {
        self.on(Event::Heard(message))
    }

    /// Time passes; what the session does at each of its own wake-ups is told with its time.
    fn until(&mut self, at: u64) -> String {
        let mut told = Vec::new();
        while let Some(wake) = self.session.wake_at().map(Millis::get).filter(|wake| *wake <= at) {
            self.now = self.now.max(wake);
            let mut acts = Vec::new();
            self.session.flush(Millis::new(self.now), &mut acts);
            let calm = |act: &&Act| !matches!(act, Act::Send(ToCluster::Heartbeat(_)));
            told.extend(acts.iter().filter(calm).map(|act| format!("{}: {}", self.now, say(act))));
        }
        self.now = at;
        told.join("; ")
    }

    fn welcome(&mut self, term: u64) -> String {
        let welcome = pb::Welcome { session_id: "1.0".into(), term, ..Default::default() };
        self.heard(FromCluster::Welcome(welcome))
    }

    fn attached(capacity: u32) -> Story {
        let mut story = Story::new(capacity);
        story.on(Event::Opened);
        assert_eq!(story.welcome(1), format!("pull {capacity}"));
        story
    }

    fn push(&mut self, n: u64, term: u64) -> String {
        self.push_job(pb::JobPush { execution: e(n), term, kind: "k".into(), ..Default::default() })
    }

    fn push_job(&mut self, job: pb::JobPush) -> String {
        self.heard(FromCluster::Push(pb::Push { jobs: vec![job] }))
    }

    /// It noticed what it was told before it ended.
    fn ends(&mut self, n: u64, action: Action) -> String {
        self.ends_so(n, action, true)
    }

    fn ends_so(&mut self, n: u64, action: Action, interrupted: bool) -> String {
        let error = if action == Action::ExecuteSuccess { String::new() } else { "why".into() };
        let outcome = Outcome { action, result: Bytes::new(), error, retry_after: None };
        let (started_at, ended_at) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
        let execution = ExecutionId::from_u64(e(n));
        let ended = Ended { execution, outcome, interrupted, started_at, ended_at };
        self.on(Event::Ended(ended, Vec::new()))
    }

    fn acked(&mut self, n: u64) -> String {
        let answer = pb::CompletedAnswer { execution: e(n), outcome: pb::CompletedOutcome::Accepted.into() };
        self.heard(FromCluster::CompletedAck(pb::CompletedAck { answers: vec![answer] }))
    }

    fn reattach(&mut self, term: u64) -> String {
        self.on(Event::Lost);
        let hello = self.on(Event::Opened);
        format!("{hello}; {}", self.welcome(term))
    }
}

fn short(executions: &[u64]) -> String {
    executions.iter().map(|execution| (execution >> 20).to_string()).collect::<Vec<_>>().join(",")
}

fn say(act: &Act) -> String {
    let results = |results: &[pb::ExecutionResult]| {
        let one = |result: &pb::ExecutionResult| {
            let action =
                pb::Action::try_from(result.action).unwrap().as_str_name().replace("ACTION_EXECUTE_", "");
            format!(
                "{} {action}{}{}",
                result.execution >> 20,
                if result.error.is_empty() { "" } else { " " },
                result.error
            )
        };
        results.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    match act {
        Act::Send(ToCluster::Hello(hello)) => format!(
            "hello session {:?} running [{}] owed [{}]{}",
            hello.session_id,
            short(&hello.running),
            short(&hello.owed),
            if hello.draining { " draining" } else { "" }
        ),
        Act::Send(ToCluster::Samples(told)) => format!("samples {}", told.samples.len()),
        Act::Send(ToCluster::Pull(pull)) => format!("pull {}", pull.free_slots),
        Act::Send(ToCluster::Resize(wish)) => format!("resize {}", wish.slots),
        Act::Send(ToCluster::Completed(completed)) => {
            format!("completed [{}] free {}", results(&completed.results), completed.free_slots)
        }
        Act::Send(ToCluster::Returned(returned)) => {
            let reason = pb::ReturnReason::try_from(returned.reason).unwrap().as_str_name();
            format!("returned [{}] {}", short(&returned.executions), reason.replace("RETURN_REASON_", ""))
        }
        Act::Send(ToCluster::Leave(leave)) => format!("leave{}", if leave.done { " done" } else { "" }),
        Act::Send(ToCluster::AskAnswer(answer)) => {
            let one = |one: &pb::ExecutionStanding| format!("{} {:?}", one.execution >> 20, one.standing());
            format!("standing [{}]", answer.executions.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Act::Send(ToCluster::BizLogs(logs)) => {
            let lines = logs.executions.iter().flat_map(|one| &one.lines).map(|line| line.text.as_str());
            format!("lines [{}]", lines.collect::<Vec<_>>().join(", "))
        }
        Act::Send(ToCluster::Progress(progress)) => format!("progress of {}", progress.executions.len()),
        Act::Send(ToCluster::Heartbeat(beat)) => format!("heartbeat {}", beat.sequence),
        Act::Begin(job) => format!("begin {}", job.execution >> 20),
        Act::Stop(execution, cause) => format!("stop {} ({cause})", execution.as_u64() >> 20),
        Act::Kill(execution) => format!("kill {}", execution.as_u64() >> 20),
        Act::Keep(records) => format!("keep {}", short(&records.iter().map(|(n, _)| *n).collect::<Vec<_>>())),
        Act::KeepLines(records) => {
            format!("keep lines {}", short(&records.iter().map(|(n, _)| *n & !(1 << 63)).collect::<Vec<_>>()))
        }
        Act::Forget(executions) => format!("forget {}", short(executions)),
        Act::LimitLines(bytes) => format!("limit lines {bytes}"),
        Act::Reopen { why, after } => format!("reopen ({why}) after {:?}", after.map(Millis::get)),
        Act::GiveUp { message, .. } => format!("give up ({message})"),
        Act::Finished => "finished".into(),
    }
}

#[test]
fn a_result_is_kept_before_its_slot_is_freed_and_until_it_is_acknowledged() {
    let mut story = Story::attached(2);
    assert_eq!(story.push(5, 1), "begin 5");
    assert_eq!(story.ends(5, Action::ExecuteSuccess), "keep 5; completed [5 SUCCESS] free 2");
    assert_eq!(
        story.push(5, 1),
        "completed [5 SUCCESS] free 2",
        "pushed again though it is owed: told again"
    );
    assert_eq!(story.acked(5), "forget 5");
    assert_eq!(story.push(5, 1), "", "a push that comes twice is taken once");
    assert_eq!(story.acked(5), "");
}

#[test]
fn a_new_stream_changes_nothing_that_runs_and_what_is_owed_is_sent_again() {
    let mut story = Story::attached(4);
    story.push(5, 1);
    story.push(6, 1);
    story.on(Event::Lost);
    assert_eq!(story.ends(5, Action::ExecuteLater), "keep 5");
    let again = story.reattach(2);
    assert_eq!(again, "hello session \"1.0\" running [6] owed [5]; completed [5 LATER why] free 3");
    assert_eq!(story.push(6, 2), "", "it runs already");
    assert_eq!(
        story.reattach(2),
        "hello session \"1.0\" running [6] owed [5]; completed [5 LATER why] free 3"
    );
}

#[test]
fn what_an_earlier_process_owed_is_told_and_sent() {
    let mut story = Story::owing(1, &[3, 4]);
    assert_eq!(story.on(Event::Opened), "hello session \"\" running [] owed [3,4]");
    assert_eq!(story.welcome(9), "completed [3 SUCCESS, 4 SUCCESS] free 1");
}

#[test]
fn pushes_count_only_from_the_highest_term_seen() {
    let mut story = Story::attached(4);
    assert_eq!(story.reattach(3), "hello session \"1.0\" running [] owed []; pull 4");
    assert_eq!(story.push(5, 2), "", "a deposed leader's");
    assert_eq!(story.push(6, 3), "begin 6");
    assert_eq!(
        story.reattach(2),
        "hello session \"1.0\" running [6] owed []; reopen (term 2 is over) after None"
    );
}

#[test]
fn a_push_that_cannot_be_taken_is_given_back() {
    let mut story = Story::attached(1);
    let other = pb::JobPush { execution: e(4), term: 1, kind: "other".into(), ..Default::default() };
    assert_eq!(story.push_job(other), "returned [4] UNKNOWN_KIND");
    story.push(5, 1);
    assert_eq!(story.push(6, 1), "returned [6] NO_SLOT");
}

#[test]
fn a_run_timeout_asks_then_kills_and_says_why() {
    let mut story = Story::attached(1);
    let run_timeout = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    story.push_job(pb::JobPush {
        execution: e(5),
        term: 1,
        kind: "k".into(),
        run_timeout,
        ..Default::default()
    });
    answer_heartbeats(&mut story);
    assert_eq!(story.until(1999), "");
    assert_eq!(story.until(2000), "2000: stop 5 (ran longer than its run timeout)");
    answer_heartbeats(&mut story);
    story.until(6000);
    answer_heartbeats(&mut story);
    assert_eq!(story.until(12_000), "12000: kill 5");
    let ended = story.ends(5, Action::ExecuteException);
    assert_eq!(ended, "keep 5; completed [5 EXCEPTION ran longer than its run timeout: why] free 1");
    assert_eq!(story.session.timers.len(), 0);
}

fn answer_heartbeats(story: &mut Story) {
    story.heard(FromCluster::HeartbeatAck(pb::HeartbeatAck { sequence: u64::MAX }));
}

#[test]
fn terminate_stops_one_execution_once() {
    let mut story = Story::attached(2);
    story.push(5, 1);
    let order = || {
        let grace = Some(prost_types::Duration { seconds: 3, nanos: 0 });
        FromCluster::Terminate(pb::Terminate { execution: e(5), reason: "by ann".into(), grace })
    };
    assert_eq!(story.heard(order()), "stop 5 (terminated: by ann)");
    assert_eq!(story.heard(order()), "");
    assert_eq!(
        story.ends(5, Action::ExecuteSuccess),
        "keep 5; completed [5 SUCCESS] free 2",
        "it was done in time"
    );
    assert_eq!(story.heard(order()), "");
}

#[test]
fn without_answered_heartbeats_it_stops_working_and_gives_back_what_it_interrupted() {
    let mut story = Story::attached(2);
    story.push(5, 1);
    story.push(6, 1);
    assert_eq!(story.until(500), "");
    answer_heartbeats(&mut story);
    let cut_off = "(stopped: the tasktracker was cut off from the cluster)";
    let told = story.until(6999);
    assert_eq!(told, "", "the heartbeat of time 0 was answered, so silence ends at 7000");
    assert_eq!(story.until(7000), format!("7000: stop 5 {cut_off}; 7000: stop 6 {cut_off}"));
    assert_eq!(story.ends(5, Action::ExecuteSuccess), "keep 5; completed [5 SUCCESS] free 0");
    assert_eq!(story.until(8000), "8000: kill 6");
    assert_eq!(story.ends(6, Action::ExecuteException), "returned [6] INTERRUPTED; pull 0");
    answer_heartbeats(&mut story);
    assert_eq!(story.push(7, 1), "begin 7", "it is heard again");
}

#[test]
fn an_execution_that_was_interrupted_without_a_stream_is_given_back_when_it_is_pushed_again() {
    let mut story = Story::attached(1);
    story.push(5, 1);
    story.on(Event::Lost);
    story.until(20_000);
    assert_eq!(story.ends(5, Action::ExecuteException), "");
    assert_eq!(story.reattach(2), "hello session \"1.0\" running [] owed []; pull 0");
    assert_eq!(story.push(6, 2), "returned [6] NO_SLOT", "not before it is heard again");
    assert_eq!(story.heard(FromCluster::HeartbeatAck(pb::HeartbeatAck { sequence: u64::MAX })), "pull 1");
    assert_eq!(story.push(5, 2), "returned [5] INTERRUPTED", "its fence is used up");
    assert_eq!(story.push(7, 2), "begin 7");
}

#[test]
fn what_failed_by_itself_when_it_was_told_to_stop_is_reported() {
    let mut story = Story::attached(1);
    story.push(5, 1);
    story.until(7000);
    let failed = story.ends_so(5, Action::ExecuteException, false);
    assert_eq!(failed, "keep 5; completed [5 EXCEPTION why] free 0");
}

#[test]
fn an_operators_number_of_slots_interrupts_nothing_and_takes_effect_as_executions_end() {
    let mut story = Story::attached(2);
    story.push(1, 1);
    story.push(2, 1);
    assert_eq!(story.heard(FromCluster::Resize(pb::Resize { slots: 1 })), "pull 0");
    assert_eq!(story.ends(1, Action::ExecuteSuccess), "keep 1; completed [1 SUCCESS] free 0");
    assert_eq!(story.ends(2, Action::ExecuteSuccess), "keep 2; completed [2 SUCCESS] free 1");
    assert_eq!(story.heard(FromCluster::Resize(pb::Resize { slots: 5 })), "pull 5");
    assert_eq!(story.heard(FromCluster::Resize(pb::Resize { slots: 5 })), "");
}

#[test]
fn its_own_number_of_slots_is_in_the_next_hello_and_an_operators_goes_before_it() {
    let mut story = Story::attached(2);
    assert_eq!(story.on(Event::Slots(7)), "resize 7; pull 7");
    assert_eq!(story.heard(FromCluster::Resize(pb::Resize { slots: 3 })), "pull 3");
    assert_eq!(story.on(Event::Slots(9)), "resize 9; pull 3");
    story.on(Event::Lost);
    assert_eq!(story.on(Event::Slots(4)), "", "the hello will say it");
    assert_eq!(story.session.me.capacity, 4);
}

#[test]
fn a_pause_outlives_a_stream_and_gives_back_what_was_under_way() {
    let mut story = Story::attached(2);
    story.push(1, 1);
    assert_eq!(story.on(Event::Pause(Some("memory".into()))), "pull 0");
    assert_eq!(story.push(2, 1), "returned [2] NO_SLOT");
    assert!(story.reattach(2).ends_with("; pull 0"));
    assert_eq!(story.on(Event::Pause(None)), "pull 1");
}

#[test]
fn an_operators_drain_ends_the_process_only_if_it_says_so() {
    let mut story = Story::attached(2);
    story.push(1, 1);
    let drain = |leave| FromCluster::Drain(pb::Drain { draining: true, leave, reason: "disk".into() });
    assert_eq!(story.heard(drain(false)), "");
    assert_eq!(story.push(2, 1), "begin 2", "it was dispatched before the drain");
    assert_eq!(story.heard(drain(true)), "leave");
}

#[test]
fn draining_finishes_reports_and_leaves() {
    let mut story = Story::attached(2);
    story.push(5, 1);
    assert_eq!(story.on(Event::Drain { timeout: Millis::from_secs(5) }), "leave");
    assert_eq!(story.push(6, 1), "returned [6] DRAINING");
    assert_eq!(story.ends(5, Action::ExecuteSuccess), "keep 5; completed [5 SUCCESS] free 0");
    assert_eq!(story.acked(5), "forget 5; leave done; finished");
}

#[test]
fn what_drains_too_long_is_interrupted_and_given_back() {
    let mut story = Story::attached(2);
    story.push(5, 1);
    story.on(Event::Drain { timeout: Millis::from_secs(5) });
    assert_eq!(story.until(5000), "5000: stop 5 (stopped: the tasktracker is draining)");
    assert_eq!(story.until(6000), "6000: kill 5");
    assert_eq!(story.ends(5, Action::ExecuteException), "returned [5] INTERRUPTED; leave done; finished");
}

#[test]
fn draining_without_a_cluster_ends_in_time_and_keeps_what_it_owes() {
    let mut story = Story::attached(2);
    story.push(5, 1);
    story.on(Event::Lost);
    story.on(Event::Drain { timeout: Millis::from_secs(5) });
    assert_eq!(story.ends(5, Action::ExecuteSuccess), "keep 5");
    assert_eq!(story.until(60_000), "7000: finished");
}

#[test]
fn a_drain_that_begins_without_a_stream_is_told_in_the_hello() {
    let mut story = Story::owing(1, &[3]);
    story.on(Event::Drain { timeout: Millis::from_secs(5) });
    assert_eq!(story.on(Event::Opened), "hello session \"\" running [] owed [3] draining");
    assert_eq!(story.welcome(1), "completed [3 SUCCESS] free 0");
    assert_eq!(story.acked(3), "forget 3; leave done; finished");
}

#[test]
fn a_refusal_says_whether_to_come_again() {
    let refuse = |reason: Reason, seconds: Option<i64>| {
        let mut story = Story::attached(1);
        story.on(Event::Lost);
        story.on(Event::Opened);
        let retry_after = seconds.map(|seconds| prost_types::Duration { seconds, nanos: 0 });
        let refused = pb::Refused { reason: reason.as_str().into(), message: "no".into(), retry_after };
        let told = story.heard(FromCluster::Refused(refused));
        (told, story.on(Event::Opened))
    };
    assert_eq!(refuse(Reason::NoLeader, None).0, "reopen (no) after None");
    assert_eq!(refuse(Reason::StreamReplaced, None).0, "reopen (no) after None");
    assert_eq!(refuse(Reason::IdentityInUse, Some(2)).0, "reopen (no) after Some(2000)");
    assert_eq!(refuse(Reason::IdentityInUse, None).0, "give up (no)");
    let unknown = refuse(Reason::SessionUnknown, None);
    assert_eq!(unknown.0, "reopen (no) after None");
    assert_eq!(unknown.1, "hello session \"\" running [] owed []", "it begins anew");
}

#[test]
fn each_hello_has_the_number_of_its_stream() {
    let mut session = Story::new(1).session;
    let mut number = || {
        let mut acts = Vec::new();
        session.on(Event::Opened, Millis::ZERO, &mut acts);
        match acts.as_slice() {
            [Act::Send(ToCluster::Hello(hello))] => hello.stream_number,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([number(), number(), number()], [1, 2, 3]);
}

#[test]
fn a_hello_without_a_welcome_is_not_waited_for_for_ever() {
    let mut story = Story::new(1);
    story.on(Event::Opened);
    assert_eq!(story.until(10_000), "5000: reopen (no welcome in time) after None");
}

#[test]
fn asked_it_says_what_it_runs_owes_and_does_not_know() {
    let mut story = Story::attached(2);
    story.push(5, 1);
    story.push(6, 1);
    story.ends(5, Action::ExecuteFailed);
    let ask = FromCluster::Ask(pb::Ask { executions: [5, 6, 7].map(e).to_vec() });
    assert_eq!(story.heard(ask), "standing [5 Owed, 6 Running, 7 Unknown]");
}

#[test]
fn lines_are_gathered_and_go_before_the_result() {
    let mut story = Story::attached(1);
    story.push(5, 1);
    let line = |number: u64| pb::BizLogLine { number, text: format!("line {number}"), ..Default::default() };
    assert_eq!(story.on(Event::Lines(ExecutionId::from_u64(e(5)), vec![line(1)])), "");
    assert_eq!(story.until(100), "100: lines [line 1]");
    story.on(Event::Lines(ExecutionId::from_u64(e(5)), vec![line(2)]));
    let told = story.ends(5, Action::ExecuteSuccess);
    assert_eq!(told, "keep 5; keep lines 5; lines [line 2]; completed [5 SUCCESS] free 1");
    assert_eq!(
        story.reattach(1),
        "hello session \"1.0\" running [] owed [5]; lines [line 1, line 2]; completed [5 SUCCESS] free 1"
    );
}

/// Random orders of events: whatever comes, a slot is never used twice and nothing that was kept is forgotten unacked.
#[test]
fn in_any_order_of_events_slots_and_results_are_kept() {
    let (mut begun, mut returned, mut fenced, mut repeated) = (0, 0, 0, 0);
    for seed in 0..300_u64 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut story = Story::attached(3);
        let (mut live, mut kept) = (BTreeSet::new(), BTreeSet::new());
        let mut term = 1;
        for _ in 0..200 {
            let n = random.u64(1..40);
            story.now += random.u64(0..400);
            let told = match random.u8(0..9) {
                0..=2 => story.push(n, term),
                3 | 4 => match live.iter().nth(random.usize(0..3)).copied() {
                    Some(n) => {
                        live.remove(&n);
                        story.ends(
                            n,
                            if random.bool() { Action::ExecuteSuccess } else { Action::ExecuteException },
                        )
                    }
                    None => String::new(),
                },
                5 => {
                    kept.remove(&n);
                    story.acked(n)
                }
                6 => {
                    answer_heartbeats(&mut story);
                    String::new()
                }
                7 => {
                    term += random.u64(0..2);
                    story.reattach(term)
                }
                _ => story.on(Event::Lost),
            };
            for act in told.split("; ") {
                let number =
                    |act: &str, verb: &str| act.strip_prefix(verb).map(|n| n.parse::<u64>().unwrap());
                if let Some(n) = number(act, "begin ") {
                    begun += 1;
                    assert!(live.insert(n), "seed {seed}: {n} begins twice");
                    assert!(!kept.contains(&n), "seed {seed}: {n} begins though its result is owed");
                } else if let Some(n) = number(act, "keep ") {
                    kept.insert(n);
                }
                returned += usize::from(act.starts_with("returned"));
                fenced += usize::from(act.contains("cut off"));
                repeated += usize::from(act.starts_with("hello") && !act.contains("owed []"));
            }
            assert!(live.len() <= 3, "seed {seed}: {live:?}");
            assert_eq!(
                story.session.owed.keys().map(|n| n >> 20).collect::<BTreeSet<_>>(),
                kept,
                "seed {seed}"
            );
            assert_eq!(story.session.running.len(), live.len(), "seed {seed}");
        }
    }
    assert!(
        begun > 5000 && returned > 500 && fenced > 100 && repeated > 1000,
        "{begun} {returned} {fenced} {repeated}"
    );
}
