//! The levels of lines in the job log, as they are said on the command line.

use clap::ValueEnum;

use crate::domain::BizLogLevel;
use crate::wire::pb;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl From<Level> for BizLogLevel {
    fn from(level: Level) -> BizLogLevel {
        match level {
            Level::Debug => BizLogLevel::Debug,
            Level::Info => BizLogLevel::Info,
            Level::Warn => BizLogLevel::Warn,
            Level::Error => BizLogLevel::Error,
        }
    }
}

impl From<Level> for pb::LogLevel {
    fn from(level: Level) -> pb::LogLevel {
        match level {
            Level::Debug => pb::LogLevel::Debug,
            Level::Info => pb::LogLevel::Info,
            Level::Warn => pb::LogLevel::Warn,
            Level::Error => pb::LogLevel::Error,
        }
    }
}
