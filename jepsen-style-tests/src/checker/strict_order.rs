//! **Every answer is what the log dictates, and the log respects real time.** With positions in the answers this is
//! strict serializability of the whole history, not of one job at a time:
//! - the command at an answer's position is that request, and its reply is that answer;
//! - the model, replayed over the log, gives each reply; what reads show is in `reads`;
//! - what ended before another began stands before it in the log; a read sees at least all of that;
//! - what surely was not applied is not in the log.

use super::operation::{Answer, Operation, Outcome};
use super::reply::{Reply, SubmitAnswer};
use super::{Case, Finding};

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    positions(case, &mut finding);
    replies(case, &mut finding);
    real_time(case, &mut finding);
    finding
}

fn positions(case: &Case<'_>, finding: &mut Finding) {
    for operation in case.operations.iter().filter(|operation| operation.is_mutation()) {
        let places = case.requests.get(&operation.req).map(Vec::as_slice).unwrap_or_default();
        match operation.outcome {
            Outcome::Fail if !places.is_empty() => finding.violation(format!(
                "{} was refused as surely not applied and stands in the log at {}",
                operation.req, places[0].0
            )),
            Outcome::Fail => {}
            Outcome::Unknown => {
                let which = if places.is_empty() { "unknown, never applied" } else { "unknown, applied" };
                finding.count(which, 1);
            }
            Outcome::Ok => answered(case, finding, operation, places),
        }
    }
}

fn answered(case: &Case<'_>, finding: &mut Finding, operation: &Operation, places: &[(u64, usize)]) {
    let Some(pos) = operation.pos else {
        return finding.count("answers without a position", 1);
    };
    finding.checked(1);
    finding.count("answers", 1);
    if !case.log.entries.contains_key(&pos) {
        return finding.doubt(format!("{}: nobody exported the entry {pos}", operation.req));
    }
    if !places.iter().any(|(index, _)| *index == pos) {
        return finding.violation(format!(
            "{} ({}) was answered from {pos}, and the command there is not it",
            operation.req, operation.f
        ));
    }
    let at_pos = places.iter().filter(|(index, _)| *index == pos);
    let replies: Vec<&Reply> =
        at_pos.filter_map(|(index, place)| case.replay.replies.get(index)?.get(*place)?.as_ref()).collect();
    if replies.is_empty() {
        return finding.doubt(format!("{}: nobody knows the reply at {pos}", operation.req));
    }
    let same = replies.iter().any(|reply| match (&operation.answer, reply) {
        (Answer::Submitted(told), Reply::Submitted(applied)) => {
            // What was refused at the door never came here.
            told.iter().filter(|answer| !matches!(answer, SubmitAnswer::Refused(_))).eq(applied)
        }
        (Answer::Cancelled(told), Reply::Cancelled(applied)) => told == applied,
        (Answer::Acted(told), Reply::Acted(applied)) => told == applied,
        (Answer::Refused(told), Reply::Refused(applied)) => *told == applied.reason,
        // All that was asked for was refused at the door; the empty request is in the log, to be answered again.
        (Answer::Refused(told), Reply::Submitted(applied)) => {
            applied.is_empty() && told == "invalid_argument"
        }
        (Answer::None, _) => true,
        _ => false,
    });
    if !same {
        finding.violation(format!(
            "{} ({}) was told {:?}; at {pos} it got {:?}",
            operation.req, operation.f, operation.answer, replies[0]
        ));
    }
}

fn replies(case: &Case<'_>, finding: &mut Finding) {
    let replay = &case.replay;
    finding.checked(replay.compared);
    finding.count("replies that the model gave too", replay.compared);
    finding.count("replies filled in by the model", replay.filled_in);
    if let Some(disagreement) = &replay.disagreement {
        finding.violation(disagreement.clone());
    }
    if let Some(why) = &replay.stopped {
        finding.doubt(why.clone());
    }
}

/// A sweep over invocations and completions: nothing stands at or before what had been answered before it began.
fn real_time(case: &Case<'_>, finding: &mut Finding) {
    let ok = case.operations.iter().filter(|operation| operation.outcome == Outcome::Ok);
    let mut edges: Vec<(u64, bool, &Operation)> = Vec::new();
    for operation in ok.filter(|operation| !operation.is_stale_read()) {
        edges.push((operation.invoked, true, operation));
        edges.extend(operation.ended.map(|ended| (ended, false, operation)));
    }
    // At the same nanosecond they count as concurrent: invocations first.
    edges.sort_by_key(|(t, begins, _)| (*t, !*begins));
    let mut written: Option<(u64, &Operation)> = None;
    let mut read: Option<(u64, &Operation)> = None;
    let mut floor = std::collections::BTreeMap::new();
    for (_, begins, operation) in edges {
        let index = if operation.is_read() { operation.rdx } else { operation.pos };
        let Some(index) = index else { continue };
        if begins {
            floor.insert(&operation.req, (written, read));
            continue;
        }
        let (written_before, read_before) = floor.get(&operation.req).copied().unwrap_or((None, None));
        finding.count("positions held against real time", 1);
        // A write stands behind all that was written or read before it; a read may stand where another did.
        let late = match operation.is_read() {
            true => {
                written_before.or(read_before).is_some() && {
                    let least = written_before.map_or(0, |(index, _)| index);
                    index < least.max(read_before.map_or(0, |(index, _)| index))
                }
            }
            false => {
                written_before.is_some_and(|(least, _)| index <= least)
                    || read_before.is_some_and(|(least, _)| index <= least)
            }
        };
        if late {
            let before = written_before.into_iter().chain(read_before).max_by_key(|(index, _)| *index);
            let (least, other) = before.expect("something stood before it");
            finding.violation(format!(
                "{} ({}) began at {} and stands at {index}, behind {} ({}) at {least}, which had ended",
                operation.req,
                operation.f,
                case.when(operation.invoked),
                other.req,
                other.f
            ));
        }
        let mark = if operation.is_read() { &mut read } else { &mut written };
        if mark.is_none_or(|(most, _)| index > most) {
            *mark = Some((index, operation));
        }
    }
}
