//! What is seen while it runs: one line that is updated on a terminal, plain lines elsewhere, and the events between.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use raftsman::domain::{Clock as _, SystemClock};

use crate::effects::Effects;

const ON_A_TERMINAL: Duration = Duration::from_millis(100);
const ELSEWHERE: Duration = Duration::from_secs(2);

/// Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: Instant,
    terminal: bool,
    leader: Mutex<String>,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let (begun, terminal) = (SystemClock.monotonic(), stdout().is_terminal());
        Progress(Arc::new(Shared { begun, terminal, leader: Mutex::new("nobody".into()) }))
    }

    pub(crate) fn elapsed(&self) -> Duration {
        SystemClock.monotonic().duration_since(self.0.begun)
    }

    /// Tells of an event on a line that stays.
    pub(crate) fn say(&self, event: &str) {
        self.clear();
        println!("{:6.2}s  {event}", self.elapsed().as_secs_f64());
    }

    /// Who leads now.
    pub(crate) fn leader(&self, name: &str) {
        name.clone_into(&mut self.0.leader.lock());
    }

    /// Shows how far it is, for as long as it is polled.
    pub(crate) async fn show(self, effects: Effects, files: usize) {
        let mut beat = tokio::time::interval(if self.0.terminal { ON_A_TERMINAL } else { ELSEWHERE });
        loop {
            beat.tick().await;
            let line = format!(
                "{} executions of {files} files, {} of the cron, {} of the repeat; {} leads",
                effects.count("file"),
                effects.count("cron"),
                effects.count("repeat"),
                self.0.leader.lock(),
            );
            match self.0.terminal {
                true => self.overwrite(&line),
                false => self.say(&line),
            }
        }
    }

    fn overwrite(&self, line: &str) {
        print!("\r\x1b[2K{:6.2}s  {line}", self.elapsed().as_secs_f64());
        // A terminal that is gone is no reason to stop.
        let _ = stdout().flush();
    }

    /// Takes the line away that would be updated.
    pub(crate) fn clear(&self) {
        if self.0.terminal {
            print!("\r\x1b[2K");
        }
    }
}
