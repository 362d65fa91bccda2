//! The process dies; its memory is gone, its files are whole.

use super::{Strike, names};

pub(super) async fn run(strike: &Strike) {
    let (nodes, word) = strike.targets().await;
    let begin = async {
        for node in &nodes {
            node.kill().await?;
        }
        Ok(())
    };
    let end = async {
        for node in &nodes {
            node.start().await?;
        }
        Ok(())
    };
    strike.between(word.into(), names(&nodes), begin, end).await;
}
