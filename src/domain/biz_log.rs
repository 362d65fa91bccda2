//! Lines that user code writes about a run; they reach the job log.

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// LTS's levels, and WARN. The order is the stored order: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BizLogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

impl BizLogLevel {
    pub const fn as_str(self) -> &'static str {
        match self {
            BizLogLevel::Debug => "DEBUG",
            BizLogLevel::Info => "INFO",
            BizLogLevel::Warn => "WARN",
            BizLogLevel::Error => "ERROR",
        }
    }
}

/// One line as the TaskTracker's clock saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BizLogLine {
    pub at: Timestamp,
    pub level: BizLogLevel,
    pub text: String,
}
