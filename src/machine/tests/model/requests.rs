//! A request that comes again gets its first answer, told again.

use super::{Model, minute};
use crate::machine::command::{Fingerprint, RequestKey};
use crate::machine::limits::CLIENT_WINDOW;
use crate::machine::reply::{Refusal, Reply};

impl Model {
    pub(super) fn once(&mut self, request: &RequestKey, run: impl FnOnce(&mut Model) -> Reply) -> Reply {
        match request {
            RequestKey::None => run(self),
            RequestKey::Id { id, asks } => {
                if let Some((_, first)) = self.requests.get(id) {
                    let first = first.clone();
                    return self.again(first, *asks);
                }
                let answer = run(self);
                self.requests.insert(id.clone(), (self.now, (*asks, answer.clone())));
                answer
            }
            RequestKey::Session { client, sequence, asks } => {
                let Some(known) = self.clients.get(client) else {
                    return Reply::Refused(Refusal::UnknownClient(*client));
                };
                if let Some(first) = known.answers.get(sequence) {
                    let first = first.clone();
                    return self.again(first, *asks);
                }
                if known.high >= CLIENT_WINDOW && *sequence <= known.high - CLIENT_WINDOW {
                    self.rare("request too old");
                    return Reply::Refused(Refusal::RequestTooOld { client: *client, sequence: *sequence });
                }
                let answer = run(self);
                let now = self.now;
                let known = self.clients.get_mut(client).expect("it was there");
                known.answers.insert(*sequence, (*asks, answer.clone()));
                (known.high, known.used) = (known.high.max(*sequence), minute(now));
                let high = known.high;
                known.answers.retain(|sequence, _| high < CLIENT_WINDOW || *sequence > high - CLIENT_WINDOW);
                answer
            }
        }
    }

    fn again(&mut self, (asked, first): (Fingerprint, Reply), asks: Fingerprint) -> Reply {
        if asked != asks {
            self.rare("another request under the same key");
            return Reply::Refused(Refusal::RequestMismatch);
        }
        self.rare("request again");
        Reply::Again(Box::new(first))
    }
}
