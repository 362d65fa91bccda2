//! What a snapshot consists of: its position, its membership, and each file's name, size and checksum.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::super::encoding;
use super::super::files;
use super::super::types::SnapshotMeta;

/// The manifest's file name; RocksDB has none like it.
pub(in super::super) const MANIFEST: &str = "RAFTSMAN-SNAPSHOT";
/// The format of the manifest.
const VERSION: u8 = 1;
/// Files of one snapshot: RocksDB's tables have 64 MiB, so this is some terabytes.
pub(super) const FILES_MAX: usize = 100_000;
/// A file name's length.
pub(super) const NAME_BYTES_MAX: usize = 64;
/// How much is read at a time to compute a checksum.
const READ_BYTES: usize = 256 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Manifest {
    pub(in super::super) meta: SnapshotMeta,
    pub(in super::super) files: Vec<FileEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct FileEntry {
    pub(in super::super) name: String,
    pub(in super::super) bytes: u64,
    pub(in super::super) crc: u32,
}

impl FileEntry {
    pub(in super::super) fn is_table(&self) -> bool {
        self.name.ends_with(".sst")
    }
}

impl Manifest {
    /// Describes the files in `dir`. Checksums of tables that `previous` has too are taken over: it is the same file.
    pub(in super::super) fn describe(
        dir: &Path,
        meta: SnapshotMeta,
        previous: Option<(&Path, &Manifest)>,
    ) -> io::Result<Manifest> {
        let describe = |name: String| {
            let path = dir.join(&name);
            let bytes = fs::metadata(&path)?.len();
            let known = previous.and_then(|(at, manifest)| manifest.crc_of_same_file(at, &path, &name));
            let crc = known.map_or_else(|| checksum(&path), Ok)?;
            Ok(FileEntry { name, bytes, crc })
        };
        // RocksDB's chatter; looking into a snapshot leaves some.
        let names = files::names(dir)?.into_iter().filter(|name| !name.starts_with("LOG"));
        let files = names.map(describe).collect::<io::Result<Vec<_>>>()?;
        Ok(Manifest { meta, files })
    }

    fn crc_of_same_file(&self, dir: &Path, path: &Path, name: &str) -> Option<u32> {
        let file = self.files.iter().find(|file| file.name == name && file.is_table())?;
        let (ours, theirs) = (fs::metadata(dir.join(name)).ok()?, fs::metadata(path).ok()?);
        let same = (ours.dev(), ours.ino(), ours.len()) == (theirs.dev(), theirs.ino(), theirs.len());
        same.then_some(file.crc)
    }

    pub(in super::super) fn write(&self, dir: &Path) -> io::Result<()> {
        files::replace_file(&dir.join(MANIFEST), &self.encode())
    }

    pub(super) fn read(dir: &Path) -> io::Result<Manifest> {
        let bytes = fs::read(dir.join(MANIFEST))?;
        Manifest::decode(Bytes::from(bytes))
            .map_err(|problem| io::Error::new(io::ErrorKind::InvalidData, problem))
    }

    /// Whether all files are there with their sizes; their content was checked when they were written.
    pub(super) fn check_sizes(&self, dir: &Path) -> io::Result<()> {
        for file in &self.files {
            let is = fs::metadata(dir.join(&file.name))?.len();
            if is != file.bytes {
                let problem = format!("{} has {is} bytes instead of {}", file.name, file.bytes);
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
        }
        Ok(())
    }

    pub(in super::super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        let meta = encoding::encode_snapshot_meta(&self.meta);
        out.put_u32(u32::try_from(meta.len()).expect("a membership is far below 4 GiB"));
        out.put_slice(&meta);
        out.put_u32(u32::try_from(self.files.len()).expect("there are not that many files"));
        for file in &self.files {
            out.put_u8(u8::try_from(file.name.len()).expect("RocksDB's file names are short"));
            out.put_slice(file.name.as_bytes());
            out.put_u64(file.bytes);
            out.put_u32(file.crc);
        }
        out.put_u32(crc32fast::hash(&out));
        out.freeze()
    }

    pub(in super::super) fn decode(mut bytes: Bytes) -> Result<Manifest, String> {
        let body = bytes.len().checked_sub(4).ok_or("it is too short")?;
        let crc = bytes.split_off(body).get_u32();
        if crc != crc32fast::hash(&bytes) {
            return Err("its checksum is wrong".into());
        }
        match take(&mut bytes, 1)?.get_u8() {
            VERSION => {}
            other => return Err(format!("version {other} is not known")),
        }
        let length = take(&mut bytes, 4)?.get_u32() as usize;
        let meta =
            encoding::decode_snapshot_meta(take(&mut bytes, length)?).map_err(|error| error.to_string())?;
        let count = take(&mut bytes, 4)?.get_u32() as usize;
        if count > FILES_MAX {
            return Err(format!("{count} files are too many"));
        }
        let files = (0..count).map(|_| take_file(&mut bytes)).collect::<Result<Vec<_>, _>>()?;
        Ok(Manifest { meta, files })
    }
}

fn take_file(bytes: &mut Bytes) -> Result<FileEntry, String> {
    let length = usize::from(take(bytes, 1)?.get_u8());
    let name = String::from_utf8(take(bytes, length)?.to_vec()).map_err(|error| error.to_string())?;
    let mut rest = take(bytes, 12)?;
    Ok(FileEntry { name, bytes: rest.get_u64(), crc: rest.get_u32() })
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, String> {
    if bytes.len() >= length { Ok(bytes.split_to(length)) } else { Err("it is too short".into()) }
}

fn checksum(path: &Path) -> io::Result<u32> {
    let (mut file, mut hasher) = (File::open(path)?, crc32fast::Hasher::new());
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::types::{StoredMembership, log_id};
    use super::*;

    fn manifest() -> Manifest {
        let last_log_id = Some(log_id(2, 77));
        let meta = SnapshotMeta { last_log_id, last_membership: StoredMembership::default() };
        let file = |name: &str| FileEntry { name: name.into(), bytes: 5, crc: 0x0102_0304 };
        Manifest { meta, files: vec![file("000012.sst"), file("CURRENT")] }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_its_bytes_never_change() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::decode(bytes.clone()), Ok(manifest()));
        let golden = "010000001701010000000000000002000000000000004d0000000000000000020a3030303031322e73737400\
                      00000000000005010203040743555252454e54000000000000000501020304eed26197";
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden);
    }

    #[test]
    fn a_damaged_manifest_is_refused() {
        let bytes = manifest().encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x10;
            assert!(Manifest::decode(Bytes::from(damaged)).is_err(), "byte {at} counts");
            assert!(Manifest::decode(bytes.slice(..at)).is_err(), "{at} bytes are not enough");
        }
    }
}
