//! The one way to work that blocks on a disk or takes long.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinError;

/// Runs what blocks beside the runtime's own threads. A runtime of one thread has none beside it, and in the simulation
/// must have none: there it runs in place.
///
/// # Errors
/// If it panicked on a thread of its own.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => Ok(work()),
        _ => tokio::task::spawn_blocking(work).await,
    }
}
