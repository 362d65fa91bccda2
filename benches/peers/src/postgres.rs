//! PostgreSQL as a queue: one server, a table, `FOR UPDATE SKIP LOCKED`. One copy of the data, synced at each commit.
//!
//! The documented pattern, with many rows a statement: a submit inserts 500 and notifies; a worker locks 500 rows, does
//! them, deletes them and commits, so that the lock is the lease and a worker that dies gives them back.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

use crate::jobs::{Jobs, payload};
use crate::measure::Peer;
use crate::server::{Server, complete, first_line, free_port, until_ready};

const TOGETHER: usize = 500;
/// Transactions that take jobs, at a time.
const TAKERS: usize = 2;
/// It refuses to run as root.
const USER: &str = "postgres";

pub(crate) const SETTINGS: &str = "1 server, ONE copy; defaults (fsync, synchronous_commit on); 500 rows an insert, 500 rows a \
FOR UPDATE SKIP LOCKED and delete, 2 takers, LISTEN/NOTIFY";

pub(crate) fn version() -> anyhow::Result<String> {
    first_line(Command::new(binary("postgres")?).arg("--version"))
}

/// The newest that is installed.
fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|version| version.path()).max_by_key(|path| number(path));
    let file = newest.map(|version| version.join("bin").join(name));
    file.filter(|file| file.is_file()).context("postgresql is not installed")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// As the user of the package where this is root.
fn command(name: &str) -> anyhow::Result<Command> {
    let binary = binary(name)?;
    if !is_root() {
        return Ok(Command::new(binary));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(binary);
    Ok(command)
}

pub(crate) struct Postgres {
    config: Config,
    _server: Vec<Server>,
}

impl Postgres {
    pub(crate) async fn start(dir: &Path) -> anyhow::Result<Postgres> {
        let port = free_port(&mut BTreeSet::new())?;
        let data = dir.join("data");
        std::fs::create_dir(&data)?;
        if is_root() {
            complete(Command::new("chown").arg(USER).arg(&data))?;
        }
        let initdb = ["--username", USER, "--auth", "trust", "--no-sync", "--pgdata"];
        complete(command("initdb")?.args(initdb).arg(&data).current_dir("/"))?;
        let mut run = command("postgres")?;
        run.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        run.args(["-c", "unix_socket_directories="]).current_dir("/");
        // Its other processes are in groups of their own; told to quit, it ends them first.
        let server = Server::start(&mut run, &dir.join("server.out"))?.ends_by(Signal::QUIT);
        let mut server = vec![server];
        let mut config = Config::new();
        config.host("127.0.0.1").port(port).user(USER).dbname("postgres");
        let (client, _) = until_ready("PostgreSQL", &mut server, async || connect(&config).await).await?;
        client
            .batch_execute("CREATE TABLE job (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload bytea NOT NULL)")
            .await?;
        Ok(Postgres { config, _server: server })
    }
}

/// A connection, and how many notifications it has had.
async fn connect(config: &Config) -> anyhow::Result<(Client, watch::Receiver<u64>)> {
    let (client, mut connection) = config.connect(NoTls).await?;
    let (told, news) = watch::channel(0);
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message, AsyncMessage::Notification(_)) {
                told.send_modify(|count| *count += 1);
            }
        }
    });
    Ok((client, news))
}

impl Peer for Postgres {
    async fn submit(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let together = jobs.under_way().min(TOGETHER);
        let callers = (0..jobs.under_way() / together).map(|_| async move {
            let (client, _) = connect(&self.config).await?;
            let insert = client
                .prepare(
                    "WITH added AS (INSERT INTO job (payload) SELECT unnest($1::bytea[])) SELECT pg_notify('job', '')",
                )
                .await?;
            while let Some(numbers) = jobs.next(together).await {
                let payloads: Vec<Vec<u8>> = numbers.clone().map(payload).collect();
                client.execute(&insert, &[&payloads]).await?;
                jobs.acked(numbers)?;
            }
            anyhow::Ok(())
        });
        futures_util::future::try_join_all(callers).await.map(drop)
    }

    async fn work(&self, jobs: &Jobs) -> anyhow::Result<()> {
        let (listener, news) = connect(&self.config).await?;
        listener.batch_execute("LISTEN job").await?;
        jobs.worker_is_ready();
        let takers = (0..TAKERS).map(|_| take(&self.config, jobs, news.clone()));
        futures_util::future::try_join_all(takers).await.map(drop)
    }

    async fn left(&self) -> anyhow::Result<u64> {
        let (client, _) = connect(&self.config).await?;
        let row = client.query_one("SELECT count(*) FROM job", &[]).await?;
        Ok(u64::try_from(row.get::<_, i64>(0))?)
    }
}

/// Takes, ends and commits, until all are delivered; waits for news where there is nothing.
async fn take(config: &Config, jobs: &Jobs, mut news: watch::Receiver<u64>) -> anyhow::Result<()> {
    let (mut client, _) = connect(config).await?;
    let lock = format!("SELECT id, payload FROM job ORDER BY id LIMIT {TOGETHER} FOR UPDATE SKIP LOCKED");
    let lock = client.prepare(&lock).await?;
    let delete = client.prepare("DELETE FROM job WHERE id = ANY($1)").await?;
    loop {
        news.mark_unchanged();
        let transaction = client.transaction().await?;
        let rows = transaction.query(&lock, &[]).await?;
        for row in &rows {
            jobs.delivered(row.get::<_, &[u8]>(1))?;
        }
        if !rows.is_empty() {
            let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            transaction.execute(&delete, &[&ids]).await?;
        }
        transaction.commit().await?;
        if rows.is_empty() {
            tokio::select! {
                biased;
                () = jobs.all_delivered() => return Ok(()),
                changed = news.changed() => changed.context("the connection that listens has ended")?,
            }
        }
    }
}
