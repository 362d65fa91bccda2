//! What happens, in its order.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use raftsman::JobClient;

use crate::check::check;
use crate::cluster::Cluster;
use crate::effects::Effects;
use crate::faults::{Fault, Struck};
use crate::files::{Sample, gather};
use crate::ledger::{Ledger, all_final_but};
use crate::progress::Progress;
use crate::report;
use crate::workload::Workload;

/// One fault in each part of the work but the last.
const FAULTS: [Fault; 4] =
    [Fault::KillLeader, Fault::KillTaskTracker, Fault::KillLeader, Fault::FreezeLeader];
/// A fault strikes when so much of its part is done.
const STRIKE_AFTER: usize = 10;
/// Longer than all of it takes on a small machine that is busy.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long the last jobs may take after the last submit.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
/// The fewest files that give each fault something to interrupt.
const FILES_MIN: usize = 100;

/// Plays it, and says all that was not as promised.
///
/// # Errors
/// If it could not be played to its end.
pub(crate) async fn play(binary: &Path, directory: &Path, files: usize) -> anyhow::Result<Vec<String>> {
    let samples = gather(files);
    anyhow::ensure!(samples.len() >= FILES_MIN, "only {} files were found or wanted", samples.len());
    let (progress, effects) = (Progress::new(), Effects::default());
    let path = directory.join("effects");
    let shown = tokio::spawn(progress.clone().show(effects.clone(), samples.len()));
    let acted = tokio::select! {
        acted = tokio::time::timeout(PATIENCE, act(binary, directory, &samples, &effects, &progress)) => {
            acted.unwrap_or_else(|_| Err(anyhow::anyhow!("not done after {PATIENCE:?}")))
        }
        failed = effects.follow(&path) => Err(failed),
    };
    shown.abort();
    progress.clear();
    let Played { workload, struck, ledger, mut problems } = acted?;
    report::show(&workload.submitted, &ledger, &effects, &struck);
    problems.extend(check(&workload.submitted, &ledger, &effects));
    report::verdict(&problems, progress.elapsed());
    Ok(problems)
}

/// What was done, and what the ledger says about it.
struct Played {
    workload: Workload,
    struck: Vec<Struck>,
    ledger: Ledger,
    problems: Vec<String>,
}

async fn act(
    binary: &Path,
    directory: &Path,
    samples: &[Sample],
    effects: &Effects,
    progress: &Progress,
) -> anyhow::Result<Played> {
    let mut cluster = Cluster::start(binary, directory, &directory.join("effects"))?;
    progress.say(&format!("started JobTrackers and TaskTrackers at {}", cluster.addresses));
    let (client, leader) = match connect(&cluster).await {
        Ok(connected) => connected,
        Err(error) => {
            let ended = cluster.unexpected_ends().join(", ");
            return Err(error.context(format!("the cluster did not come up ({ended})")));
        }
    };
    progress.leader(&leader);
    progress.say(&format!("a cluster of three; {leader} leads"));
    let mut workload = Workload::new(client.clone(), effects.clone());
    workload.submit_awkward().await?;
    workload.cancel_one_that_runs().await?;
    progress.say(
        "submitted a cron, a repeat, a delayed and a flaky job; cancelled one that waited and one that ran",
    );
    let struck = work(&mut cluster, &client, &mut workload, samples, progress).await?;
    progress.say("all submitted; waiting for the rest");
    all_final_but(&client, &["cron"], SETTLED_WITHIN).await?;
    workload.end_cron().await?;
    all_final_but(&client, &[], SETTLED_WITHIN).await?;
    progress.say("all jobs are final; reading the ledger");
    let ledger = Ledger::read(&client).await?;
    let mut problems = std::mem::take(&mut workload.problems);
    problems.extend(cluster.unexpected_ends());
    problems.extend(cluster.stop().await);
    Ok(Played { workload, struck, ledger, problems })
}

/// Makes the cluster one, and says who leads it.
async fn connect(cluster: &Cluster) -> anyhow::Result<(JobClient, String)> {
    let client = JobClient::builder().addresses(&cluster.addresses).identity("demo").connect().await?;
    cluster.init(&client).await?;
    let leader = cluster.whole(&client).await?;
    Ok((client, leader))
}

/// Submits the files in parts, and strikes in the middle of each but the last.
async fn work(
    cluster: &mut Cluster,
    client: &JobClient,
    workload: &mut Workload,
    samples: &[Sample],
    progress: &Progress,
) -> anyhow::Result<Vec<Struck>> {
    let mut struck = Vec::new();
    let part = samples.len().div_ceil(FAULTS.len() + 1);
    for (index, samples) in samples.chunks(part).enumerate() {
        let effects = workload.effects().clone();
        let begun = effects.count("file");
        let submitting = workload.submit_files(samples);
        let Some(fault) = FAULTS.get(index) else {
            submitting.await?;
            continue;
        };
        let striking = async {
            effects.reach("file", begun + part / STRIKE_AFTER).await;
            fault.strike(cluster, client, progress).await
        };
        let ((), done) = tokio::try_join!(submitting, striking).context("while something was down")?;
        struck.push(done);
    }
    Ok(struck)
}
