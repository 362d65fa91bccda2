//! Keeps the pages honest: the tests that they name exist, the pages and files that they link to are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(root: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten() {
        let path = entry.expect("the checkout can be read").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    found
}

/// Every function of the sources, and every story of the machine.
fn tests_and_stories() -> BTreeSet<String> {
    let sources = files(&here("src"), "rs").into_iter().chain(files(&here("tests"), "rs"));
    let mut names = BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(&source).expect("a source is UTF-8");
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
        names.extend(functions.map(|name| name.trim().to_owned()));
    }
    let stories = files(&here("src/machine/testdata"), "story");
    names.extend(stories.iter().filter_map(|story| Some(story.file_stem()?.to_str()?.to_owned())));
    names
}

/// What stands in backticks in a page.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

#[test]
fn the_tests_that_hold_the_guarantees_exist() {
    let known = tests_and_stories();
    let page = fs::read_to_string(here("docs/guarantees.md")).expect("the page is there");
    let promises = page.split("## The faults").next().expect("split gives at least one part");
    let is_test = |name: &&str| {
        name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let named: Vec<&str> = quoted(promises).filter(is_test).collect();
    assert!(named.len() > 20, "only {} tests are named", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !known.contains(**name)).collect();
    assert!(missing.is_empty(), "docs/guarantees.md names tests that do not exist: {missing:?}");
}

#[test]
fn every_link_between_the_pages_leads_somewhere() {
    let mut broken = Vec::new();
    for page in files(&here("docs"), "md").into_iter().chain([here("README.md")]) {
        let text = fs::read_to_string(&page).expect("a page is UTF-8");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let outside = target.is_empty() || target.contains("://");
            let folder = page.parent().expect("a file is in a folder");
            if !outside && !folder.join(target).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

/// The cells of a page's table rows.
fn rows(page: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = page.lines().filter(|line| line.starts_with("| "));
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// What `jst run --workload` takes.
fn workloads() -> BTreeSet<String> {
    let source = fs::read_to_string(here("jepsen-style-tests/src/workload/mod.rs")).expect("it is there");
    let (_, variants) = source.split_once("enum Workload {").expect("the workloads are an enum");
    let variants = variants.split('}').next().expect("split gives at least one part");
    let kebab = |name: &str| {
        let word = |(place, letter): (usize, char)| match letter {
            'A'..='Z' if place > 0 => format!("-{}", letter.to_ascii_lowercase()),
            letter => letter.to_ascii_lowercase().to_string(),
        };
        name.char_indices().map(word).collect()
    };
    variants.lines().filter_map(|line| line.trim().strip_suffix(',').map(kebab)).collect()
}

#[test]
fn every_row_of_lts_has_a_test_or_an_argument() {
    let known: BTreeSet<String> = tests_and_stories().union(&workloads()).cloned().collect();
    let page = fs::read_to_string(here("docs/lts-parity.md")).expect("the page is there");
    let capabilities = page.split("## The fault windows").next().expect("split gives at least one part");
    let mut wanted: BTreeSet<u32> = (1..=117).collect();
    for cells in rows(capabilities) {
        let Ok(row) = cells[0].parse::<u32>() else { continue };
        assert!(wanted.remove(&row), "row {row} is there twice, or is none of LTS's");
        let held = cells.last().expect("a row has cells");
        let unknown: Vec<&str> = quoted(held).filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "row {row} names tests that do not exist: {unknown:?}");
        let argued = held.starts_with("dropped") && (held.len() > 40 || cells[2].len() > 40);
        assert!(argued || quoted(held).next().is_some(), "row {row} has neither a test nor an argument");
    }
    assert!(wanted.is_empty(), "rows of LTS that are not there: {wanted:?}");
}

#[test]
fn every_fault_window_of_lts_has_a_test_and_most_are_planted() {
    let known: BTreeSet<String> = tests_and_stories().union(&workloads()).cloned().collect();
    let page = fs::read_to_string(here("docs/lts-parity.md")).expect("the page is there");
    let bugs = fs::read_to_string(here("docs/planted-bugs.md")).expect("the page is there");
    let mut wanted: BTreeSet<String> = (1..=24).map(|number| format!("W{number}")).collect();
    let mut planted = 0;
    for cells in rows(&page).filter(|cells| cells[0].starts_with('W')) {
        let [window, _, _, held, bug] = cells[..] else { panic!("{cells:?} has not five cells") };
        assert!(wanted.remove(window), "{window} is there twice, or is none of LTS's");
        assert!(quoted(held).next().is_some(), "{window} has no test");
        let unknown: Vec<&str> = quoted(held).filter(|name| !known.contains(*name)).collect();
        assert!(unknown.is_empty(), "{window} names tests that do not exist: {unknown:?}");
        for name in quoted(bug) {
            assert!(
                bugs.contains(&format!("| `{name}` |")),
                "{window} names a bug that is not planted: {name}"
            );
        }
        planted += usize::from(quoted(bug).next().is_some());
    }
    assert!(wanted.is_empty(), "windows that are not there: {wanted:?}");
    assert!(planted >= 16, "only {planted} of LTS's fault windows are planted");
}
