//! A rolling restart: each JobTracker is told to stop, and comes back before the next one goes.

use std::time::Duration;

use super::{Strike, names};

const AGREE_PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(strike: &Strike) {
    let cluster = &strike.cluster;
    let begin = async {
        for node in &cluster.nodes {
            node.stop().await?;
            node.start().await?;
            cluster.admin.agree(AGREE_PATIENCE).await?;
        }
        Ok(())
    };
    strike.between("one after another".into(), names(&cluster.nodes), begin, async { Ok(()) }).await;
}
