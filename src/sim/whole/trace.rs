//! One hash over all that happened, so that two runs of a seed can be compared by one number.

use std::sync::Arc;

use parking_lot::Mutex;

const PRIME: u64 = 0x0000_0100_0000_01B3;

#[derive(Debug)]
struct Hash {
    value: u64,
    events: u64,
    /// Prints each event.
    loud: bool,
}

/// Clones are the same trace.
#[derive(Clone, Debug)]
pub(super) struct Trace(Arc<Mutex<Hash>>);

impl Trace {
    pub(super) fn new(loud: bool) -> Trace {
        Trace(Arc::new(Mutex::new(Hash { value: 0xCBF2_9CE4_8422_2325, events: 0, loud })))
    }

    pub(super) fn note(&self, what: &str, numbers: &[u64]) {
        let mut hash = self.0.lock();
        hash.events += 1;
        let bytes = what.bytes().chain(numbers.iter().flat_map(|number| number.to_le_bytes()));
        hash.value = bytes.fold(hash.value, |value, byte| (value ^ u64::from(byte)).wrapping_mul(PRIME));
        if hash.loud {
            eprintln!("{what} {numbers:?}");
        }
    }

    /// The hash so far, and how many events it covers.
    pub(super) fn value(&self) -> (u64, u64) {
        let hash = self.0.lock();
        (hash.value, hash.events)
    }
}
