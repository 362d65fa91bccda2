//! A JobTracker loses its disk. It comes back as somebody without a vote, and is put back into the cluster by hand.

use std::time::Duration;

use super::Strike;

const READMIT_PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn run(strike: &Strike) {
    let (node, word) = strike.target().await;
    let begin = async {
        node.kill().await?;
        node.disk.empty().await
    };
    let end = async {
        node.start().await?;
        strike.cluster.admin.readmit(&node, READMIT_PATIENCE).await
    };
    strike.between(word.into(), vec![node.name.clone()], begin, end).await;
}
