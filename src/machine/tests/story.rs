//! Plays a story: a script with its transcript, one entry a line.
//!
//! After every step nothing may be broken, and the entry must read back from its bytes. At the end the same log, played
//! to a machine that writes each entry's layer to disk and is opened anew after each, must give the same bytes.

use std::sync::Arc;

use expect_test::ExpectFile;

use super::memory_base::MemoryBase;
use super::script::{self, Names};
use super::transcript;
use crate::machine::command::LogEntry;
use crate::machine::{Applied, Machine, NoBase, codec};

/// Where the transcript begins.
const ARROW: &str = " -> ";
/// What begins a line that `show` printed.
const SHOWN: &str = "    | ";

struct Story {
    machine: Machine,
    names: Names,
    log: Vec<(u64, LogEntry)>,
    transcript: String,
}

/// Plays the script of a file and compares, or with `UPDATE_EXPECT=1` rewrites, its transcript.
pub(super) fn play(file: &ExpectFile, script: &str) {
    let story = told(script);
    story.play_again_from_disk();
    file.assert_eq(&story.transcript);
}

/// The entries of a script.
pub(super) fn log_of(script: &str) -> Vec<(u64, LogEntry)> {
    told(script).log
}

fn told(script: &str) -> Story {
    let machine = Machine::open(Arc::new(NoBase)).unwrap();
    let mut story = Story { machine, names: Names::default(), log: Vec::new(), transcript: String::new() };
    script.lines().filter(|line| !line.starts_with(SHOWN)).for_each(|line| story.line(line));
    story
}

impl Story {
    fn line(&mut self, line: &str) {
        let script = line.split(ARROW).next().unwrap_or_default().trim_end();
        if script.is_empty() || script.starts_with('#') {
            self.transcript += &format!("{script}\n");
        } else if let Some(what) = script.strip_prefix("show ") {
            self.transcript += &format!("{script}\n");
            let words: Vec<&str> = what.split_whitespace().collect();
            for line in transcript::show(&self.machine, &words) {
                self.transcript += &format!("{SHOWN}{line}\n");
            }
        } else if let Some((from, to, script)) = repeated(script) {
            (from..=to).for_each(|n| drop(self.step(&script.replace("{n}", &n.to_string()))));
            self.transcript += &format!("repeat {from} {to} {script}\n");
        } else {
            let applied = self.step(script);
            let result = transcript::applied(&self.machine, &applied);
            self.transcript += &format!("{script}{ARROW}{result}\n");
        }
    }

    fn step(&mut self, script: &str) -> Applied {
        let entry = script::entry(script, &self.names, self.machine.tables().meta().limits);
        assert_eq!(codec::decode_entry(codec::encode_entry(&entry)), Ok(entry.clone()), "{script}");
        let index = self.machine.applied_index() + 1;
        let applied = self.machine.apply(index, &entry).unwrap();
        let broken: Vec<String> = self.machine.check().unwrap().iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "after {script:?}: {broken:#?}\n{}", self.transcript);
        self.names.remember(&entry, &applied);
        self.log.push((index, entry));
        applied
    }

    fn play_again_from_disk(&self) {
        let base = Arc::new(MemoryBase::default());
        let mut machine = Machine::open(Arc::clone(&base) as _).unwrap();
        for (index, entry) in &self.log {
            machine.apply(*index, entry).unwrap();
            if let Some(layer) = machine.seal() {
                base.write(&layer);
                let meta = *machine.tables().meta();
                machine = Machine::open(Arc::clone(&base) as _).unwrap();
                assert_eq!(*machine.tables().meta(), meta, "what was written is what was opened");
            }
        }
        let broken: Vec<String> = machine.check().unwrap().iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "opened from disk: {broken:#?}");
        assert_eq!(machine.digest(), self.machine.digest(), "layers and disk change nothing");
    }
}

/// `repeat 1 100 at 1000 submit t{n} trade`.
fn repeated(script: &str) -> Option<(u64, u64, &str)> {
    let (from, rest) = script.strip_prefix("repeat ")?.split_once(' ')?;
    let (to, script) = rest.split_once(' ')?;
    Some((from.parse().ok()?, to.parse().ok()?, script))
}
