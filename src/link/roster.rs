//! Which JobTracker to talk to. Pure: what was heard comes in, a choice goes out.
//!
//! The highest term wins, whoever tells it. The leader is asked directly while its connection is up, else any other
//! JobTracker that is up, since each forwards and relays.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::wire::pb;

/// No cluster is larger; more addresses than this are not followed.
const ADDRESSES_MAX: usize = 32;

/// `host:port` of a JobTracker's client port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Arc<str>);

impl Address {
    /// Reads `host:port`, with or without `http://` before it.
    ///
    /// # Errors
    /// A lower-case fragment that says what would be right.
    pub fn parse(text: &str) -> Result<Address, String> {
        let bare = text.trim().strip_prefix("http://").unwrap_or(text.trim()).trim_end_matches('/');
        let (host, port) = bare.rsplit_once(':').unwrap_or((bare, ""));
        let legal = !host.is_empty() && !host.contains(['/', '@', ' ', ',']) && port.parse::<u16>().is_ok();
        legal
            .then(|| Address(bare.into()))
            .ok_or_else(|| format!("{text:?} is not an address such as 127.0.0.1:5870"))
    }

    /// Reads a list with commas between its addresses.
    ///
    /// # Errors
    /// If one is wrong, or there is none.
    pub fn parse_list(text: &str) -> Result<Vec<Address>, String> {
        text.split(',').map(Address::parse).collect()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The leader of the highest term that was heard of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    pub address: Address,
    pub node_id: String,
    pub name: String,
    pub term: u64,
}

/// What is known of the JobTrackers.
#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Every address with whether its connection is up.
    addresses: BTreeMap<Address, bool>,
    leader: Option<Leader>,
    /// The highest term that anybody told.
    term: u64,
}

impl Roster {
    pub(super) fn new(addresses: impl IntoIterator<Item = Address>) -> Roster {
        let addresses = addresses.into_iter().map(|address| (address, false)).collect();
        Roster { addresses, leader: None, term: 0 }
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.addresses.keys()
    }

    pub(super) fn leader(&self) -> Option<&Leader> {
        self.leader.as_ref()
    }

    pub(super) fn up(&mut self, address: &Address) {
        self.addresses.insert(address.clone(), true);
    }

    /// A lost connection to the leader leaves the leader known: others may still relay to it.
    pub(super) fn down(&mut self, address: &Address) {
        self.addresses.insert(address.clone(), false);
    }

    pub(super) fn heard(&mut self, from: &Address, told: pb::SubscribeResponse) {
        for known in &told.jobtrackers {
            self.learn(&known.client_address);
        }
        match told.leadership {
            Some(pb::subscribe_response::Leadership::Available(available)) => self.available(available),
            Some(pb::subscribe_response::Leadership::Unavailable(unavailable)) => {
                self.unavailable(from, unavailable)
            }
            None => {}
        }
    }

    fn available(&mut self, available: pb::Available) {
        let Some(told) = available.leader else { return };
        let Some(address) = self.learn(&told.client_address) else { return };
        if available.term >= self.term {
            self.term = available.term;
            self.leader =
                Some(Leader { address, node_id: told.node_id, name: told.name, term: available.term });
        }
    }

    /// A follower that lost its leader proves nothing about the leader; the leader's own word, or a higher term, does.
    fn unavailable(&mut self, from: &Address, unavailable: pb::Unavailable) {
        let deposed = self.leader.as_ref().is_some_and(|leader| {
            unavailable.term > leader.term || (leader.address == *from && unavailable.term >= leader.term)
        });
        self.term = self.term.max(unavailable.term);
        if deposed {
            self.leader = None;
        }
    }

    fn learn(&mut self, text: &str) -> Option<Address> {
        let address = Address::parse(text).ok()?;
        if !self.addresses.contains_key(&address) {
            if self.addresses.len() >= ADDRESSES_MAX {
                return None;
            }
            self.addresses.insert(address.clone(), false);
        }
        Some(address)
    }

