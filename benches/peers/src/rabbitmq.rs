//! RabbitMQ: three nodes and a quorum queue. A quorum queue answers a publisher after a majority has it in a synced log.
//!
//! The documented pattern: persistent messages, publisher confirms that are awaited while more are under way, a prefetch
//! well above what is acknowledged together, and one `multiple` acknowledgement for many deliveries. Both connections are
//! to the node that leads the queue.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use crate::jobs::{Jobs, payload};
use crate::measure::Peer;
use crate::server::{Server, complete, first_line, free_port, program, until_ready};

const NODES: usize = 3;
const QUEUE: &str = "jobs";
const ACK_EVERY: usize = 100;
const PREFETCH: u16 = 2_000;
/// The package's own scripts; those on the search path change to a user of their own.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";

pub(crate) const SETTINGS: &str = "3 nodes, quorum queue of 3 members, defaults; persistent messages, publisher confirms, \
prefetch 2000, one multiple ack per 100, clients at the leader's node";

pub(crate) fn version() -> anyhow::Result<String> {
    anyhow::ensure!(script("rabbitmq-server").is_file(), "rabbitmq-server is not installed");
    let query = "-W -f ${Version} rabbitmq-server";
    let package = first_line(Command::new("dpkg-query").args(query.split(' ')))?;
    Ok(format!("RabbitMQ {package}"))
}

fn script(name: &str) -> PathBuf {
    Path::new(SCRIPTS).join(name)
}

/// How the nodes of one cluster find their files and each other.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    epmd: u16,
    amqp: Vec<u16>,
    distribution: Vec<u16>,
}

