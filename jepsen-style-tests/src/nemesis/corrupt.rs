//! The files of a stopped JobTracker are damaged. It may refuse to start, or repair itself; it must not serve or vote
//! on what is wrong. If it does not start, or says so, it is treated as one that lost its disk.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::Strike;

const READMIT_PATIENCE: Duration = Duration::from_secs(30);
/// A JobTracker that finds the damage late ends within this.
const SETTLE: Duration = Duration::from_secs(2);
const CHUNK_BYTES: usize = 4096;

pub(super) async fn run(strike: &Strike) {
    let (node, word) = strike.target().await;
    if let Err(error) = node.kill().await {
        return println!("  corrupt: {error:#}");
    }
    let seed = u64::try_from(strike.plan.variant).unwrap_or(0) * 100 + u64::from(strike.plan.measure);
    let damaged = damage(&node.disk.mount().join("data"), &mut fastrand::Rng::with_seed(seed));
    let detail = damaged.as_ref().map_or_else(|error| format!("{error:#}"), Clone::clone);
    let begin = async { damaged.map(drop) };
    let end = async {
        // What it does with the damage is its own: ending is right.
        let started = node.try_start().await.is_ok();
        if started && !node.ended_within(SETTLE).await {
            return Ok(());
        }
        println!("  {} does not start on damaged files; its disk is emptied", node.name);
        node.kill().await?;
        node.disk.empty().await?;
        node.start().await?;
        strike.cluster.admin.readmit(&node, READMIT_PATIENCE).await
    };
    strike.between(format!("{word}: {detail}"), vec![node.name.clone()], begin, end).await;
}

/// Damages one file and says how.
fn damage(data: &Path, rng: &mut fastrand::Rng) -> anyhow::Result<String> {
    let mut files = Vec::new();
    gather(data, &mut files)?;
    files.sort();
    anyhow::ensure!(!files.is_empty(), "there are no files to damage");
    let path = if rng.bool() { &files[rng.usize(..files.len())] } else { by_size(&files, rng)? };
    let name = path.strip_prefix(data).unwrap_or(path).display().to_string();
    let file = OpenOptions::new().read(true).write(true).open(path).context(name.clone())?;
    let size = file.metadata()?.len();
    let at = rng.u64(..size);
    match rng.u8(..3) {
        0 => {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at)?;
            byte[0] ^= 1 << rng.u8(..8);
            file.write_all_at(&byte, at)?;
            Ok(format!("a bit at {at} of {size} in {name}"))
        }
        1 => {
            file.set_len(at)?;
            Ok(format!("{name} cut to {at} of {size}"))
        }
        _ => {
            let from = (at + 1 + rng.u64(..size)) % size;
            copy_chunk(&file, from, at)?;
            Ok(format!("bytes at {from} copied to {at} of {size} in {name}"))
        }
    }
}

/// The larger a file is, the likelier: most bytes are in the logs and tables.
fn by_size<'a>(files: &'a [PathBuf], rng: &mut fastrand::Rng) -> anyhow::Result<&'a PathBuf> {
    let sizes: Vec<u64> =
        files.iter().map(|path| Ok(path.metadata()?.len())).collect::<anyhow::Result<_>>()?;
    let mut at = rng.u64(..sizes.iter().sum::<u64>());
    for (path, size) in files.iter().zip(sizes) {
        if at < size {
            return Ok(path);
        }
        at -= size;
    }
    anyhow::bail!("the sizes add up to less than their sum")
}

fn copy_chunk(file: &File, from: u64, to: u64) -> anyhow::Result<()> {
    let mut chunk = [0; CHUNK_BYTES];
    let bytes = file.read_at(&mut chunk, from)?;
    Ok(file.write_all_at(&chunk[..bytes], to)?)
}

/// Logs for people and empty files are not worth damaging.
fn gather(dir: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.metadata()?.len() > 0 && !name.starts_with("LOG") && !name.starts_with("OPTIONS") {
            files.push(path);
        }
    }
    Ok(())
}
