//! What happens when storage fails: the process ends, and nothing is tried again.
//!
//! After a failed fsync nobody knows what the disk holds; the kernel may have dropped the pages and report success the
//! next time. A node that stops is replaced by its peers; a node that acknowledges what it did not store breaks promises.

use std::sync::Arc;

/// Told why storage cannot go on. In production it does not return.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Ends the process at once, without destructors: they would touch the failed disk again.
pub fn end_process() -> OnFatal {
    Arc::new(|why| {
        tracing::error!(why, "storage failed; this node stops");
        eprintln!("raftsman: storage failed, so this node stops: {why}");
        std::process::abort()
    })
}
