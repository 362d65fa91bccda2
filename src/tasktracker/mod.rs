//! x
mod context;
mod journal;
mod pool;
mod runner;
mod session;

pub use context::{JobContext, StopCause};
pub use journal::BizLogger;
use journal::Journal;
pub use runner::{JobError, JobResult, JobRunner, RawRun, RawRunner};
