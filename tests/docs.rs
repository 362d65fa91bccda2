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
