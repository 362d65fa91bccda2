//! An honest world is valid, whatever its seed; each lie about it is noticed, by the rule that is there for it.

use serde_json::{Value, json};

use super::world::{NODES, honest};
use crate::checker::evidence::{CrashMarker, Digested, Evidence};
use crate::checker::{Case, Judged, Verdict, check};
use crate::history::{Applied, Event, EventKind, Exec, ExecEvent, FaultEdge};

pub(super) fn judge(evidence: &Evidence) -> (Verdict, Vec<(&'static str, Verdict, String)>) {
    let case = Case::new(evidence);
    let (verdict, judged) = check(&case);
    let told = judged.into_iter().map(|Judged { rule, finding }| {
        let why = finding.examples.first().or(finding.doubts.first()).cloned().unwrap_or_default();
        (rule.id, finding.verdict(), why)
    });
    (verdict, told.collect())
}

#[test]
fn an_honest_world_is_valid_and_exercises_the_rules() {
    for seed in 0..10 {
        println!("seed {seed}");
        let evidence = honest(seed);
        let (verdict, told) = judge(&evidence);
        let wrong: Vec<_> = told.iter().filter(|one| one.1 > Verdict::NotExercised).collect();
        assert_eq!(verdict, Verdict::Valid, "seed {seed}: {wrong:#?}");
        let idle: Vec<&str> =
            told.iter().filter(|one| one.1 == Verdict::NotExercised).map(|one| one.0).collect();
        assert!(idle.is_empty(), "seed {seed}: not exercised: {idle:?}");
    }
}

/// What is said of a run, and the rules of which at least all these must notice.
pub(super) struct Lie {
    pub(super) says: &'static str,
    pub(super) noticed_by: &'static [&'static str],
    /// Whether there was something to lie about.
    pub(super) tell: fn(&mut Evidence) -> Option<()>,
}

fn on_all(evidence: &mut Evidence, change: impl Fn(&mut Vec<Applied>) -> Option<()>) -> Option<()> {
    NODES.iter().try_for_each(|node| change(evidence.logs.get_mut(*node).expect("all nodes have logs")))
}

fn reply(log: &mut [Applied], of: impl Fn(&Value, &Value) -> bool) -> Option<&mut Value> {
    let commands = log.iter_mut().flat_map(|entry| entry.commands.iter_mut());
    let mut found = commands.filter(|one| one.reply.as_ref().is_some_and(|reply| of(&one.command, reply)));
    found.next()?.reply.as_mut()
}

pub(super) fn ok(history: &mut [Event], of: impl Fn(&Event) -> bool) -> Option<&mut Event> {
    history.iter_mut().find(|event| event.kind == EventKind::Ok && of(event))
}

pub(super) fn answered(event: &Event, word: &str) -> bool {
    event.v.get("answer").is_some_and(|answer| answer.get(word).is_some() || answer == word)
}

fn pushes(reply: &mut Value) -> Option<&mut Vec<Value>> {
    reply.get_mut("dispatched")?.get_mut("pushes")?.as_array_mut()
}

fn has_push(reply: &Value) -> bool {
    reply["dispatched"]["pushes"].as_array().is_some_and(|pushes| !pushes.is_empty())
}

/// The first execution that ended, and its beginning.
fn begun(execs: &[Exec]) -> Option<usize> {
    let ended = execs.iter().find(|exec| exec.ev == ExecEvent::End)?.execution;
    execs.iter().position(|exec| exec.execution == ended && exec.ev == ExecEvent::Begin)
}

