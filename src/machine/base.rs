//! What the machine needs from the disk: point reads and bounded, ordered scans. Writes go the other way, a sealed
//! layer at a time, and are the store's business.

use std::fmt;

/// A key and its row, as the disk has them.
pub type RawRow = (Vec<u8>, Vec<u8>);

/// The durable tables below the in-memory layers.
pub trait Base: Send + Sync + fmt::Debug {
    /// # Errors
    /// Only storage can fail, and then the node stops.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BaseError>;

    /// The first `limit` rows with `from <= key < to`, in the order of their keys.
    ///
    /// # Errors
    /// Only storage can fail, and then the node stops.
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError>;

    /// The last `limit` rows with `from <= key < to`, from the last one back.
    ///
    /// # Errors
    /// Only storage can fail, and then the node stops.
    fn scan_back(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<RawRow>, BaseError>;
}

/// The disk failed, or holds what this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    #[error("storage failed: {0}")]
    Storage(String),
    #[error("row {key} cannot be read: {problem}")]
    Corrupt { key: String, problem: String },
}

/// A base without rows, for a machine that lives in memory only.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBase;

impl Base for NoBase {
    fn get(&self, _key: &[u8]) -> Result<Option<Vec<u8>>, BaseError> {
        Ok(None)
    }

    fn scan(&self, _from: &[u8], _to: &[u8], _limit: usize) -> Result<Vec<RawRow>, BaseError> {
        Ok(Vec::new())
    }

    fn scan_back(&self, _from: &[u8], _to: &[u8], _limit: usize) -> Result<Vec<RawRow>, BaseError> {
        Ok(Vec::new())
    }
}
