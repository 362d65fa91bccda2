//! A FailStore's file as any bytes: what counts of it, counts again.

use super::fail_store::{frames, replay};

/// The whole records of the file, and nothing after the first that is none.
pub(crate) fn fail_store(data: &[u8]) {
    let (live, whole) = replay(data);
    let kept = &data[..usize::try_from(whole).expect("no more than there is")];
    assert_eq!(replay(kept), (live.clone(), whole), "what is cut off did not count");
    let again = frames(&live);
    assert_eq!(replay(&again), (live, again.len() as u64), "a file written anew says the same");
}
