//! A JobTracker gets next to no processor time: it is alive, and late with everything.

use anyhow::Context as _;

use super::Strike;
use crate::throttle::Cpu;

/// Of one core, in percent.
const SHARE: u32 = 10;

pub(super) async fn run(strike: &Strike) {
    let (node, word) = strike.target().await;
    let cpu = Cpu::of(&node.throttle);
    let begin = async {
        let pid = node.pid().await.context("it is not running")?;
        cpu.limit(pid, SHARE)
    };
    let end = async { cpu.free() };
    let detail = format!("{word}: {SHARE} % of a core");
    strike.between(detail, vec![node.name.clone()], begin, end).await;
}
