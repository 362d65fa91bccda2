//! Consensus.

#[cfg(test)]
mod generate;
