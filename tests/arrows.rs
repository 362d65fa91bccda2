//! Keeps the floors of `src/` apart: what may import what, and who may name which crate.
//!
//! It reads the sources as text, so it needs no feature and sees what `cfg` hides. Only code counts: comments and
//! `#[cfg(test)] mod tests` blocks at the end of a file may look at anything. `docs/architecture.md` draws the floors.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may import besides itself. A module that is not here may import nothing and be imported
/// by nothing, so a new one has to find its floor first.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("planted", &[]),
    ("failpoint", &[]),
    ("process", &["domain"]),
    ("calendar", &["domain"]),
    ("machine", &["domain", "planted"]),
    ("wire", &["domain"]),
    ("dispatch", &["domain", "machine", "calendar", "planted"]),
    ("store", &["domain", "machine", "planted", "failpoint"]),
    ("link", &["domain", "wire"]),
    ("client", &["domain", "wire", "link", "planted"]),
    ("lts", &["domain", "calendar", "wire"]),
    ("tasktracker", &["domain", "wire", "link", "process", "planted", "failpoint"]),
    ("raft", &["domain", "machine", "store", "wire", "planted", "failpoint"]),
    (
        "jobtracker",
        &[
            "domain",
            "process",
            "calendar",
            "machine",
            "dispatch",
            "store",
            "raft",
            "wire",
            "planted",
            "failpoint",
        ],
    ),
    (
        "rpc",
        &[
            "domain",
            "process",
            "calendar",
            "machine",
            "wire",
            "lts",
            "store",
            "raft",
            "jobtracker",
            "planted",
        ],
    ),
    ("http", &["domain", "calendar", "machine", "wire", "jobtracker", "rpc"]),
    ("sim", &["domain", "calendar", "machine", "dispatch", "store", "raft", "jobtracker", "planted"]),
    ("fuzz", &["calendar", "machine", "wire", "link", "store", "raft", "jobtracker", "rpc", "cli"]),
    (
        "cli",
        &[
            "domain",
            "calendar",
            "wire",
            "lts",
            "link",
            "client",
            "tasktracker",
            "jobtracker",
            "rpc",
            "planted",
            "failpoint",
        ],
    ),
];

/// The pure floors.
const PURE: &[&str] = &["domain", "calendar", "machine", "dispatch", "lts"];
/// What the pure floors may not name: whatever waits, sends or stores.
const IMPURE_CRATES: &[&str] =
    &["tokio", "tonic", "prost", "openraft", "rocksdb", "axum", "reqwest", "fastrand"];

/// Crates that only some modules may name.
const CRATES_AT_HOME: &[(&str, &[&str])] = &[
    ("openraft", &["raft", "store"]),
    ("rocksdb", &["store"]),
    ("bincode", &["machine"]),
    ("cron", &["calendar"]),
    ("croner", &["calendar"]),
    ("chrono", &["calendar"]),
    ("clap", &["cli"]),
    ("axum", &["http", "rpc", "jobtracker", "tasktracker"]),
    ("csv", &["lts"]),
];

#[test]
fn every_arrow_between_the_floors_points_down() {
    let mut report = String::new();
    let sources = sources();
    for (path, code) in &sources {
        for breach in breaches(module_of(path), code) {
            writeln!(report, "{}: {breach}", path.display()).expect("a String takes everything");
        }
    }
    assert!(sources.len() > 50, "only {} sources were found", sources.len());
    assert!(report.is_empty(), "imports against the floors of docs/architecture.md:\n{report}");
}

#[test]
fn an_arrow_that_points_up_is_seen() {
    let upward = breaches("machine", "use crate::dispatch::Dispatcher;");
    assert_eq!(upward, ["line 1: machine imports dispatch; it may import domain, planted"]);
    let grouped = breaches("calendar", "\nuse crate::{domain::Millis, machine::Limits};");
    assert_eq!(grouped, ["line 2: calendar imports machine; it may import domain"]);
    let inline = breaches("domain", "let limits = crate::machine::Limits::default();");
    assert_eq!(inline, ["line 1: domain imports machine; it may import nothing"]);
    let new = breaches("gadgets", "use crate::domain::JobId;");
    assert_eq!(new, ["line 1: gadgets imports domain; it may import nothing"]);
}

#[test]
fn a_crate_away_from_home_is_seen() {
    assert_eq!(breaches("dispatch", "use tokio::time;"), ["line 1: dispatch is pure and names tokio"]);
    assert_eq!(
        breaches("rpc", "fn id() -> openraft::LogId"),
        ["line 1: rpc names openraft, at home in raft, store"]
    );
    assert_eq!(breaches("store", "use rocksdb::DB; // and openraft's types"), [""; 0]);
    assert_eq!(breaches("machine", "// openraft would say tokio::spawn\n//! [`crate::raft`]"), [""; 0]);
    assert_eq!(breaches("calendar", "let cron = \"x\"; my_tokio::x(); calendar::cron_words()"), [""; 0]);
}

fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src/ can be read") {
            let path = entry.expect("src/ can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let code = fs::read_to_string(&path).expect("a source is UTF-8");
                let path = path.strip_prefix(&root).expect("it was found there").to_owned();
                found.insert(path, without_tests(&code));
            }
        }
    }
    found
}

/// The file up to its `mod tests`. Files that are tests as a whole are not told apart: they keep the arrows too.
fn without_tests(code: &str) -> String {
    let tests =
        code.find("#[cfg(test)]\nmod tests {").or_else(|| code.find("#[cfg(test)]\npub(crate) mod tests {"));
    code[..tests.unwrap_or(code.len())].to_owned()
}

/// `machine/apply/tick.rs` is of `machine`; `lib.rs` and `main.rs` are of no floor.
fn module_of(path: &Path) -> &str {
    let first = path.components().next().and_then(|first| first.as_os_str().to_str()).unwrap_or_default();
    first.trim_end_matches(".rs")
}

fn breaches(module: &str, code: &str) -> Vec<String> {
    if ["lib", "main"].contains(&module) {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default();
        let told = imports(line).into_iter().filter_map(|imported| upward(module, imported));
        let told = told.chain(strangers(module, line));
        breaches.extend(told.map(|breach| format!("line {}: {breach}", number + 1)));
    }
    breaches
}

/// The modules that a line takes from `crate::`.
fn imports(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group.split(',').map(|item| first_word(item.trim()))),
            None => found.push(first_word(rest)),
        }
    }
    let modules = |name: &&str| MAY_IMPORT.iter().any(|(module, _)| module == name);
    found.into_iter().filter(modules).collect()
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn upward(module: &str, imported: &str) -> Option<String> {
    let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, allowed)| allowed);
    let list = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
    (imported != module && !allowed.contains(&imported))
        .then(|| format!("{module} imports {imported}; it may import {list}"))
}

fn strangers(module: &str, line: &str) -> Vec<String> {
    let pure = PURE.contains(&module);
    let mut found = Vec::new();
    for stranger in IMPURE_CRATES.iter().filter(|name| pure && names(line, name)) {
        found.push(format!("{module} is pure and names {stranger}"));
    }
    for (stranger, homes) in CRATES_AT_HOME.iter().filter(|(name, _)| !pure || !IMPURE_CRATES.contains(name))
    {
        if !homes.contains(&module) && names(line, stranger) {
            found.push(format!("{module} names {stranger}, at home in {}", homes.join(", ")));
        }
    }
    found
}

/// Whether a line has `name::` as a path of its own, not as the end of another word or of a path.
fn names(line: &str, name: &str) -> bool {
    let path = format!("{name}::");
    line.match_indices(&path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '.')
    })
}
