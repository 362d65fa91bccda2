//! A system that is asked nothing: all that it could tell is 0.

use super::Reading;

pub(super) fn read() -> Reading {
    Reading::default()
}
