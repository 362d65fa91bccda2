//! The corpora through all targets, as they are and mutated: no panic, and no more memory than the input explains.
//!
//! `RAFTSMAN_SEED=7` replays a seed, `RAFTSMAN_SEEDS=100` tries more mutations. A failure prints the smallest input that
//! was found, as the bytes of a corpus file.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use super::{Target, targets};

/// Mutated inputs of one target in an ordinary run.
const MUTATIONS: u32 = 150;
/// Bytes of memory that a byte of input may cause.
const MEMORY_FACTOR: u64 = 64;
/// The same of a byte of rows: indexes, a second machine, and the check of both. A job of a few bytes may have
/// `LIVE_RUNS_MAX` runs after a leap of time.
const MEMORY_OF_ROWS: u64 = 8;
/// What a target needs for an empty input: serde takes up to 1 MiB on the word of a claimed length, a snapshot's receiver
/// and clap's commands have their own.
const MEMORY_OWN: u64 = 2 << 20;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jepsen-style-tests/fuzz/corpus").join(target)
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = corpus(target);
    let files = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a corpus can be listed").path()).collect();
    files.sort();
    let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).expect("a corpus can be read"));
    files.into_iter().map(read).collect()
}

/// What is wrong with how `target` takes `data`, if anything.
fn problem(target: Target, data: &[u8]) -> Option<String> {
    let mut caught = Ok(0);
    let memory =
        allocation_counter::measure(|| caught = catch_unwind(AssertUnwindSafe(|| (target.run)(data))));
    let rows = match caught {
        Ok(rows) => rows,
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            return Some(said.unwrap_or_default());
        }
    };
    let (input, took) = (data.len(), memory.bytes_max);
    let most = MEMORY_OWN + MEMORY_FACTOR * input as u64 + MEMORY_OF_ROWS * rows as u64;
    (took > most).then(|| format!("{took} bytes of memory for {input} of input and {rows} of rows"))
}

#[test]
fn every_input_of_the_corpora_is_taken() {
    for target in targets() {
        let seeds = seeds(target.name);
        assert!(!seeds.is_empty(), "{} has no corpus", target.name);
        for (path, data) in seeds {
            if let Some(problem) = problem(target, &data) {
                panic!("{}: {path}: {problem}", target.name);
            }
        }
    }
}

#[test]
fn mutated_inputs_are_taken_too() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("RAFTSMAN_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let times = number("RAFTSMAN_SEEDS").map_or(1, |seeds| u32::try_from(seeds.max(1)).unwrap_or(u32::MAX));
    println!("seed {seed}: replay it with RAFTSMAN_SEED={seed}");
    for target in targets() {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config =
            Config { cases: MUTATIONS.saturating_mul(times), failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let inputs = mutated(seeds(target.name).into_iter().map(|(_, data)| data).collect());
        let outcome = runner.run(&inputs, |data| match problem(target, &data) {
            Some(problem) => Err(TestCaseError::fail(problem)),
            None => Ok(()),
        });
        if let Err(found) = outcome {
            panic!("target {}, RAFTSMAN_SEED={seed}: {found}", target.name);
        }
    }
}

/// What is done to an input.
#[derive(Clone, Debug)]
enum Edit {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// Its beginning, and the end of another one.
    Splice(Index, Vec<u8>),
}

fn edit(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Edit> {
    // Numbers at the edges of their types, as bincode, protobuf and plain integers write them.
    let edges: Vec<Vec<u8>> = vec![
        vec![0],
        vec![0xff],
        vec![0xff; 4],
        vec![0xff; 8],
        vec![0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        vec![0x80, 0, 0, 0, 0, 0, 0, 0],
    ];
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Edit::Flip(at, 1 << bit)),
        (any::<Index>(), select(edges)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (any::<Index>(), 1..16_usize).prop_map(|(at, length)| Edit::Remove(at, length)),
        (any::<Index>(), select(corpus)).prop_map(|(at, other)| Edit::Splice(at, other)),
    ]
}

fn mutated(corpus: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let base = prop_oneof![8 => select(corpus.clone()), 1 => vec(any::<u8>(), 0..64), 1 => Just(Vec::new())];
    (base, vec(edit(corpus), 1..6)).prop_map(|(base, edits)| edits.into_iter().fold(base, apply))
}

fn apply(mut data: Vec<u8>, edit: Edit) -> Vec<u8> {
    let at = |index: &Index, data: &[u8]| index.index(data.len() + 1);
    match edit {
        Edit::Set(place, byte) => {
            let place = at(&place, &data);
            data.get_mut(place).into_iter().for_each(|old| *old = byte);
        }
        Edit::Flip(place, bits) => {
            let place = at(&place, &data);
            data.get_mut(place).into_iter().for_each(|old| *old ^= bits);
        }
        Edit::Insert(place, bytes) => {
            let place = at(&place, &data);
            data.splice(place..place, bytes);
        }
        Edit::Remove(place, length) => {
            let place = at(&place, &data);
            let end = (place + length).min(data.len());
            data.drain(place..end);
        }
        Edit::Splice(place, other) => {
            let place = at(&place, &data);
            data.truncate(place);
            data.extend_from_slice(&other[place.min(other.len())..]);
        }
    }
    data
}
