//! Which TaskTracker gets the work. Pure: the roster and what is ready come in, a deal goes out.
//!
//! A burst is dealt in chunks of ceil(ready / TaskTrackers), so that it spreads over all of them; ties go to the one
//! that got work longest ago. What is left goes round again until nothing is ready or nothing is free.

use std::collections::{BTreeMap, BTreeSet};

use super::roster::Roster;
use super::takes;
use crate::domain::{Kind, NodeGroup, SessionId};

/// How many runs of each kind are ready and not yet asked for.
pub type Ready = BTreeMap<Kind, usize>;

/// Deals what is ready in a group and reserves the slots.
pub(super) fn deal(roster: &mut Roster, group: &NodeGroup, mut ready: Ready) -> Vec<(SessionId, u32)> {
    let mut left: usize = ready.values().sum();
    let mut wants: BTreeMap<SessionId, u32> = BTreeMap::new();
    let mut order: Vec<_> = roster
        .of_group(group)
        .filter(|(_, tracker)| tracker.free() > 0)
        .filter_map(|(session, tracker)| {
            Some((tracker.last_used, session, tracker.free(), tracker.kinds()?.clone()))
        })
        .collect();
    order.sort_unstable();
    while left > 0 && !order.is_empty() {
        let chunk = u32::try_from(left.div_ceil(order.len())).unwrap_or(u32::MAX);
        let before = left;
        for (_, session, free, kinds) in &mut order {
            let want = take(&mut ready, kinds, chunk.min(*free));
            *free -= want;
            left -= want as usize;
            *wants.entry(*session).or_default() += want;
        }
        order.retain(|(_, _, free, _)| *free > 0);
        if left == before {
            break;
        }
    }
    wants.retain(|_, want| *want > 0);
    let mut deal: Vec<_> = wants.into_iter().collect();
    deal.sort_unstable_by_key(|(session, want)| (std::cmp::Reverse(*want), *session));
    deal.iter().for_each(|(session, want)| roster.ask(*session, *want));
    deal
}

/// Takes up to `most` of the kinds that are taken; returns how many.
fn take(ready: &mut Ready, kinds: &BTreeSet<Kind>, most: u32) -> u32 {
    let mut taken = 0;
    for (_, count) in ready.iter_mut().filter(|(kind, _)| takes(kinds, kind)) {
        let some = u32::try_from(*count).unwrap_or(u32::MAX).min(most - taken);
        *count -= some as usize;
        taken += some;
    }
    taken
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::dispatch::Attached;

    fn group() -> NodeGroup {
        NodeGroup::new("trade").unwrap()
    }

    fn kind(name: &str) -> Kind {
        Kind::new(name).unwrap()
    }

    fn roster(trackers: &[(u64, u32, &[&str])]) -> Roster {
        let mut roster = Roster::default();
        for (session, capacity, kinds) in trackers {
            let kinds = kinds.iter().map(|name| kind(name)).collect();
            let attached = Attached { stream: 1, node_group: group(), kinds, capacity: *capacity };
            #[expect(clippy::disallowed_methods, reason = "any instant will do")]
            roster.attach(Instant::now(), SessionId::from_u64(*session), attached, 0);
        }
        roster
    }

    fn check(roster: &mut Roster, ready: &[(&str, usize)], expected: &[(u64, u32)]) {
        let ready = ready.iter().map(|(name, count)| (kind(name), *count)).collect();
        let deal = deal(roster, &group(), ready);
        let expected: Vec<_> = expected.iter().map(|(id, want)| (SessionId::from_u64(*id), *want)).collect();
        assert_eq!(deal, expected);
    }

    #[test]
    fn a_burst_is_spread_over_all() {
        check(
            &mut roster(&[(1, 64, &[]), (2, 64, &[]), (3, 64, &[])]),
            &[("a", 10)],
            &[(1, 4), (2, 4), (3, 2)],
        );
    }

    #[test]
    fn what_one_cannot_take_goes_to_the_others() {
        check(&mut roster(&[(1, 1, &[]), (2, 64, &[])]), &[("a", 10)], &[(2, 9), (1, 1)]);
    }

    #[test]
    fn single_runs_go_round() {
        let mut roster = roster(&[(1, 64, &[]), (2, 64, &[])]);
        check(&mut roster, &[("a", 1)], &[(1, 1)]);
        check(&mut roster, &[("a", 1)], &[(2, 1)]);
        check(&mut roster, &[("a", 1)], &[(1, 1)]);
    }

    #[test]
    fn nobody_gets_a_kind_that_it_does_not_take() {
        check(&mut roster(&[(1, 64, &["a"]), (2, 64, &["b"])]), &[("b", 5), ("c", 7)], &[(2, 5)]);
    }

    #[test]
    fn slots_that_were_asked_for_are_not_free() {
        let mut roster = roster(&[(1, 4, &[])]);
        check(&mut roster, &[("a", 3)], &[(1, 3)]);
        check(&mut roster, &[("a", 3)], &[(1, 1)]);
        check(&mut roster, &[("a", 3)], &[]);
        roster.started(SessionId::from_u64(1), 4, 2);
        check(&mut roster, &[("a", 3)], &[(1, 2)]);
    }
}
