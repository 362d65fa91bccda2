//! The process stands still and wakes up believing what it believed.

use rustix::process::Signal;

use super::{Strike, names};

pub(super) async fn run(strike: &Strike) {
    let (nodes, word) = strike.targets().await;
    let all = |signal| {
        let nodes = &nodes;
        async move {
            for node in nodes {
                node.signal(signal).await;
            }
            Ok(())
        }
    };
    strike.between(word.into(), names(&nodes), all(Signal::STOP), all(Signal::CONT)).await;
}
