//! JobClients that listen, on the SDK: handlers that write down what they heard, and of which some fail at first.

use std::path::Path;
use std::sync::Arc;

use raftsman::JobClient;
use raftsman::client::Feedback;
use tokio::sync::watch;

use crate::history::Heard;
use crate::netns::enter;
use crate::record::Record;

/// The group of JobClients that hears.
pub(crate) const EARS: &str = "ears";
/// One run in so many fails at first, and one of those again.
const FAILS_ONE_IN: u64 = 4;

/// One JobClient in a namespace of clients.
pub(crate) struct Listener {
    pub(crate) host: &'static str,
    pub(crate) namespace: String,
    /// JobTrackers, with commas between.
    pub(crate) addresses: String,
}

/// Where all of them write.
///
/// # Errors
/// If the file cannot be made.
pub(crate) fn record(kept: &Path) -> anyhow::Result<Arc<Record>> {
    Record::create(&kept.join("heard.jsonl")).map(Arc::new)
}

impl Listener {
    /// Listens on a thread of its own until `stop` says so.
    ///
    /// # Errors
    /// If there can be no thread.
    pub(crate) fn start(
        self,
        record: &Arc<Record>,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<std::thread::JoinHandle<anyhow::Result<()>>> {
        let record = Arc::clone(record);
        let thread = std::thread::Builder::new().name(format!("ear-{}", self.host));
        Ok(thread.spawn(move || self.listen(&record, stop))?)
    }

    fn listen(self, record: &Arc<Record>, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        enter(&self.namespace)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (host, record) = (self.host, Arc::clone(record));
        runtime.block_on(async {
            let builder = JobClient::builder().addresses(self.addresses).identity(format!("ear-{host}"));
            let listen = builder
                .open()?
                .listen(EARS, move |feedback| std::future::ready(handle(host, &record, &feedback)));
            // A run that was given up tells nobody to stop.
            let until = async { drop(stop.wait_for(|stop| *stop).await) };
            Ok(listen.run_until(until).await?)
        })
    }
}

fn handle(host: &str, record: &Record, feedback: &Feedback) -> Result<(), String> {
    let told = feedback.message();
    let chance = xxhash_rust::xxh3::xxh3_64(told.run_id.as_bytes());
    let fails =
        chance.is_multiple_of(FAILS_ONE_IN) && u64::from(told.attempt) <= 1 + chance / FAILS_ONE_IN % 2;
    record.append(|t| Heard {
        t,
        client: host.into(),
        run: told.run_id.clone(),
        job: told.task_id.clone(),
        state: told.state().as_str_name().into(),
        attempt: told.attempt,
        ok: !fails,
    });
    if fails { Err("one of those that fail at first".into()) } else { Ok(()) }
}
