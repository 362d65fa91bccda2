//! **A request is done once**: however often and to whichever node it was sent, every try gets the first answer.

use std::collections::BTreeMap;

use super::operation::{Answer, Outcome};
use super::reply::{Reply, SubmitAnswer};
use super::{Case, Finding};

pub(super) fn judge(case: &Case<'_>) -> Finding {
    let mut finding = Finding::default();
    for (request, places) in &case.requests {
        let replies: Vec<&Reply> = places
            .iter()
            .filter_map(|(index, place)| case.replay.replies.get(index)?.get(*place)?.as_ref())
            .filter(|reply| !knows_no_more(reply))
            .collect();
        let Some(first) = replies.first() else { continue };
        finding.checked(1);
        if places.len() > 1 {
            finding.count("requests that came more than once", 1);
        }
        if let Some(other) = replies.iter().find(|reply| reply != &first) {
            finding.violation(format!("{request} came {} times: {first:?}, then {other:?}", places.len()));
        }
    }
    let mut made_by = BTreeMap::new();
    for operation in case.operations.iter().filter(|operation| operation.outcome == Outcome::Ok) {
        let Answer::Submitted(answers) = &operation.answer else { continue };
        for answer in answers {
            let SubmitAnswer::Accepted(id) = answer else { continue };
            if let Some(other) = made_by.insert(*id, &operation.req).filter(|other| **other != operation.req)
            {
                finding.violation(format!(
                    "{other} and {} were both answered with the new job {id}",
                    operation.req
                ));
            }
        }
    }
    finding
}

fn knows_no_more(reply: &Reply) -> bool {
    let reasons = ["request_too_old", "request_mismatch", "unknown_client"];
    matches!(reply, Reply::Refused(refusal) if reasons.contains(&refusal.reason.as_str()))
}
