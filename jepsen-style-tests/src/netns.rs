//! The network of a run: a namespace for each host, and one in the middle through which all packets go. So every rule
//! lives outside the hosts that it cuts, and outside the machine's own network.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::Arc;

use anyhow::Context as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::sync::Mutex;

use crate::command::{feed, run};
use crate::place::Place;

const ROUTER: &str = "router";

/// One end of the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) ip: String,
}

/// Packets from the first host to the second.
pub(crate) type Way = (String, String);

/// The hosts and the rules between them.
#[derive(Debug)]
pub(crate) struct Network {
    hosts: BTreeMap<String, Host>,
    /// How many faults hold each way closed, and at which loss in percent each lossy way is.
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    closed: BTreeMap<Way, u32>,
    lossy: BTreeMap<Way, u8>,
}

impl Network {
    /// Builds the hosts, and moves the calling thread into the router's namespace: it reaches everybody, and no rule
    /// of a partition concerns it. Processes that it starts are there too unless they are told otherwise.
    ///
    /// # Errors
    /// If the machine does not allow it.
    pub(crate) async fn build(place: &Place, names: &[&str]) -> anyhow::Result<Arc<Network>> {
        let router = place.namespace(ROUTER);
        let mut script = format!("netns add {router}\n");
        let mut hosts = BTreeMap::new();
        for (number, name) in (1..).zip(names) {
            let namespace = place.namespace(name);
            let ip = format!("10.77.{number}.2");
            writeln!(script, "netns add {namespace}")?;
            hosts.insert((*name).to_owned(), Host { name: (*name).to_owned(), namespace, ip });
        }
        feed(&["ip", "-batch", "-"], &script).await?;
        for (number, name) in (1..).zip(names) {
            let host = &hosts[*name].namespace;
            let outside = format!(
                "link add name {name} type veth peer name eth0 netns {host}\n\
                 addr add 10.77.{number}.1/30 dev {name}\nlink set {name} up\n"
            );
            feed(&["ip", "-n", &router, "-batch", "-"], &outside).await?;
            let inside = format!(
                "addr add 10.77.{number}.2/30 dev eth0\nlink set eth0 up\nlink set lo up\n\
                 route add default via 10.77.{number}.1\n"
            );
            feed(&["ip", "-n", host, "-batch", "-"], &inside).await?;
        }
        feed(&["ip", "-n", &router, "-batch", "-"], "link set lo up\n").await?;
        enter(&router)?;
        run(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]).await?;
        let network = Network { hosts, rules: Mutex::default() };
        network.write(&Rules::default()).await?;
        Ok(Arc::new(network))
    }

    /// # Panics
    /// If there is no such host.
    pub(crate) fn host(&self, name: &str) -> &Host {
        self.hosts.get(name).expect("hosts are named by the cluster that built them")
    }

    /// Drops all packets on these ways, those of open connections too.
    ///
    /// # Errors
    /// If the rules cannot be changed.
    pub(crate) async fn close(&self, ways: &[Way]) -> anyhow::Result<()> {
        let mut rules = self.rules.lock().await;
        ways.iter().for_each(|way| *rules.closed.entry(way.clone()).or_default() += 1);
        self.write(&rules).await
    }

    /// Opens them again, where no other fault holds them closed.
    ///
    /// # Errors
    /// If the rules cannot be changed.
    pub(crate) async fn open(&self, ways: &[Way]) -> anyhow::Result<()> {
        let mut rules = self.rules.lock().await;
        for way in ways {
            if let Some(holders) = rules.closed.get_mut(way) {
                *holders -= 1;
            }
        }
        rules.closed.retain(|_, holders| *holders > 0);
        self.write(&rules).await
    }

    /// Loses so many percent of the packets on these ways; 0 ends it.
    ///
    /// # Errors
    /// If the rules cannot be changed.
    pub(crate) async fn lose(&self, ways: &[Way], percent: u8) -> anyhow::Result<()> {
        let mut rules = self.rules.lock().await;
        for way in ways {
            rules.lossy.insert(way.clone(), percent);
        }
        rules.lossy.retain(|_, percent| *percent > 0);
        self.write(&rules).await
    }

    /// Opens everything.
    ///
    /// # Errors
    /// If the rules cannot be changed.
    pub(crate) async fn heal(&self) -> anyhow::Result<()> {
        let mut rules = self.rules.lock().await;
        *rules = Rules::default();
        self.write(&rules).await
    }

    /// All rules at once, in one transaction.
    async fn write(&self, rules: &Rules) -> anyhow::Result<()> {
        let mut script = "table ip jst {}\ndelete table ip jst\ntable ip jst {\n chain forward {\n  \
             type filter hook forward priority 0; policy accept;\n"
            .to_owned();
        for (from, to) in rules.closed.keys() {
            writeln!(script, "  iifname \"{from}\" oifname \"{to}\" drop")?;
        }
        for ((from, to), percent) in &rules.lossy {
            writeln!(script, "  iifname \"{from}\" oifname \"{to}\" numgen random mod 100 < {percent} drop")?;
        }
        script.push_str(" }\n}\n");
        feed(&["nft", "-f", "-"], &script).await.map(drop)
    }
}

/// Moves the calling thread, and what it starts from now on, into a namespace.
///
/// # Errors
/// If there is none of this name or the machine does not allow it.
pub(crate) fn enter(namespace: &str) -> anyhow::Result<()> {
    let path = format!("/run/netns/{namespace}");
    let file = File::open(&path).with_context(|| path.clone())?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).with_context(|| path)
}

/// All ways between two sets of hosts, in both directions.
pub(crate) fn both_ways(some: &[String], others: &[String]) -> Vec<Way> {
    let there = one_way(some, others);
    let back = one_way(others, some);
    there.into_iter().chain(back).collect()
}

/// All ways from some hosts to others.
pub(crate) fn one_way(from: &[String], to: &[String]) -> Vec<Way> {
    from.iter().flat_map(|from| to.iter().map(|to| (from.clone(), to.clone()))).collect()
}
