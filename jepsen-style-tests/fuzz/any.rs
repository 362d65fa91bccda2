//! One program for all targets, chosen by name, so that the product is compiled and linked once.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use raftsman::fuzz::{Target, targets};

/// The target that the environment names.
static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let names: Vec<&str> = targets().iter().map(|target| target.name).collect();
    let target = targets().into_iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("FUZZ_TARGET={name:?} is none of {}", names.join(", ")))
});

fuzz_target!(|data: &[u8]| (TARGET.run)(data));