impl Place {
    fn command(&self, name: &str, node: usize) -> Command {
        let mut command = Command::new(script(name));
        let at = |what: &str| self.dir.join(format!("n{node}-{what}"));
        command
            .env("HOME", &self.dir)
            .env("ERL_EPMD_PORT", self.epmd.to_string())
            // So the script becomes the server, rather than wait for it.
            .env("RUNNING_UNDER_SYSTEMD", "true")
            .env("RABBITMQ_NODENAME", format!("n{node}@localhost"))
            .env("RABBITMQ_DIST_PORT", self.distribution[node].to_string())
            .env("RABBITMQ_CONF_ENV_FILE", self.dir.join("no-environment"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("no-advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", self.dir.join("enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", at("data"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
        command
    }

    fn write_configuration(&self) -> anyhow::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.dir.join("enabled_plugins"), "[].\n")?;
        std::fs::write(self.dir.join("no-environment"), "")?;
        let cookie = self.dir.join(".erlang.cookie");
        std::fs::write(&cookie, "benchmark")?;
        std::fs::set_permissions(&cookie, std::fs::Permissions::from_mode(0o400))?;
        for (node, port) in self.amqp.iter().enumerate() {
            let mut text = format!("listeners.tcp.1 = 127.0.0.1:{port}\n");
            text.push_str("cluster_formation.peer_discovery_backend = classic_config\n");
            for other in 0..NODES {
                text.push_str(&format!(
                    "cluster_formation.classic_config.nodes.{other} = n{other}@localhost\n"
                ));
            }
            std::fs::write(self.dir.join(format!("n{node}-rabbitmq.conf")), text)?;
        }
        Ok(())
    }
}

pub(crate) struct RabbitMq {
    publisher: Connection,
    consumer: Connection,
    _servers: Vec<Server>,
}

impl RabbitMq {
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<RabbitMq> {
        let mut given = BTreeSet::new();
        let mut ports = |count| (0..count).map(|_| free_port(&mut given)).collect::<anyhow::Result<Vec<_>>>();
        let place =
            Place { dir: dir.into(), epmd: ports(1)?[0], amqp: ports(NODES)?, distribution: ports(NODES)? };
        place.write_configuration()?;
        let epmd = program("epmd", &[]).context("epmd comes with Erlang")?;
        let mut epmd = Command::new(epmd);
        epmd.args(["-port", &place.epmd.to_string(), "-address", "127.0.0.1"]);
        let mut servers = vec![Server::start(&mut epmd, &dir.join("epmd.out"))?];
        for node in 0..NODES {
            let log = dir.join(format!("n{node}.out"));
            servers.push(Server::start(&mut place.command("rabbitmq-server", node), &log)?);
        }
        for port in &place.amqp {
            until_ready("RabbitMQ", &mut servers, async || connect(*port).await.map(drop)).await?;
        }
        // A node may accept clients before it has joined; the queue must have a member on each.
        complete(place.command("rabbitmqctl", 0).args(["await_online_nodes", &NODES.to_string(), "-q"]))?;
        // Declared here, so it is led here.
        let publisher = connect(place.amqp[0]).await?;
        let consumer = connect(place.amqp[0]).await?;
        declare(&publisher.create_channel().await?, QueueDeclareOptions::durable()).await?;
        let columns = ["list_queues", "-q", "--no-table-headers", "members"];
        let members = first_line(place.command("rabbitmqctl", 0).args(columns))?;
        anyhow::ensure!(members.matches('@').count() == NODES, "the queue's members are {members}");
        Ok(RabbitMq { publisher, consumer, _servers: servers })
    }
}

async fn connect(port: u16) -> anyhow::Result<Connection> {
    let address = format!("amqp://guest:guest@127.0.0.1:{port}/%2f");
    Ok(Connection::connect(&address, ConnectionProperties::default()).await?)
}

/// Declares the queue, or with `passive` asks how it is.
async fn declare(channel: &Channel, options: QueueDeclareOptions) -> anyhow::Result<u32> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    Ok(channel.queue_declare(QUEUE.into(), options, arguments).await?.message_count())
}

impl Peer for RabbitMq {
    async fn submit(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let channel = self.publisher.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let persistent = BasicProperties::default().with_delivery_mode(2);
        let mut under_way = VecDeque::new();
        let mut over = false;
        while !over || !under_way.is_empty() {
            while !over && under_way.len() < jobs.under_way() {
                let Some(numbers) = jobs.next(1).await else {
                    over = true;
                    break;
                };
                let body = payload(numbers.start);
                let options = BasicPublishOptions::default();
                let confirm = channel
                    .basic_publish("".into(), QUEUE.into(), options, &body, persistent.clone())
                    .await?;
                under_way.push_back((numbers, confirm));
            }
            if let Some((numbers, confirm)) = under_way.pop_front() {
                anyhow::ensure!(confirm.await?.is_ack(), "a message was not confirmed");
                jobs.acked(numbers)?;
            }
        }
        Ok(channel.close(200, "done".into()).await?)
    }

    async fn work(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let channel = self.consumer.create_channel().await?;
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let options = BasicConsumeOptions::default();
        let mut deliveries =
            channel.basic_consume(QUEUE.into(), "worker".into(), options, FieldTable::default()).await?;
        jobs.worker_is_ready();
        let multiple = BasicAckOptions { multiple: true };
        let (mut held, mut last) = (0, 0);
        loop {
            let delivery = tokio::select! {
                biased;
                delivery = deliveries.next() => delivery.context("the consumer was cancelled")??,
                () = jobs.all_delivered() => break,
            };
            jobs.delivered(&delivery.data)?;
            (held, last) = (held + 1, delivery.delivery_tag);
            if held == ACK_EVERY {
                channel.basic_ack(last, multiple).await?;
                held = 0;
            }
        }
        if held > 0 {
            channel.basic_ack(last, multiple).await?;
        }
        // Acknowledgements have no answer; what comes behind them on the same channel has.
        declare(&channel, QueueDeclareOptions::durable().passive()).await?;
        Ok(channel.close(200, "done".into()).await?)
    }

    async fn left(&self) -> anyhow::Result<u64> {
        // What a closed channel had not acknowledged is ready again.
        let channel = self.consumer.create_channel().await?;
        let left = declare(&channel, QueueDeclareOptions::durable().passive()).await?;
        channel.close(200, "done".into()).await?;
        Ok(left.into())
    }
}
