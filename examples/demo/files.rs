//! A real tree of files, and what the jobs should say about each, computed here without them.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Larger files would be a demonstration of the disk.
const BYTES_MAX: u64 = 1 << 20;
/// With fewer files than this the demonstration shows little, so other trees are taken too.
const ENOUGH: usize = 2000;

/// One file, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) path: String,
    pub(crate) words: usize,
    pub(crate) sha256: String,
}

/// This package's sources and the system's documentation; if they are few, more of the system.
pub(crate) fn gather(most: usize) -> Vec<Sample> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["src", "tests", "proto", "docs", "examples"].map(|directory| here.join(directory));
    let mut found = Vec::new();
    for root in sources.into_iter().chain([PathBuf::from("/usr/share/doc")]) {
        walk(&root, most, &mut found);
    }
    for root in ["/usr/include", "/usr/lib", "/usr/share"] {
        if found.len() < most.min(ENOUGH) {
            walk(Path::new(root), most, &mut found);
        }
    }
    found
}

fn walk(directory: &Path, most: usize, found: &mut Vec<Sample>) {
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if found.len() >= most {
            return;
        }
        match path.symlink_metadata() {
            Ok(meta) if meta.is_dir() => walk(&path, most, found),
            Ok(meta) if meta.is_file() && meta.len() <= BYTES_MAX => {
                found.extend(path.to_str().and_then(sample).filter(|new| !found.contains(new)))
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Reads a file; `None` if that is not allowed, or if nobody can say how many words it has.
pub(crate) fn sample(path: &str) -> Option<Sample> {
    let bytes = std::fs::read(path).ok()?;
    let words = words(&bytes)?;
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(Sample { path: path.into(), words, sha256 })
}

/// Words as `LC_ALL=C wc -w` counts them. Versions of wc disagree about a word without any printable character, so a
/// file that has one has no count.
fn words(bytes: &[u8]) -> Option<usize> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let mut words = bytes.split(is_space).filter(|word| !word.is_empty());
    words.try_fold(0, |count, word| word.iter().any(u8::is_ascii_graphic).then_some(count + 1))
}
