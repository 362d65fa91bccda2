//! Clients die while they wait for an answer. Nobody knows then what became of their requests, and who takes over sends
//! them again, to another JobTracker, under the same ids.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Strike;
use crate::cluster::CLIENTS;

pub(super) async fn kill(strike: &Strike) {
    let number = strike.variant(CLIENTS.len());
    let clients = &strike.cluster.clients[number];
    let submitter = &strike.cluster.submitters[number];
    let lived = AtomicBool::new(false);
    let die = async |dead: bool| {
        clients.send_replace(dead);
        if dead {
            lived.store(submitter.kill().await?, Ordering::Relaxed);
        } else if lived.load(Ordering::Relaxed) {
            submitter.start().await?;
        }
        Ok(())
    };
    let detail = "its clients, in the middle of their calls";
    strike.between(detail.into(), vec![CLIENTS[number].into()], die(true), die(false)).await;
}
