//! Bytes on disk and snapshots on their way, as any bytes.

#[cfg(feature = "server")]
use std::path::Path;
#[cfg(feature = "server")]
use std::sync::Arc;

use bytes::Bytes;

use super::encoding;
use super::snapshot::Manifest;
#[cfg(feature = "server")]
use super::snapshot::{CHUNK_BYTES_MAX, SnapshotChunk, SnapshotReceiver};

/// Which shape, then its bytes.
pub(crate) fn encoding(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    let bytes = || Bytes::copy_from_slice(rest);
    match which % 6 {
        0 => again(bytes(), encoding::decode_log_id, encoding::encode_log_id),
        1 => again(bytes(), encoding::decode_vote, encoding::encode_vote),
        2 => again(bytes(), encoding::decode_membership, encoding::encode_membership),
        3 => again(bytes(), encoding::decode_stored_membership, encoding::encode_stored_membership),
        4 => again(bytes(), encoding::decode_snapshot_meta, encoding::encode_snapshot_meta),
        _ => {
            again(bytes(), encoding::decode_entry, encoding::encode_entry);
            if let Ok(entry) = encoding::decode_entry(bytes()) {
                assert_eq!(encoding::peek_entry_log_id(rest), Ok(entry.log_id), "the head says the same");
            }
        }
    }
}

fn again<T: PartialEq + std::fmt::Debug, E: std::fmt::Debug>(
    bytes: Bytes,
    decode: impl Fn(Bytes) -> Result<T, E>,
    encode: impl Fn(&T) -> Bytes,
) {
    if let Ok(value) = decode(bytes) {
        assert_eq!(decode(encode(&value)).expect("what was just encoded can be decoded"), value);
    }
}

/// A manifest whose checksum is right: a wrong one ends the reading at once.
pub(crate) fn manifest(data: &[u8]) {
    let mut bytes = data.to_vec();
    bytes.extend_from_slice(&crc32fast::hash(data).to_be_bytes());
    again(bytes.into(), Manifest::decode, Manifest::encode);
    let _ = Manifest::decode(Bytes::copy_from_slice(data));
}

/// A stream of chunks to the one who receives a snapshot: it takes it, or it leaves nothing behind.
#[cfg(feature = "server")]
pub(crate) fn snapshot(data: &[u8]) {
    let home = tempfile::tempdir().expect("a directory for the test can be made");
    let path = home.path().join("receiving");
    let engines = Arc::new(super::RocksEngines);
    let receiver = SnapshotReceiver::new(path.clone(), engines).expect("the directory is new");
    receive(receiver, data, &path);
    assert!(!path.exists(), "what was not installed goes away");
}

#[cfg(feature = "server")]
fn receive(mut receiver: SnapshotReceiver, mut data: &[u8], path: &Path) {
    let (mut files, mut all) = (0, Vec::new());
    while let Some((what, rest)) = data.split_first() {
        let length = usize::from(*rest.first().unwrap_or(&0)).min(rest.len().saturating_sub(1));
        let (body, rest) = rest.get(1..).unwrap_or_default().split_at(length);
        data = rest;
        let chunk = match what % 8 {
            // A file that is as long as the chunk after it says.
            0 | 1 => {
                files += 1;
                let bytes = rest.get(1).copied().unwrap_or_default().into();
                SnapshotChunk::File { name: String::from_utf8_lossy(body).into_owned(), bytes }
            }
            2 => SnapshotChunk::File { name: "RAFTSMAN-SNAPSHOT".into(), bytes: u64::MAX },
            3 | 4 => {
                all.extend_from_slice(body);
                SnapshotChunk::Data(Bytes::copy_from_slice(body))
            }
            5 => SnapshotChunk::Data(Bytes::from(vec![*what; CHUNK_BYTES_MAX.min(4 * body.len())])),
            // An honest end, so that what comes after it is reached.
            6 => {
                let (bytes, checksum) = (all.len() as u64, crc32fast::hash(&all));
                SnapshotChunk::End { files, bytes, checksum }
            }
            _ => SnapshotChunk::End { files: u64::MAX, bytes: body.len() as u64, checksum: 0 },
        };
        if receiver.push(chunk).is_err() {
            return;
        }
    }
    let inside = path.parent().and_then(|parent| parent.read_dir().ok()).map(Iterator::count);
    assert_eq!(inside, Some(1), "nothing is written beside its directory");
    let _ = receiver.finish();
}
