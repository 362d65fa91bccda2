//! `jst fuzz`: strangers at both ports of a live node, and what it must still be afterwards.
//!
//! It lives, has not panicked, runs a job as quickly as before, gives back the memory and the files that the strangers made
//! it take, and told each whole call that it refused why. What a stranger cannot reach, the consensus behind a peer's
//! envelope, is not tried here but by the targets of `jepsen-style-tests/fuzz`.

mod attacks;
mod calls;
mod frames;
mod node;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use tokio::time::{Instant, sleep};

use attacks::Attack;
use calls::{Answers, CLIENT_METHODS, PEER_METHODS};
use node::{Footprint, Node};

/// Attacks at a time.
const STRANGERS: usize = 4;
/// What the process may keep beyond what it had after a first round of all attacks: the allocator's caches, the layers of
/// the state, RocksDB's tables.
const MEMORY_KEPT_MAX: u64 = 64 << 20;
/// Files that it may hold beyond those that it had: tables of RocksDB come and go.
const FILES_KEPT_MAX: usize = 16;
/// How long it may take to give back what it took.
const SETTLE: Duration = Duration::from_secs(15);

/// Tries both ports of a live node with what no client sends: exit code 0 if it bears it.
#[derive(clap::Args, Debug)]
pub(crate) struct Fuzz {
    /// Seconds of attacks.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// What all choices are drawn from; chance unless told.
    #[arg(long)]
    seed: Option<u64>,
    /// The product.
    #[arg(long, env = "JST_BINARY")]
    pub(crate) binary: Option<PathBuf>,
    /// Where the node keeps its data and its log; it must not be there yet.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Its client port; the peer port is the next one.
    #[arg(long, default_value_t = 17_870)]
    port: u16,
}

/// A port and what it offers.
#[derive(Clone, Debug)]
struct Target {
    address: String,
    methods: &'static [&'static str],
}

/// What was done and seen.
#[derive(Debug, Default)]
struct Report {
    attacks: BTreeMap<Attack, u64>,
    answers: Answers,
    /// The longest that a job of ours took meanwhile.
    slowest_job: Duration,
    /// Jobs of ours that did not end in time while the attacks lasted.
    starved: u64,
    wrong: Vec<String>,
}

impl Fuzz {
    /// Says whether the node bore it.
    ///
    /// # Errors
    /// If it cannot be tried.
    pub(crate) async fn run(&self, binary: &Path) -> anyhow::Result<bool> {
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
        println!("jst fuzz --seconds {} --seed {seed}", self.seconds);
        let dir = self.dir.clone().unwrap_or_else(|| PathBuf::from(format!("runs/fuzz-{seed}")));
        anyhow::ensure!(!dir.exists(), "{} is there already", dir.display());
        let mut node = Node::start(binary, &dir, self.port).await?;
        let mut random = Rng::with_seed(seed);
        let mut report = Report::default();
        let targets = node.targets();
        for attack in Attack::ALL {
            for target in &targets {
                report.one(attack, target, &mut random).await;
            }
        }
        let before = settled(&node, None).await?;
        let end = Instant::now() + Duration::from_secs(self.seconds);
        while Instant::now() < end && node.lives() {
            report.round(&node, &targets, &mut random).await;
        }
        report.judge(&mut node, before).await?;
        report.print();
        if report.wrong.is_empty() && self.dir.is_none() {
            std::fs::remove_dir_all(&dir).context("the node's directory cannot be removed")?;
        }
        Ok(report.wrong.is_empty())
    }
}

impl Node {
    fn targets(&self) -> [Target; 2] {
        [
            Target { address: self.client.clone(), methods: CLIENT_METHODS },
            Target { address: self.peer.clone(), methods: PEER_METHODS },
        ]
    }
}

