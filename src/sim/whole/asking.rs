//! JobClients: they ask any JobTracker, are told what became of it, or that nobody can tell, and ask again elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::history::Broken;
use super::super::jobs;
use super::super::rare::Rare;
use super::super::tracker::Ms;
use super::world::{Happening, World};
use crate::domain::{JobId, NodeGroup, Position, RequestId, RunId, TaskId};
use crate::jobtracker::{CommandError, Committed, lane_of};
use crate::machine::command::{Cancel, Fingerprint, JobRef, RequestKey, Retry, RetryOf, Submit, Terminate};
use crate::machine::reply::SubmitAnswer;
use crate::machine::{Command, Machine, Reply};

#[derive(Debug)]
pub(super) struct Call {
    command: Command,
    has_key: bool,
    answer: Option<Reply>,
    /// Where it is, and which process of that host has it.
    at: Option<(usize, u64)>,
    /// Some attempt may have reached the log.
    unsure: bool,
}

/// What became of one try of a call, and the newest index that anybody had been told of when it was tried. The tries of a call
/// may overlap: a process may die in the moment in which it has answered.
type Told = (u64, u64, Result<Committed, CommandError>);

/// A linearizable read: which host, the newest index that anybody had been told of when it was asked, and what it saw.
type Seen = (usize, u64, u64);

#[derive(Debug, Default)]
pub(super) struct Asking {
    all: BTreeMap<u64, Call>,
    next: u64,
    pub(super) open: BTreeSet<u64>,
    told: Arc<Mutex<Vec<Told>>>,
    pub(super) known: Vec<(JobId, NodeGroup, TaskId)>,
    pub(super) acknowledged: u64,
    /// The newest index that anybody was told of.
    newest: u64,
    reads: Arc<Mutex<Vec<Seen>>>,
}

impl World {
    pub(super) fn ask(&mut self, command: Command, has_key: bool) {
        let call = self.asking.next;
        self.asking.next += 1;
        self.asking.all.insert(call, Call { command, has_key, answer: None, at: None, unsure: false });
        self.asking.open.insert(call);
        let delay = self.rng.between(1, 5);
        self.after(delay, Happening::Call { call });
    }

    /// The call reaches a JobTracker, any of them; one that is down refuses the connection.
    pub(super) fn call(&mut self, number: u64) {
        let host = match self.leader().filter(|_| self.rng.percent(40)) {
            Some(leader) => leader,
            None => self.rng.below(self.hosts.len()),
        };
        let Some(up) = self.hosts[host].up.as_ref() else {
            let pause = self.rng.between(20, 400);
            return self.after(pause, Happening::Call { call: number });
        };
        let within = Duration::from_millis(self.rng.between(300, 4_000));
        let call = self.asking.all.get_mut(&number).expect("it was asked");
        call.at = Some((host, self.hosts[host].start));
        let (tracker, command, floor) = (up.tracker.clone(), call.command.clone(), self.asking.newest);
        let told = Arc::clone(&self.asking.told);
        self.hosts[host].spawn(async move {
            let result = tracker.command(lane_of(&command), command, within).await;
            told.lock().push((number, floor, result));
        });
    }

