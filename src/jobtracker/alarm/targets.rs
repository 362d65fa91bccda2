//! The targets, each with a task of its own: it looks for what it has not been told, sends it, and writes down what was
//! sent. The rows are the queue, so nothing is lost in one; a target that does not answer is tried again with growing
//! pauses and holds up no other.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::notice::{Notice, Teller};
use super::options::{AlarmOptions, mail_target};
use super::{MailOptions, TargetView, WebhookOptions, mail, webhook};
use crate::domain::{AlarmTarget, Timestamp};
use crate::jobtracker::JobTracker;
use crate::jobtracker::leader::Lane;
use crate::machine::command::{AlarmTold, AlarmsTold};
use crate::machine::limits::ALARM_CHANGES_MAX;
use crate::machine::{BaseError, Command};

/// How often a target looks although nothing has changed: a silence may be over, or a repetition due.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long after a failure it is tried again, at first and at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(300);
/// How long it may take to write down what was sent; else it is sent again.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Somebody who is told.
#[derive(Debug)]
pub(super) struct Target {
    name: AlarmTarget,
    way: Way,
    state: Mutex<State>,
}

#[derive(Debug)]
enum Way {
    Webhook(WebhookOptions, Duration),
    Mail(MailOptions),
}

#[derive(Debug, Default)]
struct State {
    sent: u64,
    failed: u64,
    error: Option<String>,
}

/// Why a test notification did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    #[error("there is no target of this name; {0}")]
    Unknown(String),
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

pub(super) fn of(options: &AlarmOptions) -> Vec<Arc<Target>> {
    let target = |name, way| Arc::new(Target { name, way, state: Mutex::default() });
    let webhooks = options
        .webhooks
        .iter()
        .map(|webhook| target(webhook.name.clone(), Way::Webhook(webhook.clone(), options.webhook_timeout)));
    let mail = options.mail.iter().map(|mail| target(mail_target(), Way::Mail(mail.clone())));
    webhooks.chain(mail).collect()
}

pub(super) fn start(tracker: &JobTracker) {
    for target in &tracker.alarms().targets {
        tokio::spawn(run(tracker.clone(), Arc::clone(target)));
    }
}

