//! The history of nodes: who came and who went, the newest first.

use super::SCANNED_MAX;
use super::filter::Span;
use crate::domain::{Identity, NodeGroup, Position};
use crate::machine::base::BaseError;
use crate::machine::key::Key;
use crate::machine::query::Page;
use crate::machine::row::{NodeEvent, NodeEventRow, NodeType, Row};
use crate::machine::tables::Tables;

/// Which events to list; what is not given matches all.
#[derive(Clone, Debug, Default)]
pub struct NodeEventFilter {
    pub node_type: Option<NodeType>,
    pub node_group: Option<NodeGroup>,
    pub identity: Option<Identity>,
    /// Only those that came, or only those that went.
    pub online: Option<bool>,
    pub at: Span,
}

/// An event, and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEventView {
    pub position: Position,
    pub row: Box<NodeEventRow>,
}

impl Tables {
    /// The events before `before` that match, the newest first. A page may be short, even empty, before the end.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn node_events(
        &self,
        filter: &NodeEventFilter,
        before: Option<Position>,
        limit: usize,
    ) -> Result<Page<NodeEventView, Position>, BaseError> {
        let (from, to) = (Key::NodeEvent(Position::MIN), Key::NodeEvent(before.unwrap_or(Position::MAX)));
        let mut page = Page { rows: Vec::new(), next: None };
        let mut rows = self.scan_back(&from, &to).peekable();
        for _ in 0..SCANNED_MAX {
            let Some(row) = rows.next().transpose()? else {
                page.next = None;
                return Ok(page);
            };
            let (Key::NodeEvent(position), Row::NodeEvent(row)) = row else { continue };
            page.next = Some(position);
            if filter.matches(&row) {
                page.rows.push(NodeEventView { position, row });
            }
            if page.rows.len() == limit {
                break;
            }
        }
        if rows.peek().is_none() {
            page.next = None;
        }
        Ok(page)
    }
}

impl NodeEventFilter {
    fn matches(&self, row: &NodeEventRow) -> bool {
        self.node_type.is_none_or(|node_type| node_type == row.node_type)
            && (self.node_group.is_none() || self.node_group == row.node_group)
            && self.identity.as_ref().is_none_or(|identity| *identity == row.identity)
            && self.online.is_none_or(|online| online == (row.event == NodeEvent::Online))
            && self.at.contains(row.at)
    }
}
