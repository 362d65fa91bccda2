//! A request that comes again gets its first answer. A client session remembers a window of them; ids of the caller's
//! choice are remembered for a day, which is longer than any test.

use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use crate::checker::command::{Command, Request};
use crate::checker::reply::Reply;
use crate::checker::words::Id;

const CLIENT_WINDOW: u64 = 1024;

type Answered = (Discriminant<Command>, Reply);

#[derive(Debug, Default)]
pub(super) struct Requests {
    clients: BTreeMap<Id, Client>,
    ids: BTreeMap<String, Answered>,
}

#[derive(Debug, Default)]
struct Client {
    highest: u64,
    answers: BTreeMap<u64, Answered>,
}

impl Requests {
    pub(super) fn open(&mut self, client: Id) {
        self.clients.insert(client, Client::default());
    }

    /// None of what is to be performed.
    pub(super) fn first_answer(&self, command: &Command) -> Option<Reply> {
        let answered = match command.request()? {
            Request::Id { id } => self.ids.get(id)?,
            Request::Session { client, sequence } => {
                let Some(client) = self.clients.get(client) else {
                    return Some(Reply::refused("unknown_client"));
                };
                if client.highest.checked_sub(CLIENT_WINDOW).is_some_and(|oldest| *sequence <= oldest) {
                    return Some(Reply::refused("request_too_old"));
                }
                client.answers.get(sequence)?
            }
        };
        let (kind, reply) = answered;
        let same = *kind == discriminant(command);
        Some(if same { reply.clone() } else { Reply::refused("request_mismatch") })
    }

    pub(super) fn remember(&mut self, command: &Command, reply: &Reply) {
        let answered = (discriminant(command), reply.clone());
        match command.request() {
            None => {}
            Some(Request::Id { id }) => {
                self.ids.insert(id.clone(), answered);
            }
            Some(Request::Session { client, sequence }) => {
                let client = self.clients.entry(*client).or_default();
                client.answers.insert(*sequence, answered);
                client.highest = client.highest.max(*sequence);
                let oldest = client.highest.saturating_sub(CLIENT_WINDOW - 1);
                client.answers = client.answers.split_off(&oldest);
            }
        }
    }
}
