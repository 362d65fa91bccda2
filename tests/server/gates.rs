//! Doors between clients and JobTrackers that can be closed: to a client behind them every JobTracker is away.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A place to connect to, which leads to one JobTracker while it is open.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    leads_to: watch::Sender<Option<SocketAddr>>,
    open: Arc<watch::Sender<bool>>,
}

impl Gate {
    pub(crate) async fn new(open: &Arc<watch::Sender<bool>>) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let leads_to = watch::Sender::new(None);
        tokio::spawn(stand(listener, leads_to.subscribe(), open.subscribe()));
        Gate { address, leads_to, open: Arc::clone(open) }
    }

    pub(crate) fn lead_to(&self, jobtracker: SocketAddr) {
        self.leads_to.send_replace(Some(jobtracker));
        self.open.send_replace(true);
    }
}

async fn stand(
    listener: TcpListener,
    leads_to: watch::Receiver<Option<SocketAddr>>,
    open: watch::Receiver<bool>,
) {
    loop {
        let Ok((outside, _)) = listener.accept().await else { return };
        // What comes while it is closed is turned away.
        let jobtracker = leads_to.borrow().filter(|_| *open.borrow());
        if let Some(jobtracker) = jobtracker {
            tokio::spawn(pass(outside, jobtracker, open.clone()));
        }
    }
}

async fn pass(mut outside: TcpStream, jobtracker: SocketAddr, mut open: watch::Receiver<bool>) {
    let Ok(mut inside) = TcpStream::connect(jobtracker).await else { return };
    tokio::select! {
        // Either side may have gone; the other hears of it.
        _ = tokio::io::copy_bidirectional(&mut outside, &mut inside) => {}
        _ = open.wait_for(|open| !open) => {}
    }
}
