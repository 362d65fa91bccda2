//! Tests of the store as a whole: openraft's suite, SIGKILL, torn logs, snapshots.

/// The seed of a random test: printed, and taken from `SEED` to run one again.
pub(super) fn seed(test: &str) -> u64 {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("{test}: SEED={seed}");
    seed
}
