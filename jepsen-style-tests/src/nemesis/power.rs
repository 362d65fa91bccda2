//! Power is lost: the process is gone, and so is everything that no fsync had put on the disk.

use super::{Strike, names};

pub(super) async fn run(strike: &Strike) {
    let (nodes, word) = strike.targets().await;
    let begin = async {
        for node in &nodes {
            node.lose_power().await?;
        }
        Ok(())
    };
    let end = async {
        for node in &nodes {
            node.remount().await?;
        }
        for node in &nodes {
            node.start().await?;
        }
        Ok(())
    };
    strike.between(word.into(), names(&nodes), begin, end).await;
}
