//! Clients die while they wait for an answer. Nobody knows then what became of their requests, and who takes over sends
//! them again, to another JobTracker, under the same ids.

use super::Strike;
use crate::cluster::CLIENTS;

pub(super) async fn kill(strike: &Strike) {
    let number = strike.variant(CLIENTS.len());
    let clients = &strike.cluster.clients[number];
    let die = async |dead: bool| {
        clients.send_replace(dead);
        Ok(())
    };
    let detail = "its clients, in the middle of their calls";
    strike.between(detail.into(), vec![CLIENTS[number].into()], die(true), die(false)).await;
}
