//! The fenced store: what jobs write to, outside the cluster and out of reach of every fault. It accepts a write only
//! if no greater token was accepted for the same run before, which is what a user is told to do.
//!
//! One line of JSON a write over a Unix socket, `{"job","run","execution"}`; the answer is a line, `accepted` or
//! `stale`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::history::Effect;
use crate::record::Record;

/// One write.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Write {
    pub(crate) job: String,
    pub(crate) run: String,
    pub(crate) execution: u64,
}

/// The server's side.
#[derive(Debug)]
pub(crate) struct Effects {
    record: Record,
    /// The greatest token of each run.
    greatest: Mutex<BTreeMap<String, u64>>,
}

impl Effects {
    /// Serves until the runtime ends. Needs a runtime.
    ///
    /// # Errors
    /// If the socket or the record cannot be made.
    pub(crate) fn serve(socket: &Path, record: &Path) -> anyhow::Result<Arc<Effects>> {
        let listener = UnixListener::bind(socket).with_context(|| socket.display().to_string())?;
        let effects = Arc::new(Effects { record: Record::create(record)?, greatest: Mutex::default() });
        let serving = Arc::clone(&effects);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).answer(stream));
            }
        });
        Ok(effects)
    }

    async fn answer(self: Arc<Effects>, stream: UnixStream) {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        // A TaskTracker that was killed in the middle of a line has written nothing.
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(write) = serde_json::from_str::<Write>(&line) else { return };
            let answer: &[u8] = if self.write(write) { b"accepted\n" } else { b"stale\n" };
            if writer.write_all(answer).await.is_err() {
                return;
            }
        }
    }

    fn write(&self, write: Write) -> bool {
        let mut greatest = self.greatest.lock().expect("nobody panics while it is held");
        let max_seen = greatest.get(&write.run).copied().unwrap_or(0);
        let accepted = write.execution >= max_seen;
        if accepted {
            greatest.insert(write.run.clone(), write.execution);
        }
        let Write { job, run, execution } = write;
        self.record.append(|t| Effect { t, job, run, execution, accepted, max_seen });
        accepted
    }

    /// # Errors
    /// If the disk of the harness is full.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        self.record.flush()
    }
}

/// A TaskTracker's side.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    socket: PathBuf,
}

impl Store {
    pub(crate) fn at(socket: PathBuf) -> Store {
        Store { socket }
    }

    /// Writes once; says whether it was accepted.
    ///
    /// # Errors
    /// If the harness is gone.
    pub(crate) async fn write(&self, write: &Write) -> anyhow::Result<bool> {
        let (reader, mut writer) = UnixStream::connect(&self.socket).await?.into_split();
        let mut line = serde_json::to_vec(write)?;
        line.push(b'\n');
        writer.write_all(&line).await?;
        let answer = BufReader::new(reader).lines().next_line().await?.context("the store hung up")?;
        Ok(answer == "accepted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_token_than_one_that_was_accepted_is_stale_and_the_same_one_is_not() {
        let path = std::env::temp_dir().join(format!("jst-effects-{}.jsonl", std::process::id()));
        let effects = Effects { record: Record::create(&path).unwrap(), greatest: Mutex::default() };
        let write =
            |run: &str, execution| effects.write(Write { job: "j".into(), run: run.into(), execution });
        let answers =
            [write("1.0/1", 7), write("1.0/1", 9), write("1.0/1", 7), write("1.0/1", 9), write("1.0/2", 7)];
        std::fs::remove_file(&path).unwrap();
        assert_eq!(answers, [true, true, false, true, true]);
    }
}