const LIES: &[Lie] = &[
    Lie {
        says: "an end was heard by nobody",
        noticed_by: &["B5"],
        tell: |evidence| {
            let run = evidence.heard.first()?.run.clone();
            evidence.heard.retain(|heard| heard.run != run);
            Some(())
        },
    },
    Lie {
        says: "feedback was acknowledged although its handler failed",
        noticed_by: &["B5"],
        tell: |evidence| {
            let run = evidence.heard.iter().find(|heard| !heard.ok)?.run.clone();
            evidence.heard.iter_mut().filter(|heard| heard.run == run).for_each(|heard| heard.ok = false);
            Some(())
        },
    },
    Lie {
        says: "feedback tells another fate than the ledger",
        noticed_by: &["B5"],
        tell: |evidence| {
            let heard = evidence.heard.iter_mut().find(|heard| heard.state == "RUN_STATE_SUCCEEDED")?;
            heard.state = "RUN_STATE_DEAD".into();
            Some(())
        },
    },
    Lie {
        says: "feedback came of a run that never was",
        noticed_by: &["B5"],
        tell: |evidence| {
            let mut heard = evidence.heard.first()?.clone();
            heard.run = format!("{}/77", heard.run.split('/').next()?);
            evidence.heard.push(heard);
            Some(())
        },
    },
    Lie {
        says: "one node replied otherwise",
        noticed_by: &["A1"],
        tell: |evidence| {
            let log = evidence.logs.get_mut("n2")?;
            *reply(log, |_, reply| reply.get("completed").is_some())? = json!({"completed": ["stale"]});
            Some(())
        },
    },
    Lie {
        says: "one node has another digest",
        noticed_by: &["A1"],
        tell: |evidence| {
            evidence.logs.get_mut("n3")?.last_mut()?.digest = Some("beef".into());
            Some(())
        },
    },
    Lie {
        says: "one node, asked, has another digest",
        noticed_by: &["A1"],
        tell: |evidence| {
            let index = evidence.logs["n1"].last()?.index;
            evidence.digests.push(Digested { node: "n2".into(), index, digest: "beef".into() });
            Some(())
        },
    },
    Lie {
        says: "all nodes accepted a stale completion",
        noticed_by: &["A2", "B3"],
        tell: |evidence| {
            on_all(evidence, |log| {
                *reply(log, |_, reply| reply["completed"][0] == "stale")? =
                    json!({"completed": ["accepted"]});
                Some(())
            })
        },
    },
    Lie {
        says: "all nodes called a good completion stale",
        noticed_by: &["A2", "B3"],
        tell: |evidence| {
            on_all(evidence, |log| {
                *reply(log, |_, reply| reply["completed"][0] == "accepted")? =
                    json!({"completed": ["stale"]});
                Some(())
            })
        },
    },
    Lie {
        says: "an acknowledged job is not in the log",
        noticed_by: &["A2", "B1"],
        tell: |evidence| {
            on_all(evidence, |log| {
                let mut made = log.iter_mut().filter(|entry| {
                    let reply = entry.commands.first().and_then(|one| one.reply.as_ref());
                    let id = reply.and_then(|reply| reply["submitted"][0]["accepted"].as_str());
                    id == Some(&format!("{}.0", entry.index))
                });
                made.nth(4)?.commands.clear();
                Some(())
            })
        },
    },
    Lie {
        says: "a job was acknowledged under another id",
        noticed_by: &["A2", "A3"],
        tell: |evidence| {
            let event = ok(&mut evidence.history, |event| answered(event, "accepted"))?;
            event.v = json!({"answer": {"accepted": "1.77"}});
            Some(())
        },
    },
    Lie {
        says: "an acknowledged job was not found at the end",
        noticed_by: &["A3", "B1", "Q1"],
        tell: |evidence| {
            let last = evidence
                .history
                .iter_mut()
                .rev()
                .find(|event| event.kind == EventKind::Ok && event.f == "get");
            last?.v = json!({"job": null, "runs": []});
            Some(())
        },
    },
    Lie {
        says: "what surely failed is in the log",
        noticed_by: &["A2"],
        tell: |evidence| {
            let event = ok(&mut evidence.history, |event| event.f == "submit")?;
            event.kind = EventKind::Fail;
            Some(())
        },
    },
    Lie {
        says: "a read saw the past",
        noticed_by: &["A2"],
        tell: |evidence| {
            ok(&mut evidence.history, |event| event.f == "get" && event.rdx > Some(20))?.rdx = Some(1);
            Some(())
        },
    },
    Lie {
        says: "a cancel was answered otherwise to its client",
        noticed_by: &["A2", "A3"],
        tell: |evidence| {
            let event = ok(&mut evidence.history, |event| answered(event, "already_finished"))?;
            event.v = json!({"answer": "not_found"});
            Some(())
        },
    },
    Lie {
        says: "what executed was cancelled, in the log too",
        noticed_by: &["A2", "C3"],
        tell: |evidence| {
            on_all(evidence, |log| {
                let told = reply(log, |_, reply| reply["cancelled"].get("cancel_requested").is_some())?;
                let id = told["cancelled"]["cancel_requested"].clone();
                *told = json!({"cancelled": {"cancelled": id}});
                Some(())
            })
        },
    },
    Lie {
        says: "a known job was not found, in the log too",
        noticed_by: &["A2", "C3"],
        tell: |evidence| {
            on_all(evidence, |log| {
                *reply(log, |_, reply| reply["cancelled"].get("cancelled").is_some())? =
                    json!({"cancelled": "not_found"});
                Some(())
            })
        },
    },
    Lie {
        says: "a cancelled job was dispatched",
        noticed_by: &["A2", "C1"],
        tell: |evidence| {
            let cancelled = ok(&mut evidence.history, |event| answered(event, "cancelled"))?;
            let (id, pos) = (cancelled.v["answer"]["cancelled"].as_str()?.to_owned(), cancelled.pos?);
            on_all(evidence, |log| {
                let later = log.iter_mut().filter(|entry| entry.index > pos);
                let mut replies =
                    later.flat_map(|entry| entry.commands.iter_mut().filter_map(|one| one.reply.as_mut()));
                let push = pushes(replies.find(|reply| has_push(reply))?)?.first_mut()?;
                push["run"] = json!(format!("{id}/0"));
                Some(())
            })
        },
    },
    Lie {
        says: "a cancelled job was begun",
        noticed_by: &["C2", "L2"],
        tell: |evidence| {
            let cancelled = ok(&mut evidence.history, |event| {
                answered(event, "cancelled") && event.job.as_deref() != Some("t1")
            })?;
            let run = format!("{}/0", cancelled.v["answer"]["cancelled"].as_str()?);
            let i = begun(&evidence.execs)?;
            evidence.execs[i].run = run;
            Some(())
        },
    },
    Lie {
        says: "nobody was told to stop",
        noticed_by: &["C4"],
        tell: |evidence| {
            evidence.execs.retain(|exec| exec.ev != ExecEvent::Interrupted);
            Some(())
        },
    },
    Lie {
        says: "a request that came again was done again",
        noticed_by: &["A2", "B2"],
        tell: |evidence| {
            let count = |request: &Value, log: &[Applied]| {
                let commands = log.iter().flat_map(|entry| &entry.commands);
                commands.filter(|one| one.command["submit"]["request"] == *request).count()
            };
            on_all(evidence, |log| {
                let again = log.iter().flat_map(|entry| &entry.commands).find_map(|one| {
                    let request = one.command.get("submit")?.get("request")?;
                    (count(request, log) > 1).then(|| request.clone())
                })?;
                let commands = log.iter_mut().rev().flat_map(|entry| entry.commands.iter_mut());
                let mut same = commands.filter(|one| one.command["submit"]["request"] == again);
                same.next()?.reply = Some(json!({"submitted": [{"accepted": "1.9"}]}));
                Some(())
            })
        },
    },
    Lie {
        says: "a success that nobody began",
        noticed_by: &["B4"],
        tell: |evidence| {
            let i = begun(&evidence.execs)?;
            let lost = evidence.execs[i].tracker.clone();
            evidence.execs.retain(|exec| exec.ev != ExecEvent::Begin || exec.tracker != lost);
            Some(())
        },
    },
    Lie {
        says: "a result was never reported",
        noticed_by: &["F1"],
        tell: |evidence| {
            on_all(evidence, |log| {
                let mut entries = log.iter_mut();
                entries
                    .find(|entry| entry.commands.iter().any(|one| one.command.get("complete").is_some()))?
                    .commands
                    .clear();
                Some(())
            })
        },
    },
    Lie {
        says: "nothing had happened to a TaskTracker that lost its executions",
        noticed_by: &["L5"],
        tell: |evidence| {
            evidence.faults.clear();
            Some(())
        },
    },
    Lie {
        says: "one execution was begun twice",
        noticed_by: &["L2"],
        tell: |evidence| {
            let i = begun(&evidence.execs)?;
            let mut again = evidence.execs[i].clone();
            again.t += 1000;
            evidence.execs.insert(i + 1, again);
            Some(())
        },
    },
    Lie {
        says: "an execution that nobody agreed on",
        noticed_by: &["L2"],
        tell: |evidence| {
            let i = begun(&evidence.execs)?;
            evidence.execs[i].execution += 1 << 19;
            Some(())
        },
    },
    Lie {
        says: "a run was dispatched twice at once",
        noticed_by: &["A2", "L1"],
        tell: |evidence| {
            on_all(evidence, |log| {
                let pushed = pushes(reply(log, |_, reply| has_push(reply))?)?;
                let mut twin = pushed[0].clone();
                let token: u64 = twin["execution"].as_str()?.parse().ok()?;
                twin["execution"] = json!((token + 500).to_string());
                pushed.push(twin);
                Some(())
            })
        },
    },
    Lie {
        says: "a fencing token fell",
        noticed_by: &["L1"],
        tell: |evidence| {
            on_all(evidence, |log| {
                let mut with = log.iter_mut().rev().flat_map(|entry| entry.commands.iter_mut());
                let last = with.find(|one| one.reply.as_ref().is_some_and(has_push))?;
                pushes(last.reply.as_mut()?)?[0]["execution"] = json!("1.9");
                Some(())
            })
        },
    },
    Lie {
        says: "the outside store took a zombie's effect",
        noticed_by: &["L3"],
        tell: |evidence| {
            evidence.effects.iter_mut().find(|effect| !effect.accepted)?.accepted = true;
            Some(())
        },
    },
    Lie {
        says: "the paused TaskTracker was never paused",
        noticed_by: &["L4"],
        tell: |evidence| {
            evidence.faults.retain(|fault| fault.what != "pause");
            Some(())
        },
    },
    Lie {
        says: "an instant of the calendar was left out",
        noticed_by: &["K1"],
        tell: |evidence| {
            on_all(evidence, |log| {
                let mut plans = log.iter_mut().flat_map(|entry| entry.commands.iter_mut());
                let plan = plans.find(|one| one.command.get("plan").is_some())?;
                plan.command["plan"]["instants"].as_array_mut()?.remove(1);
                Some(())
            })
        },
    },
    Lie {
        says: "a run began before it was due",
        noticed_by: &["K2"],
        tell: |evidence| {
            let i = begun(&evidence.execs)?;
            evidence.execs[i].t -= 60_000_000;
            Some(())
        },
    },
    Lie {
        says: "a run began late without a reason",
        noticed_by: &["K3"],
        tell: |evidence| {
            let first_fault = evidence.faults.first()?.t;
            let late =
                evidence.execs.iter_mut().filter(|exec| exec.ev == ExecEvent::Begin && exec.t < first_fault);
            // The instants of the cron and of the repeat job are round hundreds of milliseconds.
            late.filter(|exec| exec.job == "t1").for_each(|exec| exec.t += 9_000_000_000);
            evidence.faults.clear();
            Some(())
        },
    },
    Lie {
        says: "a count of three was a count of two",
        noticed_by: &["A2", "K5"],
        tell: |evidence| {
            on_all(evidence, |log| {
                let mut submits = log.iter_mut().flat_map(|entry| entry.commands.iter_mut());
                let repeat = submits.find(|one| one.command["submit"]["jobs"][0]["count"] == 3)?;
                repeat.command["submit"]["jobs"][0]["count"] = json!(2);
                Some(())
            })
        },
    },
    Lie {
        says: "what was missed was to be skipped",
        noticed_by: &["K4"],
        tell: |evidence| {
            on_all(evidence, |log| {
                let mut submits = log.iter_mut().flat_map(|entry| entry.commands.iter_mut());
                let cron = submits.find(|one| one.command["submit"]["jobs"][0]["job_type"] == "cron")?;
                cron.command["submit"]["jobs"][0]["misfire"] = json!("skip");
                cron.command["submit"]["jobs"][0]["misfire_after_ms"] = json!(0);
                Some(())
            })
        },
    },
    Lie {
        says: "a node fell silent after the heal",
        noticed_by: &["V1"],
        tell: |evidence| {
            let healed = evidence.info.healed_ns;
            evidence.history.retain(|event| event.t < healed || event.node.as_deref() != Some("n3"));
            Some(())
        },
    },
    Lie {
        says: "a node lags behind for ever",
        noticed_by: &["V1"],
        tell: |evidence| {
            let log = evidence.logs.get_mut("n2")?;
            log.truncate(log.len() / 2);
            Some(())
        },
    },
    Lie {
        says: "next to nothing was asked",
        noticed_by: &["X1"],
        tell: |evidence| {
            evidence.history.truncate(20);
            Some(())
        },
    },
    Lie {
        says: "no fault came about",
        noticed_by: &["X1"],
        tell: |evidence| {
            evidence.faults.clear();
            Some(())
        },
    },
    Lie {
        says: "a node panicked",
        noticed_by: &["X2"],
        tell: |evidence| {
            let line = "thread 'main' panicked at src/x.rs:1:1".into();
            evidence.crashes.push(CrashMarker { node: "n2".into(), line });
            Some(())
        },
    },
    Lie {
        says: "a node panicked elsewhere than at its failpoint",
        noticed_by: &["X2"],
        tell: |evidence| {
            let node = evidence.info.nodes.first()?.clone();
            let fault = evidence.faults.iter_mut().find(|fault| fault.f == FaultEdge::Start)?;
            (fault.what, fault.targets) = ("failpoint".into(), vec![node.clone()]);
            let line = |path: &str| format!("PANIC panicked at {path}:1:1:");
            for path in ["/registry/fail-0.5.1/src/lib.rs", "src/x.rs"] {
                evidence.crashes.push(CrashMarker { node: node.clone(), line: line(path) });
            }
            Some(())
        },
    },
    Lie {
        says: "a line was lost",
        noticed_by: &["A0"],
        tell: |evidence| {
            let i = evidence.history.iter().position(|event| event.kind == EventKind::Ok)?;
            evidence.history.remove(i);
            Some(())
        },
    },
    Lie {
        says: "a fault never ended",
        noticed_by: &["A0"],
        tell: |evidence| {
            evidence.faults.retain(|fault| fault.f != FaultEdge::Stop);
            Some(())
        },
    },
    Lie {
        says: "an entry was not exported",
        noticed_by: &["A2"],
        tell: |evidence| on_all(evidence, |log| (log.len() > 30).then(|| drop(log.remove(20)))),
    },
];

#[test]
fn every_lie_is_noticed_by_its_rule() {
    let mut missed = Vec::new();
    for lie in LIES.iter().chain(super::late_lies::LIES) {
        let mut told_once = false;
        for seed in 0..2 {
            let mut evidence = honest(seed);
            if (lie.tell)(&mut evidence).is_none() {
                continue;
            }
            told_once = true;
            let (verdict, told) = judge(&evidence);
            let silent: Vec<&str> = lie
                .noticed_by
                .iter()
                .copied()
                .filter(|id| told.iter().any(|one| one.0 == *id && one.1 < Verdict::Unknown))
                .collect();
            if verdict == Verdict::Valid || !silent.is_empty() {
                missed.push(format!("seed {seed}: {}: {verdict:?}, silent: {silent:?}", lie.says));
            }
        }
        if !told_once {
            missed.push(format!("{}: there was nothing to lie about", lie.says));
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
