//! The page around the plots: the verdict, how to run it again, the rules with their counts and examples, the faults.

use std::fmt::Write as _;

use super::svg::escape;
use crate::check::word;
use crate::checker::{Case, Judged, Verdict};
use crate::history::FaultOutcome;

pub(super) fn page(case: &Case<'_>, verdict: Verdict, judged: &[Judged], plots: &[(&str, String)]) -> String {
    let info = &case.evidence.info;
    let mut html = String::new();
    let _ = write!(
        html,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{} {}: {}</title><style>{STYLE}</style></head><body>",
        escape(&info.workload),
        info.seed,
        word(verdict)
    );
    let _ = write!(
        html,
        "<h1><span class=\"{}\">{}</span> {}</h1>",
        class(verdict),
        word(verdict),
        escape(&info.workload)
    );
    let facts = [
        ("run again", format!("<code>{}</code>", escape(&info.rerun))),
        ("seed", info.seed.to_string()),
        ("faults", escape(&info.nemeses.join(", "))),
        ("under faults", format!("{} s, begun {}", info.time_s, escape(&info.started_at))),
        ("version", escape(&info.version)),
        (
            "configuration",
            format!(
                "<code>{}</code>: the shipped default, <code>{}</code>, with {} on {}",
                escape(&info.config_hash),
                escape(&info.default_config_hash),
                escape(&info.settings.join(", ")),
                escape(&info.filesystem)
            ),
        ),
        (
            "operations",
            format!(
                "{} by {} nodes' logs of {} entries",
                case.operations.len(),
                info.nodes.len(),
                case.log.entries.len()
            ),
        ),
    ];
    html += "<dl>";
    for (name, value) in facts {
        let _ = write!(html, "<dt>{name}</dt><dd>{value}</dd>");
    }
    html += "</dl>";
    rules(&mut html, judged);
    html += LEGEND;
    for (name, plot) in plots {
        let _ = write!(html, "<h2>{name}</h2>{plot}");
    }
    faults(&mut html, case);
    html + "</body></html>\n"
}

fn rules(html: &mut String, judged: &[Judged]) {
    *html += "<table><thead><tr><th>rule</th><th>promise</th><th>verdict</th><th>checked</th><th>counts</th></tr></thead>";
    for Judged { rule, finding } in judged {
        let verdict = finding.verdict();
        let counts: Vec<String> =
            finding.counts.iter().map(|(what, n)| format!("{n} {}", escape(what))).collect();
        let _ = write!(
            html,
            "<tr><td>{} {}</td><td>{}</td><td class=\"{}\">{}</td><td>{}</td><td>{}",
            rule.id,
            rule.name,
            rule.promise,
            class(verdict),
            word(verdict),
            finding.checked,
            counts.join(", ")
        );
        if finding.violations > 0 {
            let _ = write!(html, "<details open><summary>{} violations</summary><ol>", finding.violations);
            finding.examples.iter().for_each(|example| {
                let _ = write!(html, "<li>{}</li>", escape(example));
            });
            *html += "</ol></details>";
        }
        if !finding.doubts.is_empty() {
            *html += "<details open><summary>not known</summary><ol>";
            finding.doubts.iter().for_each(|doubt| {
                let _ = write!(html, "<li>{}</li>", escape(doubt));
            });
            *html += "</ol></details>";
        }
        *html += "</td></tr>";
    }
    *html += "</table>";
}

fn faults(html: &mut String, case: &Case<'_>) {
    *html += "<h2>Faults</h2><table><thead><tr><th>what</th><th>on</th><th>from</th><th>to</th><th></th></tr></thead>";
    for fault in &case.faults {
        let outcome = match fault.outcome {
            FaultOutcome::Installed => "",
            FaultOutcome::Skipped => "skipped: this machine does not allow it",
            FaultOutcome::Indeterminate => "indeterminate",
        };
        let _ = write!(
            html,
            "<tr><td>{} {}</td><td>{}</td><td>{}</td><td>{}</td><td>{outcome}</td></tr>",
            escape(&fault.what),
            escape(&fault.detail),
            escape(&fault.targets.join(", ")),
            case.when(fault.from),
            case.when(fault.to)
        );
    }
    *html += "</table>";
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "is-valid",
        Verdict::NotExercised => "is-idle",
        Verdict::Unknown => "is-unknown",
        Verdict::Invalid => "is-invalid",
    }
}

const LEGEND: &str = "<p class=\"legend\"><b class=\"k-ok\"></b>answered, succeeded, on time <b class=\"k-late\"></b>late, or \
    ended otherwise <b class=\"k-bad\"></b>taken back <b class=\"k-unknown\"></b>unknown, given back \
    <b class=\"k-band\"></b>a fault is in place <b class=\"k-read\"></b>reads <b class=\"k-write\"></b>writes; lines: median and \
    99 of 100. Hover for more.</p>";

const STYLE: &str = "
:root{color-scheme:light dark;--ink:#1c2733;--faint:#8793a1;--rule:#d9dfe6;--paper:#fff;--ok:#2f9e62;--late:#e08a1e;
--bad:#d1383d;--unknown:#8d7bd6;--band:#d1383d22;--read:#3b82c4;--write:#12836f;--term:#b9d3ea;--odd:#8fb6d9}
@media (prefers-color-scheme:dark){:root{--ink:#e4e9ef;--faint:#8793a1;--rule:#313b46;--paper:#141a21;--term:#2b4a66;--odd:#3a6288}}
body{font:14px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:24px auto;max-width:1200px;padding:0 16px}
h1{font-size:22px}h2{font-size:15px;margin:22px 0 4px}
h1 span,td.is-valid,td.is-invalid,td.is-unknown{font-weight:600}
.is-valid{color:var(--ok)}.is-invalid{color:var(--bad)}.is-unknown{color:var(--late)}.is-idle{color:var(--faint)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:0 0 14px}dt{color:var(--faint)}dd{margin:0}
table{border-collapse:collapse;width:100%;font-size:13px}
th,td{text-align:left;vertical-align:top;padding:3px 8px 3px 0;border-bottom:1px solid var(--rule)}th{color:var(--faint);font-weight:500}
details ol{margin:2px 0 6px;padding-left:20px;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto}
.tick,.small{fill:var(--faint);font-size:11px}.small{font-size:10px;fill:var(--ink)}
.grid{stroke:var(--rule);stroke-width:.6}.axis{stroke:var(--faint)}
.band{fill:var(--band)}.ok{fill:var(--ok)}.fail{fill:var(--faint)}.late{fill:var(--late)}.bad{fill:var(--bad)}
.unknown{fill:var(--unknown)}.skipped{fill:var(--faint)}.fault{fill:var(--bad);opacity:.45}.open{opacity:.5}
.term{fill:var(--term)}.odd{fill:var(--odd)}.read{fill:var(--read);opacity:.55}.write{fill:var(--write);opacity:.55}
.median,.p99{fill:none;stroke-width:1.3}.median{stroke:var(--ink)}.p99{stroke:var(--late)}.told{stroke:var(--ink)}
.legend{color:var(--faint)}.legend b{display:inline-block;width:10px;height:10px;margin:0 4px 0 12px}
.k-ok{background:var(--ok)}.k-late{background:var(--late)}.k-bad{background:var(--bad)}.k-unknown{background:var(--unknown)}
.k-band{background:var(--bad);opacity:.3}.k-read{background:var(--read)}.k-write{background:var(--write)}
";
