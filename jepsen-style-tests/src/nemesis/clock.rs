//! The wall clock of one JobTracker jumps, and later jumps back.

use super::Strike;
use crate::clock::offset;

/// How far, in seconds.
const JUMPS: [i64; 6] = [1, -1, 30, -30, 3600, -3600];

pub(super) async fn run(strike: &Strike) {
    let (node, word) = strike.target().await;
    let jump = JUMPS[strike.variant(JUMPS.len())];
    let begin = async { offset(&node, jump) };
    let end = async { offset(&node, 0) };
    strike.between(format!("{word}: {jump:+} s"), vec![node.name.clone()], begin, end).await;
}
