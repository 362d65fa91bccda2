//! The sample of `examples/lts-export`, row by row, and the rules between tables.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::read::Record;
use super::{Dialect, Fate, Options, Plan, Reason, Table, read};
use crate::domain::Timestamp;

/// 2026-11-20T07:01:00Z, a minute after the sample was exported.
const NOW: Timestamp = Timestamp::from_millis(1_795_158_060_000);

fn options() -> Options {
    Options { time_zone: Some("Asia/Shanghai".into()), ..Options::default() }
}

fn sample() -> Vec<(Arc<str>, Table, Vec<Record>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/lts-export");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("the sample is there")
        .map(|entry| entry.expect("it can be read").file_name().into_string().expect("a plain name"))
        .filter(|name| Table::of_file(name).is_some())
        .collect();
    names.sort();
    let file = |name: String| {
        let bytes = std::fs::read(folder.join(&name)).expect("it can be read");
        let rows = read(&bytes, Dialect::Doubled).unwrap_or_else(|error| panic!("{name} {error}"));
        let table = Table::of_file(&name).expect("it names a table");
        (name.into(), table, rows)
    };
    names.into_iter().map(file).collect()
}

/// A line for each row that has something to say.
fn told(plan: &Plan) -> String {
    let mut text = String::new();
    for entry in &plan.entries {
        let fate = match &entry.fate {
            Fate::Carry(carried) if carried.suspended => "carried suspended".into(),
            Fate::Carry(_) => "carried".into(),
            Fate::Folded => "folded".into(),
            Fate::Left(note) => format!("LEFT {}: {}", note.reason, note.message),
        };
        let notes = entry.notes.iter().map(|note| format!("; {}: {}", note.reason, note.message));
        let Ok(()) = writeln!(
            text,
            "{} {} {:?} {:?} {fate}{}",
            entry.file,
            entry.row,
            entry.node_group,
            entry.task_id,
            notes.collect::<String>()
        ) else {
            unreachable!("a String takes everything")
        };
    }
    text
}

#[test]
fn every_row_of_the_sample_has_the_fate_that_it_always_had() {
    let plan = Plan::of(&sample(), &options(), NOW);
    let count = |of: fn(&Fate) -> bool| plan.entries.iter().filter(|entry| of(&entry.fate)).count();
    let carried = count(|fate| matches!(fate, Fate::Carry(_)));
    let folded = count(|fate| matches!(fate, Fate::Folded));
    let left = count(|fate| matches!(fate, Fate::Left(_)));
    let rows = plan.entries.len();
    assert_eq!(carried + folded + left, rows);
    let text = format!("{rows} rows: {carried} carried, {folded} folded, {left} left\n{}", told(&plan));
    expect_test::expect_file!["testdata/sample.txt"].assert_eq(&text);
}

#[test]
fn the_sample_meets_every_reason_that_a_file_alone_can_have() {
    let plan = Plan::of(&sample(), &options(), NOW);
    let of_fate = |fate: &Fate| match fate {
        Fate::Left(note) => Some(note.reason),
        Fate::Carry(_) | Fate::Folded => None,
    };
    let met: Vec<Reason> = plan
        .entries
        .iter()
        .flat_map(|entry| of_fate(&entry.fate).into_iter().chain(entry.notes.iter().map(|note| note.reason)))
        .collect();
    let of_the_cluster = [Reason::ClusterRefused, Reason::NotTried, Reason::ImportedOtherwise];
    let expected = Reason::ALL.iter().filter(|reason| !of_the_cluster.contains(reason));
    let missing: Vec<&Reason> = expected.filter(|reason| !met.contains(reason)).collect();
    assert!(missing.is_empty(), "no row of the sample shows {missing:?}");
}

#[test]
fn the_page_of_the_migration_lists_every_reason() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrating-from-lts.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let missing: Vec<String> = Reason::ALL
        .iter()
        .map(|reason| format!("| `{reason}` | {} |", reason.about()))
        .filter(|line| !page.contains(line))
        .collect();
    assert!(missing.is_empty(), "docs/migrating-from-lts.md lacks:\n{}", missing.join("\n"));
}