async fn run(tracker: JobTracker, target: Arc<Target>) {
    let mut news = tracker.alarms().news.subscribe();
    let mut failures = 0_u32;
    loop {
        let told = target.tell(&tracker).await;
        let pause = match told {
            Ok(()) => {
                failures = 0;
                LOOK_EVERY
            }
            Err(error) => {
                target.failed(&format!("{error:#}"));
                failures = failures.saturating_add(1);
                pause(failures)
            }
        };
        // News do not hurry a target that fails: it would be hammered in the very storm that it cannot take.
        let woken = async {
            match failures {
                0 => drop(news.changed().await),
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tracker.stopping().cancelled() => return,
            () = woken => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

fn pause(failures: u32) -> Duration {
    RETRY_LAST.min(RETRY_FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))))
}

impl Target {
    /// Tells everything that is owed.
    async fn tell(&self, tracker: &JobTracker) -> anyhow::Result<()> {
        let mut owed = self.owed(tracker)?;
        if owed.is_empty() {
            self.state.lock().error = None;
            return Ok(());
        }
        match &self.way {
            Way::Webhook(webhook, within) => {
                for notice in owed {
                    let body = teller(tracker).body(&notice);
                    webhook::post(webhook, *within, &body).await?;
                    self.sent(tracker, vec![notice]).await?;
                }
            }
            Way::Mail(options) => {
                // An outage is many alarms within a few seconds, and one mail.
                tokio::select! {
                    () = tracker.stopping().cancelled() => return Ok(()),
                    () = tokio::time::sleep(options.batch) => {}
                }
                owed = self.owed(tracker)?;
                if !owed.is_empty() {
                    let (subject, text) = teller(tracker).mail(&owed);
                    mail::send(options, subject, text).await?;
                    self.sent(tracker, owed).await?;
                }
            }
        }
        Ok(())
    }

    /// What this target is to be told: alarms of the cluster by the leader, alarms of a node by that node.
    fn owed(&self, tracker: &JobTracker) -> Result<Vec<Notice>, BaseError> {
        let (now, options) = (tracker.now(), &tracker.options().alarms);
        let (mut alarms, silences) = tracker.look(|machine| JobTracker::alarms_of(machine, now))?;
        if tracker.leader().is_none() {
            alarms.clear();
        }
        alarms.extend(tracker.local_alarms(&silences));
        let hears = |alarm: &super::AlarmView| {
            alarm.silenced_until.is_none() && options.hears(&self.name, alarm.rule)
        };
        let owed = alarms.into_iter().filter(hears).filter_map(|alarm| {
            let owed = alarm.row.owes(&self.name, now, options.repeat_every)?;
            Some(Notice { alarm, owed })
        });
        Ok(owed.take(ALARM_CHANGES_MAX).collect())
    }

    /// Writes down what was sent. Until that is done it may be sent again.
    async fn sent(&self, tracker: &JobTracker, notices: Vec<Notice>) -> anyhow::Result<()> {
        {
            let mut state = self.state.lock();
            state.sent += notices.len() as u64;
            state.error = None;
        }
        let (local, replicated): (Vec<Notice>, Vec<Notice>) =
            notices.into_iter().partition(|notice| notice.alarm.local);
        self.remember_here(tracker, &local);
        let told = |Notice { alarm, owed }: Notice| AlarmTold {
            rule: alarm.rule,
            subject: alarm.subject,
            id: alarm.row.id,
            target: self.name.clone(),
            news: owed.news,
        };
        let told: Vec<AlarmTold> = replicated.into_iter().map(told).collect();
        if !told.is_empty() {
            let command = Command::AlarmsTold(AlarmsTold { told });
            tracker.command(Lane::Drain, command, WRITE_WITHIN).await?;
        }
        Ok(())
    }

    fn remember_here(&self, tracker: &JobTracker, told: &[Notice]) {
        let now: Timestamp = tracker.now();
        let mut rows = tracker.alarms().local.lock();
        for Notice { alarm, owed } in told {
            let place = (alarm.rule, alarm.subject.clone());
            let row = rows.get(&place).and_then(|row| row.tell(alarm.row.id, &self.name, owed.news, now));
            rows.extend(row.map(|row| (place, row)));
        }
    }

    fn failed(&self, error: &str) {
        let mut state = self.state.lock();
        state.failed += 1;
        // Once for each trouble, not for each try.
        if state.error.as_deref() != Some(error) {
            tracing::warn!(target_name = %self.name, error, "a target of alarms cannot be told; it is tried again");
        }
        state.error = Some(error.to_owned());
    }

    pub(super) fn view(&self) -> TargetView {
        let state = self.state.lock();
        let kind = match self.way {
            Way::Webhook(..) => "webhook",
            Way::Mail(_) => "mail",
        };
        let (sent, failed) = (state.sent, state.failed);
        TargetView { name: self.name.clone(), kind, sent, failed, error: state.error.clone() }
    }

    async fn test(&self, tracker: &JobTracker) -> anyhow::Result<()> {
        let teller = teller(tracker);
        match &self.way {
            Way::Webhook(webhook, within) => webhook::post(webhook, *within, &teller.test_body()).await,
            Way::Mail(options) => {
                let (subject, text) = teller.test_mail();
                mail::send(options, subject, text).await
            }
        }
    }
}

fn teller(tracker: &JobTracker) -> Teller {
    let cluster = tracker.raft().identity().cluster().unwrap_or_default();
    Teller { cluster, node: tracker.name().to_owned() }
}

impl JobTracker {
    /// Sends a test notification from this node, at once.
    ///
    /// # Errors
    /// If there is no such target, or it was not reached.
    pub async fn test_alarm_target(&self, name: &str) -> Result<(), TestError> {
        let targets = &self.alarms().targets;
        match targets.iter().find(|target| target.name.as_str() == name) {
            Some(target) => target.test(self).await.map_err(TestError::Failed),
            None if targets.is_empty() => Err(TestError::Unknown("none is configured".into())),
            None => {
                let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
                Err(TestError::Unknown(format!("there are {}", names.join(", "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_grow_and_have_an_end() {
        assert_eq!([1, 2, 3].map(pause), [1, 2, 4].map(Duration::from_secs));
        assert_eq!(pause(u32::MAX), RETRY_LAST);
    }
}
