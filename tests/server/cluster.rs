//! Starts a cluster of real nodes in temporary directories.

use std::time::Duration;

use raftsman::jobtracker::{JobTracker, NodeOptions};
use raftsman::rpc;
use raftsman::wire::pb;
use raftsman::wire::pb::cluster_service_client::ClusterServiceClient;
use raftsman::wire::pb::job_service_client::JobServiceClient;
use tempfile::TempDir;
use tonic::transport::Channel;

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<JobTracker>,
    _dirs: Vec<TempDir>,
}

impl Cluster {
    /// So many nodes, made one cluster, with a leader.
    pub(crate) async fn of(count: usize) -> Cluster {
        let cluster = Cluster::unmade(count).await;
        assert!(!cluster.init().await.already);
        cluster
    }

    /// So many nodes with other options, made one cluster.
    pub(crate) async fn with(count: usize, change: impl Fn(&mut NodeOptions)) -> Cluster {
        let tune = |_, mut options| {
            change(&mut options);
            options
        };
        let cluster = Cluster::unmade_with(count, tune).await;
        assert!(!cluster.init().await.already);
        cluster
    }

    /// So many nodes that are no cluster yet.
    pub(crate) async fn unmade(count: usize) -> Cluster {
        Cluster::unmade_with(count, |_, options| options).await
    }

    /// The same with other options; nodes count from 0.
    pub(crate) async fn unmade_with(
        count: usize,
        tune: impl Fn(usize, NodeOptions) -> NodeOptions,
    ) -> Cluster {
        let mut cluster = Cluster { nodes: Vec::new(), _dirs: Vec::new() };
        for n in 1..=count {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let options = tune(n - 1, NodeOptions::on_loopback(format!("n{n}"), dir.path()));
            let (node, port) = JobTracker::start(options).await.expect("it starts");
            tokio::spawn(rpc::serve(node.clone(), port));
            cluster.nodes.push(node);
            cluster._dirs.push(dir);
        }
        cluster
    }

    /// Makes them one cluster.
    pub(crate) async fn init(&self) -> pb::InitResponse {
        let addresses = self.nodes.iter().map(|node| node.peer_addr().to_string()).collect();
        let mut client = ClusterServiceClient::new(self.channel(0).await);
        client.init(pb::InitRequest { addresses }).await.expect("it is made").into_inner()
    }

    pub(crate) async fn channel(&self, node: usize) -> Channel {
        let address = format!("http://{}", self.nodes[node].client_addr());
        Channel::from_shared(address).expect("an address").connect().await.expect("it listens")
    }

    pub(crate) async fn jobs(&self, node: usize) -> JobServiceClient<Channel> {
        JobServiceClient::new(self.channel(node).await)
    }

    pub(crate) async fn leader(&self) -> usize {
        self.leader_among(&vec![true; self.nodes.len()]).await
    }

    /// The leader, if it is one of those.
    pub(crate) async fn leader_among(&self, those: &[bool]) -> usize {
        let any = those.iter().position(|is| *is).expect("somebody may lead");
        loop {
            let leads = |n: &usize| those[*n] && self.nodes[*n].leader().is_some();
            if let Some(leader) = (0..self.nodes.len()).find(leads) {
                return leader;
            }
            let mut leadership = self.nodes[any].leadership();
            let _ = tokio::time::timeout(Duration::from_millis(20), leadership.changed()).await;
        }
    }

    pub(crate) async fn stop(self) {
        for node in &self.nodes {
            node.shutdown().await;
        }
    }
}