fn rows(table: Table, rows: &[&[(&str, &str)]]) -> (Arc<str>, Table, Vec<Record>) {
    let records = rows.iter().map(|row| Record::of(row.iter().copied())).collect();
    (table.to_string().into(), table, records)
}

fn fates(files: &[(Arc<str>, Table, Vec<Record>)]) -> Vec<String> {
    let plan = Plan::of(files, &options(), NOW);
    told(&plan).lines().map(|line| line.split(": ").next().unwrap_or_default().to_owned()).collect()
}

const CRON: &[(&str, &str)] =
    &[("task_id", "c"), ("task_tracker_node_group", "g"), ("cron_expression", "0 0 2 * * ?")];
const CYCLE: &[(&str, &str)] = &[
    ("task_id", "c"),
    ("task_tracker_node_group", "g"),
    ("cron_expression", "0 0 2 * * ?"),
    ("trigger_time", "1795197600000"),
];
const INSTANCE: &[(&str, &str)] = &[
    ("task_id", "c_1121-020000"),
    ("real_task_id", "c"),
    ("task_tracker_node_group", "g"),
    ("cron_expression", "0 0 2 * * ?"),
    ("trigger_time", "1795197600000"),
];
const ONE_SHOT: &[(&str, &str)] =
    &[("task_id", "c"), ("task_tracker_node_group", "g"), ("trigger_time", "1795197600000")];

#[test]
fn the_next_cycle_and_the_instances_of_a_template_are_not_imported_again() {
    let files = [rows(Table::Executable, &[CYCLE, INSTANCE]), rows(Table::Cron, &[CRON])];
    assert_eq!(
        fates(&files),
        [
            r#"executable 1 "g" "c" folded"#,
            r#"executable 2 "g" "c_1121-020000" folded"#,
            r#"cron 1 "g" "c" carried"#
        ]
    );
    let alone = fates(&files[..1]);
    assert!(alone.iter().all(|fate| fate.ends_with("LEFT TEMPLATE_NOT_CARRIED")), "{alone:?}");
}

#[test]
fn where_tables_contradict_each_other_what_lts_would_have_run_wins() {
    let files = [
        rows(Table::Suspend, &[CRON]),
        rows(Table::Executable, &[ONE_SHOT]),
        rows(Table::Cron, &[CRON, CRON]),
    ];
    let expected = [
        r#"suspend 1 "g" "c" LEFT DUPLICATE_KEY"#,
        r#"executable 1 "g" "c" LEFT DUPLICATE_KEY"#,
        r#"cron 1 "g" "c" carried"#,
        r#"cron 2 "g" "c" LEFT DUPLICATE_KEY"#,
    ];
    assert_eq!(fates(&files), expected);
    assert_eq!(fates(&files[..1]), [r#"suspend 1 "g" "c" carried suspended"#]);
}

#[test]
fn what_executed_at_the_export_is_told_and_its_one_shot_is_not_carried_twice() {
    let files = [rows(Table::Executing, &[ONE_SHOT]), rows(Table::Executable, &[ONE_SHOT])];
    assert_eq!(
        fates(&files),
        [r#"executing 1 "g" "c" LEFT EXECUTING"#, r#"executable 1 "g" "c" LEFT EXECUTING"#]
    );
}

#[test]
fn an_import_that_is_planned_again_gives_every_job_the_same_request_id() {
    let ids = |now| {
        let plan = Plan::of(&sample(), &options(), now);
        let id = |fate: &Fate| match fate {
            Fate::Carry(carried) => Some(carried.request_id.clone()),
            Fate::Folded | Fate::Left(_) => None,
        };
        plan.entries.iter().filter_map(|entry| id(&entry.fate)).collect::<Vec<_>>()
    };
    let first = ids(NOW);
    assert_eq!(first, ids(NOW + crate::domain::Millis::from_secs(60)));
    let distinct: std::collections::BTreeSet<&String> = first.iter().collect();
    assert_eq!(distinct.len(), first.len());
}
