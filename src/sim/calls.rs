//! JobClients: what they asked, under which key, and what they were told. A call with a key is sent again after an
//! unknown outcome, to whoever leads then, and sometimes for no reason at all.

use std::collections::{BTreeMap, BTreeSet};

use super::history::Broken;
use super::rare::Rare;
use super::world::{Happening, World};
use crate::domain::{ClientId, JobId, NodeGroup, RequestId, TaskId};
use crate::machine::command::{ClientOpen, Fingerprint, RequestKey};
use crate::machine::reply::SubmitAnswer;
use crate::machine::{Command, Reply};

/// How many JobClients there are.
pub(super) const CLIENTS: usize = 2;

#[derive(Debug)]
struct Call {
    command: Command,
    has_key: bool,
    answer: Option<Reply>,
}

#[derive(Debug, Default)]
pub(super) struct Calls {
    all: BTreeMap<u64, Call>,
    next: u64,
    ids: u64,
    /// Those that wait for an answer.
    open: BTreeSet<u64>,
    sessions: [Option<ClientId>; CLIENTS],
    opening: BTreeMap<u64, usize>,
    sequences: [u64; CLIENTS],
    /// Jobs that somebody was told about, the newest last.
    pub(super) known: Vec<(JobId, NodeGroup, TaskId)>,
}

impl Calls {
    pub(super) fn is_quiet(&self) -> bool {
        self.open.is_empty()
    }
}

impl World {
    /// A key for a new request: of a client session, on its own, or none.
    pub(super) fn key(&mut self) -> RequestKey {
        let client = self.rng.below(CLIENTS);
        match (self.calls.sessions[client], self.rng.between(0, 9)) {
            (Some(session), 0..=5) => {
                self.calls.sequences[client] += 1;
                let sequence = self.calls.sequences[client];
                RequestKey::Session { client: session, sequence, asks: Fingerprint::default() }
            }
            (_, 6) => RequestKey::None,
            (Some(_) | None, _) => {
                self.calls.ids += 1;
                let id = format!("r{}", self.calls.ids);
                RequestKey::Id { id: RequestId::new(id).expect("a short name"), asks: Fingerprint::default() }
            }
        }
    }

    pub(super) fn open_session(&mut self, client: usize) {
        let identity = crate::domain::Identity::new(format!("c{client}")).expect("a short name");
        let call = self.ask(1, Command::ClientOpen(ClientOpen { identity }), false);
        self.calls.opening.insert(call, client);
    }

    /// Somebody will ask for this.
    pub(super) fn ask(&mut self, delay: u64, command: Command, has_key: bool) -> u64 {
        let call = self.calls.next;
        self.calls.next += 1;
        self.calls.all.insert(call, Call { command, has_key, answer: None });
        self.calls.open.insert(call);
        self.after(delay, Happening::Call { call });
        call
    }

    /// The call reaches whoever leads, or nobody: then it surely was not proposed.
    pub(super) fn call(&mut self, call: u64) {
        let command = self.calls.all[&call].command.clone();
        match &mut self.office {
            Some(office) => office.call(call, command),
            None => {
                let pause = self.rng.between(20, 400);
                self.after(pause, Happening::Call { call });
            }
        }
    }

    /// The proposal may have been lost, or not: only a call that is recognised may be sent again.
    pub(super) fn unknown(&mut self, call: u64) {
        let (is_open, has_key) = (self.calls.open.contains(&call), self.calls.all[&call].has_key);
        if !is_open {
            return;
        }
        self.history.saw(Rare::UnknownOutcomes);
        if has_key && (self.calm || self.rng.percent(90)) {
            let pause = self.rng.between(5, 1_500);
            self.after(pause, Happening::Call { call });
        } else {
            self.calls.open.remove(&call);
            if let Some(client) = self.calls.opening.remove(&call) {
                self.open_session(client);
            }
        }
    }

    pub(super) fn answered(&mut self, number: u64, reply: Reply) -> Result<(), Broken> {
        let reply = reply.answer().clone();
        self.calls.open.remove(&number);
        if let (Some(client), Reply::ClientOpened(session)) = (self.calls.opening.remove(&number), &reply) {
            (self.calls.sessions[client], self.calls.sequences[client]) = (Some(*session), 0);
        }
        let again = !self.calm && self.rng.percent(4);
        let pause = self.rng.between(1, 4_000);
        let call = self.calls.all.get_mut(&number).expect("it was asked");
        if let Some(first) = call.answer.replace(reply.clone())
            && first != reply
        {
            return Err(format!("a client was answered {first:?} and then {reply:?} to {:?}", call.command));
        }
        if let (Command::Submit(submit), Reply::Submitted(answers)) = (&call.command, &reply) {
            for (spec, answer) in submit.jobs.iter().zip(answers) {
                let (SubmitAnswer::Accepted(job)
                | SubmitAnswer::Exists(job)
                | SubmitAnswer::Replaced(job, _)
                | SubmitAnswer::Conflict(job)) = answer
                else {
                    continue;
                };
                self.calls.known.push((*job, spec.node_group.clone(), spec.task_id.clone()));
            }
        }
        if again && call.has_key {
            self.after(pause, Happening::Call { call: number });
        }
        Ok(())
    }
}
