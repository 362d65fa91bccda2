//! Lies about what is looked up afterwards: ledgers, lists, stale reads, revisions that were replaced, the machine itself.

use serde_json::json;

use super::lies::{Lie, answered, ok};
use crate::history::{Applied, AppliedCommand, ExecEvent, Save, SaveEvent};

fn save(task: &str, t: u64, ev: SaveEvent) -> Save {
    Save { t, client: "c1".into(), task: task.into(), ev, spec: serde_json::Value::Null, err: None }
}

pub(super) const LIES: &[Lie] = &[
    Lie {
        says: "a JobClient was answered that its job is saved, and it never came",
        noticed_by: &["F2"],
        tell: |evidence| {
            let t = evidence.saves.last()?.t;
            evidence
                .saves
                .extend([save("ghost", t, SaveEvent::Invoke), save("ghost", t + 1, SaveEvent::Saved)]);
            Some(())
        },
    },
    Lie {
        says: "what a JobClient submitted was done twice",
        noticed_by: &["F2"],
        tell: |evidence| {
            let task = evidence.saves.first()?.task.clone();
            let other = evidence.saves.iter().find(|save| save.task != task)?.task.clone();
            for log in evidence.logs.values_mut() {
                let text = serde_json::to_string(log).ok()?;
                let named = |task: &str| format!("\"task_id\":\"{task}\"");
                *log = serde_json::from_str(&text.replace(&named(&other), &named(&task))).ok()?;
            }
            Some(())
        },
    },
    Lie {
        says: "what a JobClient submitted later came first",
        noticed_by: &["F2"],
        tell: |evidence| {
            let (first, last) = (evidence.saves.first()?.task.clone(), evidence.saves.last()?.task.clone());
            for save in &mut evidence.saves {
                if save.task == first {
                    save.task.clone_from(&last);
                } else if save.task == last {
                    save.task.clone_from(&first);
                }
            }
            Some(())
        },
    },
    Lie {
        says: "a JobClient saved nothing",
        noticed_by: &["F2"],
        tell: |evidence| {
            evidence
                .saves
                .iter_mut()
                .filter(|save| save.ev == SaveEvent::Saved)
                .for_each(|save| save.ev = SaveEvent::Committed);
            Some(())
        },
    },
    Lie {
        says: "what was suspended and not resumed was dispatched",
        noticed_by: &["A2", "C5"],
        tell: |evidence| {
            evidence.logs.values_mut().try_for_each(|log| {
                let resumes = |entry: &&mut Applied| {
                    entry.commands.iter().any(|one| one.command.get("resume").is_some())
                };
                log.iter_mut().find(resumes)?.commands.clear();
                Some(())
            })
        },
    },
    Lie {
        says: "what was deleted was dispatched",
        noticed_by: &["A2", "C5"],
        tell: |evidence| {
            evidence.logs.values_mut().try_for_each(|log| {
                let suspends = |entry: &&mut Applied| {
                    entry.commands.iter().any(|one| one.command.get("suspend").is_some())
                };
                let entry = log.iter_mut().find(suspends)?;
                let job = entry.commands[0].command["suspend"]["job"].clone();
                let reply = Some(json!({"acted": {"deleted": job["id"]}}));
                let command = json!({"delete": {"request": null, "job": job, "expected_revision": 0}});
                entry.commands.push(AppliedCommand { command, reply });
                Some(())
            })
        },
    },
    Lie {
        says: "a job was answered as suspended, and it was so before",
        noticed_by: &["A2"],
        tell: |evidence| {
            let event = ok(&mut evidence.history, |event| answered(event, "suspended"))?;
            event.v = json!({"answer": {"already_suspended": event.v["answer"]["suspended"]}});
            Some(())
        },
    },
    Lie {
        says: "a job did not come to its end until its JobTrackers lost their power",
        noticed_by: &["B4"],
        tell: |evidence| {
            evidence.info.undrained.push("1.0 Executing".into());
            Some(())
        },
    },
    Lie {
        says: "an instant that became due just before its job was cancelled has no row in the ledger",
        noticed_by: &["K1"],
        tell: |evidence| {
            let ledger = ok(&mut evidence.history, |event| event.f == "runs")?;
            ledger.v["runs"].as_array_mut()?.pop().map(drop)
        },
    },
    Lie {
        says: "an instant of a repeat has no row in the ledger",
        noticed_by: &["K5"],
        tell: |evidence| {
            let ledger =
                ok(&mut evidence.history, |event| event.f == "runs" && event.job.as_deref() == Some("t2"))?;
            ledger.v["runs"].as_array_mut()?.remove(1);
            Some(())
        },
    },
    Lie {
        says: "what replaced a revision that had run was cancelled, and had begun",
        noticed_by: &["C2", "L2"],
        tell: |evidence| {
            let replaced = ok(&mut evidence.history, |event| answered(event, "replaced"))?;
            let job = replaced.v["answer"]["replaced"]["job"].as_str()?.to_owned();
            let first = format!("{job}/0");
            let i =
                evidence.execs.iter().position(|exec| exec.run == first && exec.ev == ExecEvent::Begin)?;
            let mut next = evidence.execs[i].clone();
            (next.run, next.execution) = (format!("{job}/1"), next.execution + (1 << 30));
            evidence.execs.push(next);
            Some(())
        },
    },
    Lie {
        says: "the replaced revision was executed again after the cancel, by nobody's leave",
        noticed_by: &["C2", "L2"],
        tell: |evidence| {
            let replaced = ok(&mut evidence.history, |event| answered(event, "replaced"))?;
            let first = format!("{}/0", replaced.v["answer"]["replaced"]["job"].as_str()?);
            let i =
                evidence.execs.iter().position(|exec| exec.run == first && exec.ev == ExecEvent::Begin)?;
            let mut again = evidence.execs[i].clone();
            again.execution += 1;
            evidence.execs.push(again);
            Some(())
        },
    },
    Lie {
        says: "a list by type left a job out",
        noticed_by: &["Q1"],
        tell: |evidence| {
            let list = ok(&mut evidence.history, |event| event.f == "list")?;
            list.v["jobs"].as_array_mut()?.pop().map(drop)
        },
    },
    Lie {
        says: "a list by type shows a job of another one",
        noticed_by: &["Q1"],
        tell: |evidence| {
            let cron = ok(&mut evidence.history, |event| event.job.as_deref() == Some("t1"))?;
            let cron = cron.v["answer"]["accepted"].clone();
            let list = ok(&mut evidence.history, |event| event.f == "list")?;
            list.v["jobs"].as_array_mut()?.push(json!({"job_id": cron}));
            Some(())
        },
    },
    Lie {
        says: "a stale read went back behind the one before it",
        noticed_by: &["Q1"],
        tell: |evidence| {
            let mut asked = evidence.history.iter().rev();
            let last = asked.find(|event| event.v["consistency"] == "stale")?.req.clone();
            let last = ok(&mut evidence.history, |event| event.req == last)?;
            last.rdx = last.rdx.map(|index| index - 1);
            Some(())
        },
    },
    Lie {
        says: "the machine stood still",
        noticed_by: &["X1"],
        tell: |evidence| {
            evidence.info.stalled_ms = 10_000;
            Some(())
        },
    },
];