    /// The leader if its connection is up, else the `salt`th of the others that are up, else none.
    pub(super) fn choose(&self, salt: usize) -> Option<Address> {
        let is_up = |address: &Address| self.addresses.get(address).copied().unwrap_or(false);
        if let Some(leader) = self.leader.as_ref().filter(|leader| is_up(&leader.address)) {
            return Some(leader.address.clone());
        }
        let up: Vec<&Address> =
            self.addresses.iter().filter(|(_, up)| **up).map(|(address, _)| address).collect();
        up.get(salt % up.len().max(1)).copied().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u16) -> Address {
        Address::parse(&format!("127.0.0.1:{n}")).unwrap()
    }

    fn available(leader: u16, term: u64) -> pb::SubscribeResponse {
        let leader = pb::JobTrackerAddress {
            node_id: leader.to_string(),
            name: format!("n{leader}"),
            client_address: address(leader).as_str().into(),
        };
        let leadership =
            pb::subscribe_response::Leadership::Available(pb::Available { leader: Some(leader), term });
        pb::SubscribeResponse { leadership: Some(leadership), jobtrackers: Vec::new() }
    }

    fn unavailable(term: u64) -> pb::SubscribeResponse {
        let leadership = pb::subscribe_response::Leadership::Unavailable(pb::Unavailable { term });
        pb::SubscribeResponse { leadership: Some(leadership), jobtrackers: Vec::new() }
    }

    fn three_up() -> Roster {
        let mut roster = Roster::new([1, 2, 3].map(address));
        [1, 2, 3].iter().for_each(|n| roster.up(&address(*n)));
        roster
    }

    #[test]
    fn the_highest_term_wins_whoever_tells_it() {
        let mut roster = three_up();
        roster.heard(&address(3), available(2, 7));
        roster.heard(&address(1), available(1, 6));
        assert_eq!(roster.choose(0), Some(address(2)));
        roster.heard(&address(1), available(3, 8));
        assert_eq!(roster.choose(0), Some(address(3)));
    }

    #[test]
    fn a_leader_that_cannot_be_reached_is_asked_through_another() {
        let mut roster = three_up();
        roster.heard(&address(3), available(2, 7));
        roster.down(&address(2));
        assert_eq!(roster.choose(0), Some(address(1)));
        assert_eq!(roster.choose(1), Some(address(3)));
        roster.up(&address(2));
        assert_eq!(roster.choose(0), Some(address(2)));
    }

    #[test]
    fn a_follower_that_lost_its_leader_deposes_nobody_but_a_higher_term_does() {
        let mut roster = three_up();
        roster.heard(&address(3), available(2, 7));
        roster.heard(&address(3), unavailable(7));
        assert!(roster.leader().is_some());
        roster.heard(&address(2), unavailable(7));
        assert!(roster.leader().is_none());
        roster.heard(&address(3), available(2, 7));
        roster.heard(&address(1), unavailable(9));
        assert!(roster.leader().is_none());
        roster.heard(&address(3), available(2, 8));
        assert!(roster.leader().is_none(), "term 9 was seen, so 8 is over");
    }

    #[test]
    fn addresses_are_learned_and_bounded() {
        let mut roster = Roster::new([address(1)]);
        let tell = |n: u16| pb::JobTrackerAddress {
            client_address: address(n).as_str().into(),
            ..Default::default()
        };
        let jobtrackers = (1..100).map(tell).collect();
        roster.heard(&address(1), pb::SubscribeResponse { leadership: None, jobtrackers });
        assert_eq!(roster.addresses().count(), ADDRESSES_MAX);
        assert_eq!(roster.choose(5), None, "nobody is up");
    }

    #[test]
    fn an_address_is_host_and_port() {
        assert_eq!(Address::parse(" http://n1.example:5870/ ").unwrap().as_str(), "n1.example:5870");
        assert_eq!(Address::parse("[::1]:5870").unwrap().as_str(), "[::1]:5870");
        for wrong in ["", "n1", "n1:", ":5870", "n1:99999", "https://n1:5870", "n1:5870/x", "a b:1"] {
            let problem = Address::parse(wrong).expect_err(wrong);
            assert!(problem.ends_with("is not an address such as 127.0.0.1:5870"), "{problem}");
        }
        assert_eq!(Address::parse_list("a:1,b:2").unwrap().len(), 2);
    }
}
