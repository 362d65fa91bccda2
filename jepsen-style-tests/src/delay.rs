//! Late packets, where the kernel has no netem: the router queues them for this program, which lets them go later.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use nfq::{Message, Queue, Verdict};

use crate::command::run;
use crate::stamp::monotonic_ns;

const QUEUE: u16 = 0;
/// How long the loop rests when there is nothing to do. It cannot wait for the next packet instead: the queue has neither
/// a receive with a timeout nor a descriptor to poll, and a receive that blocks would hold back the packets that are due
/// and hear nothing of the end.
const REST: Duration = Duration::from_micros(300);

/// Each packet waits `base_ms` and up to `jitter_ms` more, so packets overtake one another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delay {
    pub(crate) base_ms: u64,
    pub(crate) jitter_ms: u64,
    pub(crate) seed: u64,
}

/// A delay under way.
#[derive(Debug)]
pub(crate) struct Delaying {
    stop: Arc<AtomicBool>,
    rules: Vec<Vec<String>>,
}

impl Delay {
    /// Delays all packets from and to these hosts. To be called in the router's namespace.
    ///
    /// # Errors
    /// If the machine does not allow it.
    pub(crate) async fn start(self, hosts: &[String]) -> anyhow::Result<Delaying> {
        let mut queue = Queue::open().context("cannot open the packet queue")?;
        queue.bind(QUEUE).context("cannot bind the packet queue")?;
        queue.set_nonblocking(true);
        let stop = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&stop);
        std::thread::Builder::new().name("delay".into()).spawn(move || self.serve(queue, &ending))?;
        let mut delaying = Delaying { stop, rules: Vec::new() };
        for host in hosts {
            for side in ["-i", "-o"] {
                let rule = ["FORWARD", side, host, "-j", "NFQUEUE", "--queue-num", "0", "--queue-bypass"];
                let rule: Vec<String> = rule.map(str::to_owned).into();
                change("-A", &rule).await?;
                delaying.rules.push(rule);
            }
        }
        Ok(delaying)
    }

    #[expect(clippy::disallowed_methods, reason = "a thread of its own that polls a socket may sleep")]
    fn serve(self, mut queue: Queue, stop: &AtomicBool) {
        let mut rng = Rng::with_seed(self.seed);
        let mut held: BinaryHeap<Reverse<Held>> = BinaryHeap::new();
        let mut number = 0;
        while !stop.load(Ordering::SeqCst) || !held.is_empty() {
            let mut busy = false;
            while let Ok(message) = queue.recv() {
                let wait_us = self.base_ms * 1000 + rng.u64(..=self.jitter_ms * 1000);
                number += 1;
                held.push(Reverse(Held { until_ns: monotonic_ns() + wait_us * 1000, number, message }));
                busy = true;
            }
            while held.peek().is_some_and(|first| first.0.until_ns <= monotonic_ns()) {
                if let Some(Reverse(Held { mut message, .. })) = held.pop() {
                    message.set_verdict(Verdict::Accept);
                    // A packet whose host is gone is lost, as packets are.
                    let _ = queue.verdict(message);
                }
                busy = true;
            }
            if !busy {
                std::thread::sleep(REST);
            }
        }
    }
}

impl Delaying {
    /// Lets go what is held, then ends.
    ///
    /// # Errors
    /// If the rules stay.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        for rule in std::mem::take(&mut self.rules) {
            change("-D", &rule).await?;
        }
        Ok(())
    }
}

impl Drop for Delaying {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

async fn change(how: &str, rule: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> =
        ["iptables", "-t", "mangle", how].into_iter().chain(rule.iter().map(String::as_str)).collect();
    run(&words).await.map(drop)
}

struct Held {
    until_ns: u64,
    number: u64,
    message: Message,
}

impl Ord for Held {
    fn cmp(&self, other: &Held) -> std::cmp::Ordering {
        (self.until_ns, self.number).cmp(&(other.until_ns, other.number))
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Held) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Held) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Held {}
