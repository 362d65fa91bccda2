//! The logs of all nodes as one. **Promise: every node applied the same commands, got the same replies, and had the same
//! digest at the same index.**

use std::collections::BTreeMap;

use serde_json::Value;

use super::command::Command;
use super::evidence::Evidence;
use super::finding::Finding;
use super::reply::Reply;
use super::words::At;

/// The entries that any node exported, with whatever any of them said about each.
#[derive(Debug, Default)]
pub(crate) struct AgreedLog {
    pub(crate) entries: BTreeMap<u64, Entry>,
    pub(crate) unreadable: Vec<String>,
    finding: Finding,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) index: u64,
    pub(crate) term: u64,
    /// None of an entry without commands.
    pub(crate) at: Option<At>,
    pub(crate) commands: Vec<Logged>,
}

#[derive(Clone, Debug)]
pub(crate) struct Logged {
    pub(crate) command: Command,
    /// None where no node exported it.
    pub(crate) reply: Option<Reply>,
}

/// The first that was said of one index, and by whom.
struct Said<'a> {
    node: &'a str,
    term: u64,
    at: &'a str,
    commands: Vec<&'a Value>,
    replies: Vec<Option<(&'a str, &'a Value)>>,
    digest: Option<(&'a str, &'a str)>,
}

impl AgreedLog {
    pub(crate) fn merge(evidence: &Evidence) -> AgreedLog {
        let mut log = AgreedLog::default();
        let mut said: BTreeMap<u64, Said<'_>> = BTreeMap::new();
        for (node, entries) in &evidence.logs {
            for applied in entries {
                log.finding.checked(1);
                let digest = applied.digest.as_deref().filter(|digest| !digest.is_empty());
                let replies = applied.commands.iter();
                let replies: Vec<_> = replies.map(|one| Some((node.as_str(), one.reply.as_ref()?))).collect();
                let commands: Vec<_> = applied.commands.iter().map(|one| &one.command).collect();
                let Some(first) = said.get_mut(&applied.index) else {
                    let digest = digest.map(|digest| (node.as_str(), digest));
                    let (term, at) = (applied.term, applied.at.as_str());
                    said.insert(applied.index, Said { node, term, at, commands, replies, digest });
                    continue;
                };
                let index = applied.index;
                if first.term != applied.term || first.at != applied.at || first.commands != commands {
                    log.finding.violation(format!(
                        "index {index}: {} and {node} applied different entries (terms {} and {})",
                        first.node, first.term, applied.term
                    ));
                    continue;
                }
                if first.node != node {
                    log.finding.count("entries compared between nodes", 1);
                }
                for (known, new) in first.replies.iter_mut().zip(replies) {
                    match (*known, new) {
                        (Some((who, known)), Some((_, new))) if known != new => log
                            .finding
                            .violation(format!("index {index}: {who} replied {known}, {node} replied {new}")),
                        (None, new) => *known = new,
                        _ => {}
                    }
                }
                match (first.digest, digest) {
                    (Some((who, known)), Some(new)) => {
                        if known != new {
                            log.finding.violation(format!(
                                "index {index}: digest {known} on {who}, {new} on {node}"
                            ));
                        }
                        if who != node {
                            log.finding.count("digests compared between nodes", 1);
                        }
                    }
                    (None, Some(new)) => first.digest = Some((node, new)),
                    (_, None) => {}
                }
            }
        }
        for (index, said) in said {
            log.read(index, &said);
        }
        log
    }

    fn read(&mut self, index: u64, said: &Said<'_>) {
        let mut wrong = |what: String| self.unreadable.push(format!("index {index}: {what}"));
        let at: Result<At, String> = said.at.parse();
        if let (Err(why), false) = (&at, said.commands.is_empty()) {
            wrong(why.clone());
        }
        let mut commands = Vec::with_capacity(said.commands.len());
        for (command, reply) in said.commands.iter().zip(&said.replies) {
            let reply = reply.and_then(|(_, reply)| {
                Reply::deserialize_from(reply).map_err(|why| wrong(format!("{why}: {reply}"))).ok()
            });
            match serde_json::from_value(Value::clone(command)) {
                Ok(command) => commands.push(Logged { command, reply }),
                Err(why) => wrong(format!("{why}: {command}")),
            }
        }
        self.entries.insert(index, Entry { index, term: said.term, at: at.ok(), commands });
    }

    /// The ranges of indexes that nobody exported, from 1 on.
    pub(crate) fn gaps(&self) -> Vec<(u64, u64)> {
        let mut gaps = Vec::new();
        let mut next = 1;
        for &index in self.entries.keys() {
            if index > next {
                gaps.push((next, index - 1));
            }
            next = index + 1;
        }
        gaps
    }

    /// All commands with the index of their entry, in their order.
    pub(crate) fn commands(&self) -> impl Iterator<Item = (u64, &Logged)> {
        self.entries.values().flat_map(|entry| entry.commands.iter().map(|one| (entry.index, one)))
    }

    pub(crate) fn judge(&self, evidence: &Evidence) -> Finding {
        let mut finding = self.finding.clone();
        finding.count("indexes", self.entries.len());
        let silent = evidence.info.nodes.iter().filter(|node| !evidence.logs.contains_key(*node));
        for node in silent {
            finding.doubt(format!("{node} exported no log"));
        }
        if evidence.info.nodes.len() > 1 {
            for what in ["entries compared between nodes", "digests compared between nodes"] {
                if !finding.counts.contains_key(what) {
                    finding.doubt(format!("no {what}"));
                }
            }
        }
        for why in self.unreadable.iter().take(3) {
            finding.doubt(format!("unreadable: {why}"));
        }
        finding.count("unreadable", self.unreadable.len());
        finding
    }
}
