//! Node groups with their counts, and what ended in them. As long as there are groups, not jobs.

use std::collections::BTreeMap;

use crate::domain::{ClientId, NodeGroup, RunId, Timestamp};
use crate::machine::base::BaseError;
use crate::machine::index::GroupCounts;
use crate::machine::key::Key;
use crate::machine::query::{RunState, RunView};
use crate::machine::row::{GroupRow, Hold, Row};
use crate::machine::tables::Tables;

/// A node group.
#[derive(Clone, Debug)]
pub struct GroupView {
    pub node_group: NodeGroup,
    /// What lives now.
    pub live: GroupCounts,
    /// Since the cluster began.
    pub counters: GroupRow,
    pub trackers_online: u32,
    pub trackers_offline: u32,
    /// Executions that its online TaskTrackers run at most.
    pub slots: u64,
    /// Who paused it, if it is paused.
    pub paused: Option<Hold>,
}

impl Tables {
    /// All node groups that are known: by a job, a counter, a TaskTracker or a pause.
    ///
    /// # Errors
    /// If the disk fails; so for all reads here.
    pub fn groups(&self) -> Result<Vec<GroupView>, BaseError> {
        let mut found = BTreeMap::<NodeGroup, GroupView>::new();
        for group in self.indexes().groups() {
            found.insert(group.clone(), GroupView::new(group.clone()));
        }
        for row in
            self.scan(std::ops::Bound::Included(&Key::first_group()), &Key::Client(ClientId::default()))
        {
            if let (Key::Group(group), Row::Group(row)) = row? {
                let view = found.entry(group).or_insert_with_key(|group| GroupView::new(group.clone()));
                view.counters = *row;
            }
        }
        for group in self.indexes().paused_groups() {
            let view = found.entry(group.clone()).or_insert_with_key(|group| GroupView::new(group.clone()));
            view.paused = self.paused(group)?;
        }
        for view in self.trackers()? {
            let Some(of) = found.get_mut(&view.node_group) else { continue };
            of.live.executing += view.executing as u64;
            match view.row.is_online() {
                true => {
                    of.trackers_online += 1;
                    of.slots += u64::from(view.row.slots());
                }
                false => of.trackers_offline += 1,
            }
        }
        let counted = |mut view: GroupView| {
            let executing = view.live.executing;
            view.live = GroupCounts { executing, ..self.indexes().group_but_for_executing(&view.node_group) };
            view
        };
        Ok(found.into_values().map(counted).collect())
    }

    /// The groups in which runs may have ended.
    pub(super) fn groups_with_history(&self, only: Option<&NodeGroup>) -> Result<Vec<NodeGroup>, BaseError> {
        if let Some(only) = only {
            return Ok(vec![only.clone()]);
        }
        let mut groups = Vec::new();
        for row in
            self.scan(std::ops::Bound::Included(&Key::first_group()), &Key::Client(ClientId::default()))
        {
            if let (Key::Group(group), _) = row? {
                groups.push(group);
            }
        }
        Ok(groups)
    }

    /// A run that has ended.
    pub(super) fn ended_run(&self, id: RunId) -> Result<Option<RunView>, BaseError> {
        match self.get(&Key::Ledger(id))? {
            Some(Row::Ledger(row)) => Ok(Some(RunView { id, state: RunState::Ended(row) })),
            Some(_) | None => Ok(None),
        }
    }

    /// The runs of some groups that ended at `from` or later and before `before`, the newest end first.
    pub(super) fn ended_before(
        &self,
        groups: &[NodeGroup],
        from: Timestamp,
        before: Option<(Timestamp, RunId)>,
    ) -> impl Iterator<Item = Result<(Timestamp, RunId), BaseError>> {
        let (at, run) = before.unwrap_or((Timestamp::MAX, RunId::default()));
        let bounds: Vec<(Key, Key)> = groups
            .iter()
            .map(|group| {
                let from = Key::Finished(group.clone(), from, RunId::default());
                (from, Key::Finished(group.clone(), at, run))
            })
            .collect();
        let mut rows: Vec<_> =
            bounds.into_iter().map(|(from, to)| self.scan_back(&from, &to).peekable()).collect();
        std::iter::from_fn(move || {
            loop {
                let newest = newest(&mut rows)?;
                match rows[newest].next()? {
                    // A job's own end is no run.
                    Ok((Key::Finished(_, _, run), _)) if run.is_whole() => {}
                    Ok((Key::Finished(_, at, run), _)) => return Some(Ok((at, run))),
                    Ok(_) => {}
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }

    /// The same from `after` on and before `to`, the oldest end first.
    pub(super) fn ended_after(
        &self,
        groups: &[NodeGroup],
        after: (Timestamp, RunId),
        to: Timestamp,
    ) -> impl Iterator<Item = Result<(Timestamp, RunId), BaseError>> {
        let (at, run) = after;
        let bounds: Vec<(Key, Key)> = groups
            .iter()
            .map(|group| {
                let end = Key::Finished(group.clone(), to.max(at), RunId::default());
                (Key::Finished(group.clone(), at, run), end)
            })
            .filter(|(from, to)| from < to)
            .collect();
        let mut rows: Vec<_> = bounds
            .into_iter()
            .map(|(from, to)| self.scan(std::ops::Bound::Excluded(&from), &to).peekable())
            .collect();
        std::iter::from_fn(move || {
            loop {
                let oldest = oldest(&mut rows)?;
                match rows[oldest].next()? {
                    Ok((Key::Finished(_, _, run), _)) if run.is_whole() => {}
                    Ok((Key::Finished(_, at, run), _)) => return Some(Ok((at, run))),
                    Ok(_) => {}
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }
}

type Peeked<'a, I> = &'a mut [std::iter::Peekable<I>];

/// Which of the scans has the newest end next; one that failed comes first.
fn newest<I: Iterator<Item = Result<(Key, Row), BaseError>>>(rows: Peeked<'_, I>) -> Option<usize> {
    let heads = rows.iter_mut().enumerate().filter_map(|(at, rows)| Some((ended(rows.peek()?), at)));
    heads
        .max_by(|(one, _), (other, _)| match (one, other) {
            (Some(one), Some(other)) => one.cmp(other),
            (one, other) => one.is_none().cmp(&other.is_none()),
        })
        .map(|(_, at)| at)
}

fn oldest<I: Iterator<Item = Result<(Key, Row), BaseError>>>(rows: Peeked<'_, I>) -> Option<usize> {
    let heads = rows.iter_mut().enumerate().filter_map(|(at, rows)| Some((ended(rows.peek()?), at)));
    heads.min().map(|(_, at)| at)
}

fn ended(row: &Result<(Key, Row), BaseError>) -> Option<(Timestamp, RunId)> {
    match row {
        Ok((Key::Finished(_, at, run), _)) => Some((*at, *run)),
        Ok(_) | Err(_) => None,
    }
}

impl GroupView {
    fn new(node_group: NodeGroup) -> GroupView {
        GroupView {
            node_group,
            live: GroupCounts::default(),
            counters: GroupRow::default(),
            trackers_online: 0,
            trackers_offline: 0,
            slots: 0,
            paused: None,
        }
    }
}
