//! What a TaskTracker's FailStore holds: results under their execution, and, beside each, the lines of that execution
//! that the cluster has not acknowledged, under the same number with the highest bit. An execution without a result has no
//! lines here: a process that dies loses it, and the cluster takes no more lines of it.

use bytes::Bytes;
use prost::Message as _;

use crate::link::FailStore;
use crate::wire::pb;

/// Set in the number of lines; an execution is a place in the log and never gets so far.
const LINES: u64 = 1 << 63;

/// What an earlier process left behind.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) owed: Vec<pb::ExecutionResult>,
    pub(super) lines: Vec<pb::ExecutionLines>,
}

impl Left {
    pub(super) fn behind(store: &FailStore) -> Left {
        let owed: Vec<pb::ExecutionResult> = store
            .live()
            .take_while(|(number, _)| *number < LINES)
            .filter_map(|(_, record)| pb::ExecutionResult::decode(record.clone()).ok())
            .collect();
        let of_one = |result: &pb::ExecutionResult| {
            let record = store.get(LINES | result.execution)?;
            pb::ExecutionLines::decode(record.clone()).ok()
        };
        let lines = owed.iter().filter_map(of_one).collect();
        Left { owed, lines }
    }
}

pub(super) fn result(result: &pb::ExecutionResult) -> (u64, Bytes) {
    (result.execution, result.encode_to_vec().into())
}

pub(super) fn lines(lines: &pb::ExecutionLines) -> (u64, Bytes) {
    (LINES | lines.execution, lines.encode_to_vec().into())
}

/// The numbers of all that is kept of an execution.
pub(super) fn numbers(execution: u64) -> [u64; 2] {
    [execution, LINES | execution]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_with_the_result_of_their_execution_and_forgotten_with_it() {
        let mut store = FailStore::in_memory(1 << 20);
        let of = |execution| pb::ExecutionResult { execution, action: 1, ..Default::default() };
        let said = |execution, text: &str| {
            let line = pb::BizLogLine { number: 3, text: text.into(), ..Default::default() };
            pb::ExecutionLines { execution, lines: vec![line] }
        };
        store.put(vec![result(&of(5)), result(&of(7)), lines(&said(7, "seven"))]).unwrap();
        // The result of 6 is gone, by a process that died in between.
        store.put(vec![lines(&said(6, "six"))]).unwrap();
        let left = Left::behind(&store);
        assert_eq!((left.owed, left.lines), (vec![of(5), of(7)], vec![said(7, "seven")]));
        store.forget([5, 6, 7].into_iter().flat_map(numbers)).unwrap();
        assert!(store.is_empty());
    }
}
