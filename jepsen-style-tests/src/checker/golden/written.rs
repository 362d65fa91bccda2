//! Replies as the export writes them.

use serde_json::{Value, json};

use crate::checker::reply::{ActAnswer, CancelAnswer, CompleteAnswer, Fate, Reply, SubmitAnswer};

pub(super) fn reply_json(reply: &Reply) -> Value {
    match reply {
        Reply::Done {} => json!({"done": {}}),
        Reply::ClientOpened(id) => json!({"client_opened": id.to_string()}),
        Reply::Online(id) => json!({"online": id.to_string()}),
        Reply::Terminating(id) => json!({"terminating": id.0.to_string()}),
        Reply::Retried(run) => json!({"retried": run.to_string()}),
        Reply::FeedbackMoved(count) => json!({"feedback_moved": count}),
        Reply::Refused(refusal) => json!({"refused": {"reason": refusal.reason}}),
        Reply::Submitted(answers) => json!({"submitted": answers.iter().map(submitted).collect::<Vec<_>>()}),
        Reply::Cancelled(answer) => json!({"cancelled": cancelled(answer)}),
        Reply::Acted(answer) => json!({"acted": acted(answer)}),
        Reply::Completed(answers) => {
            let word = |answer: &CompleteAnswer| match answer {
                CompleteAnswer::Accepted => "accepted",
                CompleteAnswer::Stale => "stale",
            };
            json!({"completed": answers.iter().map(word).collect::<Vec<_>>()})
        }
        Reply::Dispatched { session, pushes } => {
            let pushes: Vec<Value> = pushes
                .iter()
                .map(|push| {
                    json!({
                        "execution": push.execution.0.to_string(), "run": push.run.to_string(),
                        "job": push.run.job.to_string(), "task_id": push.task_id, "due": push.due.to_string(),
                        "attempt": push.attempt, "retries": push.retries, "reclaims": push.reclaims,
                    })
                })
                .collect();
            json!({"dispatched": {"session": session.to_string(), "pushes": pushes}})
        }
    }
}

fn submitted(answer: &SubmitAnswer) -> Value {
    match answer {
        SubmitAnswer::Accepted(id) => json!({"accepted": id.to_string()}),
        SubmitAnswer::Exists(id) => json!({"exists": id.to_string()}),
        SubmitAnswer::Conflict(id) => json!({"conflict": id.to_string()}),
        SubmitAnswer::Replaced { job, revision } => {
            json!({"replaced": {"job": job.to_string(), "revision": revision}})
        }
        SubmitAnswer::Refused(refusal) => json!({"refused": {"reason": refusal.reason}}),
    }
}

fn acted(answer: &ActAnswer) -> Value {
    let word = match answer {
        ActAnswer::NotFound => return json!("not_found"),
        ActAnswer::StillExecuting(_) => "still_executing",
        _ => answer.word(),
    };
    match answer {
        ActAnswer::AlreadyFinished { job, fate } => {
            json!({word: {"job": job.to_string(), "fate": fate_json(*fate)}})
        }
        ActAnswer::Triggered(run)
        | ActAnswer::AlreadyReady(run)
        | ActAnswer::AlreadyRunning(run)
        | ActAnswer::StillExecuting(run) => json!({word: run.to_string()}),
        _ => json!({word: answer.job().map(|job| job.to_string())}),
    }
}

fn fate_json(fate: Fate) -> Value {
    match fate {
        Fate::Succeeded => json!("succeeded"),
        Fate::Failed => json!("failed"),
        Fate::Dead => json!("dead"),
        Fate::Cancelled => json!("cancelled"),
        Fate::Skipped => json!({"skipped": {"reason": "misfired"}}),
    }
}

fn cancelled(answer: &CancelAnswer) -> Value {
    match answer {
        CancelAnswer::Cancelled(id) => json!({"cancelled": id.to_string()}),
        CancelAnswer::CancelRequested(id) => json!({"cancel_requested": id.to_string()}),
        CancelAnswer::AlreadyFinished { job, fate } => {
            json!({"already_finished": {"job": job.to_string(), "fate": fate_json(*fate)}})
        }
        CancelAnswer::NotFound => json!("not_found"),
    }
}
