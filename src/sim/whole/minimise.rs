//! Which of a seed's faults it takes: delta debugging over its list of faults.

use std::collections::BTreeSet;

use super::batch::ask_process;
use super::options::Options;

/// Leaves out faults, halves first, as long as the seed breaks in the same way, and says what is left.
pub(super) fn minimise(seed: u64, skip: &BTreeSet<usize>, broken: &str) {
    let (count, way) = (Options::draw(seed).faults.len(), way_of(broken));
    let breaks = |skip: &BTreeSet<usize>| {
        let said = ask_process(seed, skip, None);
        !said.green && way_of(&said.broken) == way
    };
    if !breaks(skip) {
        println!("seed {seed} does not break in the same way again");
        return;
    }
    let faults = (0..count).filter(|fault| !skip.contains(fault)).collect();
    let kept = smallest(faults, |kept| breaks(&(0..count).filter(|fault| !kept.contains(fault)).collect()));
    let left_out: BTreeSet<usize> = (0..count).filter(|fault| !kept.contains(fault)).collect();
    let said = ask_process(seed, &left_out, None);
    println!(
        "seed {seed} minimised: {} of {count} faults are enough ({}): --seed {seed}{}\n  broken {}",
        kept.len(),
        listed(&kept),
        if left_out.is_empty() { String::new() } else { format!(" --skip {}", listed(&left_out)) },
        said.broken
    );
}

fn listed<'a>(faults: impl IntoIterator<Item = &'a usize>) -> String {
    faults.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// How a seed broke, without the numbers and names of this time.
fn way_of(broken: &str) -> String {
    let said = broken.split_once(": ").map_or(broken, |(_, said)| said);
    said.split_whitespace()
        .filter(|word| word.chars().all(|letter| letter.is_alphabetic() || ",:'".contains(letter)))
        .take(8)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What is left of a list when parts of it are left out, as long as `breaks` says that the rest still breaks.
fn smallest(mut kept: Vec<usize>, breaks: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let mut size = kept.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < kept.len() {
            let end = (at + size).min(kept.len());
            let without: Vec<usize> = kept[..at].iter().chain(&kept[end..]).copied().collect();
            if breaks(&without) {
                kept = without;
            } else {
                at = end;
            }
        }
        size = if size == 1 { 0 } else { size.div_ceil(2) };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::{smallest, way_of};

    #[test]
    fn what_is_needed_together_is_found_among_many() {
        for needed in [vec![], vec![0], vec![7, 8], vec![1, 6, 12]] {
            let found = smallest((0..13).collect(), |kept| needed.iter().all(|fault| kept.contains(fault)));
            assert_eq!(found, needed);
        }
    }

    #[test]
    fn a_way_to_break_has_no_numbers() {
        let first = "at 812 ms: execution 12.0 of run 7.0#1 was begun and never committed";
        let again = "at 93 ms: execution 1.4 of run 22.0#0 was begun and never committed";
        assert_eq!(way_of(first), way_of(again));
        assert_eq!(way_of(first), "execution of run was begun and never committed");
        assert_ne!(way_of(first), way_of("at 812 ms: it did not drain: 1 executing"));
    }
}
