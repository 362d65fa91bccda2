//! A JobTracker that lost all it had is a new node; an operator takes the old one out and makes the new one a voter.

use super::super::history::Broken;
use super::super::tracker::Ms;
use super::net::address_of;
use super::world::{Happening, World};
use crate::raft::Member;
use crate::store::mem_disk::Crash;
use crate::store::{Node, NodeId};

/// How often the operator looks.
const LOOKS_EVERY: Ms = 500;

impl World {
    /// A host loses all that it had, unless another one has and is not a voter again.
    ///
    /// # Errors
    /// If its directory cannot be removed.
    pub(super) fn wipe(&mut self, host: usize, lasts: Ms) -> Result<(), Broken> {
        let is_whole = self.hosts.iter().all(|host| !host.stranger);
        if !is_whole || !self.hosts[host].is_running() || self.hosts[host].id.is_none() {
            return Ok(());
        }
        self.met("wiped hosts");
        self.host_down(host, Crash::PowerCut, lasts);
        self.hosts[host].wipe().map_err(|error| format!("n{} cannot be wiped: {error}", host + 1))?;
        self.active += 1;
        self.after(LOOKS_EVERY, Happening::Readmit { host });
        Ok(())
    }

    /// The operator does the next thing, and looks again later.
    pub(super) fn readmit(&mut self, host: usize) {
        if self.is_voter_again(host) {
            self.hosts[host].stranger = false;
            self.hosts[host].gone = None;
            self.active = self.active.saturating_sub(1);
            self.met("wiped hosts that are voters again");
        } else {
            self.after(LOOKS_EVERY, Happening::Readmit { host });
            self.admit_further(host);
        }
    }

    /// Voters and learners, as the leader has them.
    fn members(&self) -> Option<(Vec<NodeId>, Vec<NodeId>)> {
        let metrics = self.hosts[self.leader()?].up.as_ref()?.tracker.raft().metrics();
        let ids = |members: Vec<Member>| members.into_iter().map(|member| member.id).collect();
        Some((ids(metrics.voters), ids(metrics.learners)))
    }

    fn is_voter_again(&self, host: usize) -> bool {
        let (Some((voters, learners)), Some(id)) = (self.members(), self.hosts[host].id) else {
            return false;
        };
        let gone = self.hosts[host].gone;
        voters.contains(&id) && !voters.iter().chain(&learners).any(|member| Some(*member) == gone)
    }

    fn admit_further(&self, host: usize) {
        let (Some(leader), Some((voters, learners))) = (self.leader(), self.members()) else { return };
        let (Some(leading), Some(id)) = (&self.hosts[leader].up, self.hosts[host].id) else { return };
        let (raft, gone) = (leading.tracker.raft().clone(), self.hosts[host].gone);
        let (name, address) = (format!("n{}", host + 1), address_of(host));
        let is_known = voters.iter().chain(&learners).any(|member| *member == id);
        let old = gone.filter(|gone| voters.contains(gone) || learners.contains(gone));
        self.hosts[leader].spawn(async move {
            let node = Node { name, peer_addr: address.clone(), client_addr: address };
            // What does not come about now is asked for again.
            let _ = match old {
                Some(gone) => raft.remove(gone).await,
                None if is_known => raft.promote(id).await,
                None => raft.add_learner(Member { id, node }).await,
            };
        });
    }
}