    /// What the JobTrackers have said since the last tick.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub(super) fn hear_answers(&mut self) -> Result<(), Broken> {
        let mut told = std::mem::take(&mut *self.asking.told.lock());
        // What comes within a millisecond comes at once.
        told.sort_by_key(|(number, floor, _)| (*number, *floor));
        for (number, floor, result) in told {
            let call = self.asking.all.get_mut(&number).expect("it was asked");
            call.at = None;
            let kind = match &result {
                Ok(_) => 0,
                Err(CommandError::Unknown(_)) => 1,
                Err(_) => 2,
            };
            self.trace.note("told", &[self.now, number, kind]);
            match result {
                Ok(committed) => self.committed(number, floor, &committed)?,
                Err(CommandError::Unknown(_)) => self.unknown(number),
                Err(
                    CommandError::Busy { .. }
                    | CommandError::DiskLow
                    | CommandError::NoLeader
                    | CommandError::NotInitialized,
                ) => self.not_applied(number)?,
            }
        }
        self.hear_reads()
    }

    /// A JobTracker, any of them, is asked for a read that must see all that was acknowledged before.
    fn read(&mut self) {
        let host = self.rng.below(self.hosts.len());
        let within = Duration::from_millis(self.rng.between(300, 4_000));
        let Some(up) = self.hosts[host].up.as_ref() else { return };
        let (tracker, reads, floor) =
            (up.tracker.clone(), Arc::clone(&self.asking.reads), self.asking.newest);
        self.hosts[host].spawn(async move {
            if tracker.linearize(within).await.is_ok() {
                let saw = tracker.look(Machine::applied_index);
                reads.lock().push((host, floor, saw));
            }
        });
    }

    fn hear_reads(&mut self) -> Result<(), Broken> {
        let mut reads = std::mem::take(&mut *self.asking.reads.lock());
        reads.sort_unstable();
        for (host, floor, saw) in reads {
            self.met("linearizable reads");
            self.trace.note("read", &[self.now, host as u64, floor, saw]);
            if saw < floor {
                return Err(format!(
                    "A2: n{} answered a read at {saw}, and it was asked after {floor} was acknowledged",
                    host + 1
                ));
            }
        }
        Ok(())
    }

    fn committed(&mut self, number: u64, floor: u64, committed: &Committed) -> Result<(), Broken> {
        let call = self.asking.all.get_mut(&number).expect("it was asked");
        let index = committed.index;
        if index <= floor {
            return Err(format!(
                "A2: acknowledged at {index}, and asked after {floor} was: {:?}",
                call.command
            ));
        }
        self.asking.newest = self.asking.newest.max(index);
        self.book.acknowledged(index, &call.command, &committed.clone().into_reply())?;
        call.unsure = true;
        self.asking.acknowledged += 1;
        if !self.calm && self.rng.percent(3) {
            // The answer is lost on its way.
            self.unknown(number);
            return Ok(());
        }
        self.asking.open.remove(&number);
        let call = self.asking.all.get_mut(&number).expect("it was asked");
        let answer = committed.reply.answer();
        if let Some(first) = call.answer.replace(answer.clone())
            && first != *answer
        {
            return Err(format!(
                "B2: a client was answered {first:?} and then {answer:?} to {:?}",
                call.command
            ));
        }
        if let (Command::Submit(submit), Reply::Submitted(answers)) = (&call.command, answer) {
            for (spec, answer) in submit.jobs.iter().zip(answers) {
                let (SubmitAnswer::Accepted(job)
                | SubmitAnswer::Exists(job)
                | SubmitAnswer::Replaced(job, _)
                | SubmitAnswer::Conflict(job)) = answer
                else {
                    continue;
                };
                self.asking.known.push((*job, spec.node_group.clone(), spec.task_id.clone()));
            }
        }
        if call.has_key && !self.calm && self.rng.percent(4) {
            let pause = self.rng.between(1, 4_000);
            self.after(pause, Happening::Call { call: number });
        }
        Ok(())
    }

    fn unknown(&mut self, number: u64) {
        let call = self.asking.all.get_mut(&number).expect("it was asked");
        call.unsure = true;
        self.history.saw(Rare::UnknownOutcomes);
        if call.has_key && (self.calm || self.rng.percent(90)) {
            let pause = self.rng.between(5, 1_500);
            self.after(pause, Happening::Call { call: number });
        } else {
            self.asking.open.remove(&number);
        }
    }

    /// It was said that this was surely not applied, and so it must not be in the log, then or later.
    fn not_applied(&mut self, number: u64) -> Result<(), Broken> {
        let call = &self.asking.all[&number];
        if call.has_key
            && !call.unsure
            && let Some(index) = self.book.has(&call.command)
        {
            return Err(format!(
                "A2: it was told that this is not applied, and it is at {index}: {:?}",
                call.command
            ));
        }
        if self.calm || self.rng.percent(80) {
            let pause = self.rng.between(20, 600);
            self.after(pause, Happening::Call { call: number });
        } else {
            self.asking.open.remove(&number);
        }
        Ok(())
    }

    /// Those that gave up after nothing but definite refusals.
    ///
    /// # Errors
    /// If the log has one of them all the same.
    pub(super) fn refused_stay_out(&self) -> Result<(), Broken> {
        let refused = |call: &&Call| call.has_key && !call.unsure && call.answer.is_none();
        for call in self.asking.all.values().filter(refused) {
            if let Some(index) = self.book.has(&call.command) {
                return Err(format!(
                    "A2: it was told that this is not applied, and it is at {index}: {:?}",
                    call.command
                ));
            }
        }
        Ok(())
    }

    /// A process ended with these calls in hand.
    pub(super) fn calls_break(&mut self, host: usize) {
        let start = self.hosts[host].start;
        let held: Vec<u64> = (self.asking.all.iter())
            .filter(|(_, call)| call.at == Some((host, start)))
            .map(|(number, _)| *number)
            .collect();
        for number in held {
            self.asking.all.get_mut(&number).expect("it was just seen").at = None;
            self.unknown(number);
        }
    }

    fn key(&mut self) -> (RequestKey, bool) {
        if self.rng.percent(10) {
            return (RequestKey::None, false);
        }
        let id = format!("r{}", self.asking.next);
        (RequestKey::Id { id: RequestId::new(id).expect("a short name"), asks: Fingerprint::default() }, true)
    }

    /// Somebody asks for something.
    pub(super) fn ask_anything(&mut self) {
        if self.rng.percent(10) {
            return self.read();
        }
        let (request, has_key) = self.key();
        let command = match self.rng.between(0, 99) {
            0..=59 => {
                let size = if self.rng.percent(15) { self.rng.between(2, 8) } else { 1 };
                let now = self.truth();
                let jobs = jobs::batch(&mut self.rng, now, size);
                if self.rng.percent(20) {
                    self.aim_cancel(&jobs[0]);
                }
                Command::Submit(Submit { request, jobs, refused: Vec::new() })
            }
            60..=84 => Command::Cancel(Cancel { request, job: self.some_job(), reason: String::new() }),
            85..=92 => {
                let runs: Vec<RunId> = self.history.executing().collect();
                if runs.is_empty() {
                    return;
                }
                Command::Terminate(Terminate { request, run: *self.rng.pick(&runs), reason: String::new() })
            }
            _ => {
                if self.asking.known.is_empty() {
                    return;
                }
                let (job, _, _) = self.rng.pick(&self.asking.known).clone();
                let of = RetryOf::Run(RunId { job, number: self.rng.between(0, 2) });
                Command::Retry(Retry { request, of, reason: String::new() })
            }
        };
        self.ask(command, has_key);
    }

    /// A cancel that arrives about when the job is due.
    fn aim_cancel(&mut self, spec: &Arc<crate::domain::JobSpec>) {
        let key = JobRef::Key(spec.node_group.clone(), spec.task_id.clone());
        let due: Ms = spec.one_shot_due(self.truth()).map_or(500, |due| due.since(self.truth()).get());
        let delay = (due + self.rng.between(0, 60)).saturating_sub(20).max(1);
        self.after(delay, Happening::CancelAt { job: key });
    }

    pub(super) fn cancel(&mut self, job: JobRef) {
        let (request, has_key) = self.key();
        self.ask(Command::Cancel(Cancel { request, job, reason: String::new() }), has_key);
    }

    fn some_job(&mut self) -> JobRef {
        let recent = self.asking.known.len().saturating_sub(30);
        match self.asking.known.get(recent..).filter(|known| !known.is_empty()) {
            _ if self.rng.percent(5) => JobRef::Id(JobId(Position::new(9_999_999, 0))),
            Some(known) => {
                let (job, group, task) = self.rng.pick(known).clone();
                if self.rng.percent(50) { JobRef::Id(job) } else { JobRef::Key(group, task) }
            }
            None => JobRef::Id(JobId(Position::new(9_999_999, 0))),
        }
    }
}
