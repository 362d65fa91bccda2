//! `jst export-edn DIR`: a run's history as Jepsen writes its own, one map a line, for checkers of other people. What an
//! operation is, and what it was told, stays as it is in `history.jsonl`; faults are operations of `:nemesis`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

use crate::history::{Event, EventKind, Fault, FaultEdge};

#[derive(Debug, clap::Args)]
pub(crate) struct ExportEdn {
    /// The run's directory; `history.edn` is written into it.
    dir: PathBuf,
}

impl ExportEdn {
    /// # Errors
    /// If the history cannot be read or written.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let events: Vec<Event> = self.lines("history.jsonl")?;
        let faults: Vec<Fault> = self.lines("nemesis.jsonl")?;
        let path = self.dir.join("history.edn");
        fs::write(&path, history(&events, &faults)).with_context(|| path.display().to_string())?;
        println!("{} operations' lines and {} of faults in {}", events.len(), faults.len(), path.display());
        Ok(())
    }

    fn lines<T: serde::de::DeserializeOwned>(&self, name: &str) -> anyhow::Result<Vec<T>> {
        let path = self.dir.join(name);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
    }
}

/// In the order of their times, numbered.
fn history(events: &[Event], faults: &[Fault]) -> String {
    let mut all: Vec<(u64, String)> = events.iter().map(|event| (event.t, of_event(event))).collect();
    all.extend(faults.iter().map(|fault| (fault.t, of_fault(fault))));
    all.sort_by_key(|(t, _)| *t);
    let mut text = String::new();
    for (index, (t, fields)) in all.iter().enumerate() {
        let _ = writeln!(text, "{{:index {index}, :time {t}, {fields}}}");
    }
    text
}

fn of_event(event: &Event) -> String {
    let kind = match event.kind {
        EventKind::Invoke => "invoke",
        EventKind::Ok => "ok",
        EventKind::Fail => "fail",
        EventKind::Info => "info",
    };
    let mut text = format!(
        ":process {}, :type :{kind}, :f :{}, :value {}, :request {}",
        event.p,
        keyword(&event.f),
        edn(&event.v),
        string(&event.req)
    );
    let texts = [("job", &event.job), ("node", &event.node), ("error", &event.err)];
    for (name, value) in texts {
        if let Some(value) = value {
            let _ = write!(text, ", :{name} {}", string(value));
        }
    }
    for (name, value) in [("position", event.pos), ("read-index", event.rdx)] {
        if let Some(value) = value {
            let _ = write!(text, ", :{name} {value}");
        }
    }
    text
}

fn of_fault(fault: &Fault) -> String {
    let edge = match fault.f {
        FaultEdge::Start => "start",
        FaultEdge::Stop => "stop",
    };
    let targets: Vec<String> = fault.targets.iter().map(|target| string(target)).collect();
    format!(
        ":process :nemesis, :type :info, :f :{edge}-{}, :value [{} {}]",
        keyword(&fault.what),
        string(&fault.detail),
        targets.join(" ")
    )
}

fn edn(value: &Value) -> String {
    match value {
        Value::Null => "nil".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => string(text),
        Value::Array(all) => {
            let all: Vec<String> = all.iter().map(edn).collect();
            format!("[{}]", all.join(" "))
        }
        Value::Object(all) => {
            let all: Vec<String> =
                all.iter().map(|(name, value)| format!(":{} {}", keyword(name), edn(value))).collect();
            format!("{{{}}}", all.join(", "))
        }
    }
}

fn keyword(name: &str) -> String {
    name.replace('_', "-")
}

/// EDN escapes as JSON does what may stand in a string here.
fn string(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::history::FaultOutcome;

    #[test]
    fn operations_and_faults_stand_in_one_order_with_their_values() {
        let event = |t, kind, v: Value, pos| Event {
            t,
            p: 3,
            kind,
            f: "submit_batch".into(),
            req: "c10-7".into(),
            job: Some("j\"1".into()),
            node: Some("n2".into()),
            v,
            pos,
            rdx: None,
            err: None,
        };
        let events = [
            event(10, EventKind::Invoke, json!({"specs": [{"task_id": "a", "due": null}]}), None),
            event(30, EventKind::Ok, json!({"answers": [{"accepted": "4.0"}, true, -1]}), Some(4)),
        ];
        let fault = Fault {
            t: 20,
            id: 1,
            f: FaultEdge::Start,
            what: "disk_dead".into(),
            detail: "the leader".into(),
            targets: vec!["n1".into(), "n2".into()],
            outcome: FaultOutcome::Installed,
        };
        assert_eq!(
            history(&events, &[fault]),
            "{:index 0, :time 10, :process 3, :type :invoke, :f :submit-batch, :value {:specs [{:due nil, :task-id \"a\"}]}, \
             :request \"c10-7\", :job \"j\\\"1\", :node \"n2\"}\n\
             {:index 1, :time 20, :process :nemesis, :type :info, :f :start-disk-dead, :value [\"the leader\" \"n1\" \"n2\"]}\n\
             {:index 2, :time 30, :process 3, :type :ok, :f :submit-batch, :value {:answers [{:accepted \"4.0\"} true -1]}, \
             :request \"c10-7\", :job \"j\\\"1\", :node \"n2\", :position 4}\n"
        );
    }
}
