//! A command line of any words: understood, or refused with what would be right.

use clap::Parser;

use super::Cli;

/// Words, each ended by a line's end.
pub(crate) fn command_line(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = Cli::try_parse_from(std::iter::once("raftsman").chain(text.lines())) {
        assert!(!error.to_string().is_empty(), "refused without a reason");
    }
}
