//! The timers and sizes of consensus, and the relations between them.
//!
//! Defaults suit a LAN and one box alike. What is refused here would elect without need, or never install a snapshot.

use std::sync::Arc;

use crate::domain::{FieldError, Millis};

/// One lost heartbeat must not elect.
const HEARTBEATS_AN_ELECTION_MIN: u64 = 3;
/// How many entries one append carries; the log store bounds its bytes as well.
const APPEND_ENTRIES: u64 = 300;
/// Purging in steps: range deletions are not free.
const PURGE_ENTRIES: u64 = 1_024;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftConfig {
    /// How often an idle leader says that it leads.
    pub heartbeat: Millis,
    /// A follower that hears nothing for a random time between this and the next wants to lead. The greater one is the
    /// leader's lease as well.
    pub election_timeout_min: Millis,
    pub election_timeout_max: Millis,
    /// Sending and installing a whole snapshot.
    pub snapshot_timeout: Millis,
    /// A snapshot after so many entries, besides those that are asked for by bytes and time.
    pub snapshot_entries: u64,
    /// Entries that stay in the log although a snapshot has them, so that a follower that is briefly away needs none.
    pub keep_entries: u64,
    /// A survivor takes over from a leader whose process is gone, without waiting for timers.
    pub hand_over: bool,
    /// How long the next survivor waits for the one before it.
    pub hand_over_step: Millis,
    /// A learner that is further behind is not promoted.
    pub promote_lag_max: u64,
}

impl Default for RaftConfig {
    fn default() -> RaftConfig {
        RaftConfig {
            heartbeat: Millis::new(100),
            election_timeout_min: Millis::new(500),
            election_timeout_max: Millis::new(1_000),
            snapshot_timeout: Millis::from_secs(600),
            snapshot_entries: 200_000,
            keep_entries: 50_000,
            hand_over: true,
            hand_over_step: Millis::new(50),
            promote_lag_max: 1_000,
        }
    }
}

impl RaftConfig {
    /// # Errors
    /// Each relation that does not hold, with the field that breaks it.
    pub fn check(&self) -> Result<(), Vec<FieldError>> {
        let shortest = self.heartbeat.get().saturating_mul(HEARTBEATS_AN_ELECTION_MIN);
        let rules = [
            (!self.heartbeat.is_zero(), "raft.heartbeat", "must be at least 1ms".to_owned()),
            (
                self.election_timeout_min.get() >= shortest,
                "raft.election_timeout_min",
                format!(
                    "must be at least {HEARTBEATS_AN_ELECTION_MIN} heartbeats, {}",
                    Millis::new(shortest)
                ),
            ),
            (
                self.election_timeout_max > self.election_timeout_min,
                "raft.election_timeout_max",
                format!("must be greater than raft.election_timeout_min, {}", self.election_timeout_min),
            ),
            (
                self.snapshot_timeout >= self.election_timeout_max,
                "raft.snapshot_timeout",
                format!("must be at least raft.election_timeout_max, {}", self.election_timeout_max),
            ),
            (self.snapshot_entries > 0, "raft.snapshot_entries", "must be at least 1".to_owned()),
            (
                !self.hand_over_step.is_zero() && self.hand_over_step < self.election_timeout_min,
                "raft.hand_over_step",
                format!(
                    "must be between 1ms and raft.election_timeout_min, {}; beyond that timers are faster",
                    self.election_timeout_min
                ),
            ),
        ];
        let broken: Vec<FieldError> = rules
            .into_iter()
            .filter(|(holds, _, _)| !holds)
            .map(|(_, field, problem)| FieldError::new(field, problem))
            .collect();
        if broken.is_empty() { Ok(()) } else { Err(broken) }
    }

    /// The same in openraft's words; `check` is stricter than what openraft asks.
    pub(super) fn to_openraft(&self, cluster_name: &str) -> Result<Arc<openraft::Config>, Vec<FieldError>> {
        self.check()?;
        let config = openraft::Config {
            cluster_name: cluster_name.to_owned(),
            heartbeat_interval: self.heartbeat.get(),
            election_timeout_min: self.election_timeout_min.get(),
            election_timeout_max: self.election_timeout_max.get(),
            install_snapshot_timeout: self.snapshot_timeout.get(),
            max_payload_entries: APPEND_ENTRIES,
            snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            // A follower within reach of the kept log is fed from it, never by a snapshot that would not help.
            replication_lag_threshold: self.snapshot_entries.saturating_mul(2),
            max_in_snapshot_log_to_keep: self.keep_entries,
            purge_batch_size: PURGE_ENTRIES,
            enable_pre_vote: Some(true),
            // A restarted leader's tables are behind its log; it must win an election, not resume.
            enable_leader_restore: Some(false),
            ..openraft::Config::default()
        };
        config.validate().map(Arc::new).map_err(|error| vec![FieldError::new("raft", error.to_string())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(change: impl FnOnce(&mut RaftConfig)) -> Vec<String> {
        let mut config = RaftConfig::default();
        change(&mut config);
        let fields = config.to_openraft("test").expect_err("must be refused");
        fields.into_iter().map(|error| error.field.into_owned()).collect()
    }

    #[test]
    fn the_defaults_hold_together() {
        let config = RaftConfig::default().to_openraft("test").expect("the defaults are right");
        assert_eq!((config.heartbeat_interval, config.election_timeout_min), (100, 500));
        assert_eq!(config.enable_leader_restore, Some(false));
        assert_eq!(config.enable_pre_vote, Some(true));
    }

    #[test]
    fn a_broken_relation_names_its_field() {
        assert_eq!(broken(|c| c.heartbeat = Millis::ZERO), ["raft.heartbeat"]);
        assert_eq!(broken(|c| c.heartbeat = Millis::new(200)), ["raft.election_timeout_min"]);
        assert_eq!(broken(|c| c.election_timeout_max = Millis::new(500)), ["raft.election_timeout_max"]);
        assert_eq!(broken(|c| c.snapshot_timeout = Millis::new(200)), ["raft.snapshot_timeout"]);
        assert_eq!(broken(|c| c.snapshot_entries = 0), ["raft.snapshot_entries"]);
        assert_eq!(broken(|c| c.hand_over_step = Millis::new(500)), ["raft.hand_over_step"]);
    }
}