/// What the process holds when it holds little again: at most `enough`, or whatever there is after [`SETTLE`].
async fn settled(node: &Node, enough: Option<Footprint>) -> anyhow::Result<Footprint> {
    let begun = Instant::now();
    loop {
        sleep(Duration::from_secs(1)).await;
        let now = node.footprint()?;
        let fits =
            enough.is_some_and(|most| now.memory_bytes <= most.memory_bytes && now.files <= most.files);
        if fits || begun.elapsed() >= SETTLE || (enough.is_none() && begun.elapsed() >= SETTLE / 3) {
            return Ok(now);
        }
    }
}

impl Report {
    /// Some strangers at once, and a client of ours beside them.
    async fn round(&mut self, node: &Node, targets: &[Target], random: &mut Rng) {
        let stranger = |mut random: Rng| {
            let attack = *random.choice(Attack::ALL.as_slice()).expect("there are attacks");
            let target = random.choice(targets).expect("there are two ports").clone();
            async move { (attack, attack.launch(&target, &mut random).await) }
        };
        let strangers: Vec<_> = (0..STRANGERS).map(|_| tokio::spawn(stranger(random.fork()))).collect();
        let task = format!("beside-{}", random.u64(..));
        match node.run_a_job(&task).await {
            Ok(took) => self.slowest_job = self.slowest_job.max(took),
            Err(_) => self.starved += 1,
        }
        for stranger in strangers {
            match stranger.await {
                Ok((attack, answers)) => self.note(attack, answers),
                Err(error) => self.wrong.push(format!("an attack did not end: {error}")),
            }
        }
    }

    async fn one(&mut self, attack: Attack, target: &Target, random: &mut Rng) {
        let answers = attack.launch(target, random).await;
        self.note(attack, answers);
    }

    fn note(&mut self, attack: Attack, answers: Answers) {
        *self.attacks.entry(attack).or_default() += 1;
        self.answers.add(answers);
    }

    async fn judge(&mut self, node: &mut Node, before: Footprint) -> anyhow::Result<()> {
        self.wrong.extend(node.panics()?.into_iter().map(|line| format!("a panic: {line}")));
        for (method, said) in &self.answers.wrong {
            self.wrong.push(format!("{method} was refused without a reason: {said}"));
        }
        if !node.lives() {
            self.wrong.push("the node ended".into());
            return Ok(());
        }
        match node.run_a_job("afterwards").await {
            Ok(took) => println!("  a job afterwards took {took:?}"),
            Err(error) => self.wrong.push(format!("a job afterwards: {error:#}")),
        }
        let most = Footprint {
            memory_bytes: before.memory_bytes + MEMORY_KEPT_MAX,
            files: before.files + FILES_KEPT_MAX,
        };
        let after = settled(node, Some(most)).await?;
        let mib = |bytes: u64| bytes >> 20;
        println!(
            "  memory {} MiB before, {} MiB after (at most {}); files {} before, {} after (at most {})",
            mib(before.memory_bytes),
            mib(after.memory_bytes),
            mib(most.memory_bytes),
            before.files,
            after.files,
            most.files
        );
        if after.memory_bytes > most.memory_bytes || after.files > most.files {
            self.wrong.push(format!("it keeps what strangers made it take: {after:?} after {before:?}"));
        }
        Ok(())
    }

    fn print(&self) {
        let counted: Vec<String> = self.attacks.iter().map(|(attack, n)| format!("{attack:?} {n}")).collect();
        println!("  {} attacks: {}", self.attacks.values().sum::<u64>(), counted.join(", "));
        let counted: Vec<String> =
            self.answers.by_code.iter().map(|(code, n)| format!("{code} {n}")).collect();
        println!("  answers to whole calls: {}", counted.join(", "));
        println!("  jobs of ours meanwhile: slowest {:?}, not in time {}", self.slowest_job, self.starved);
        self.wrong.iter().for_each(|what| println!("  WRONG: {what}"));
        println!("{}", if self.wrong.is_empty() { "borne" } else { "NOT BORNE" });
    }
}
