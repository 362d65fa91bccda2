//! A configuration file of any bytes: refused with reasons, or settings that are the same when they are written down.

use super::layers::from_text;
use super::{Loaded, resolve};

pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(loaded) = load(text) else { return };
    let again = load(&written(&loaded)).expect("what is effective can be written into a file");
    assert_eq!(again.config, loaded.config, "{text:?}");
}

fn load(text: &str) -> Option<Loaded> {
    match from_text("raftsman.toml", text).and_then(|file| resolve(vec![file])) {
        Ok(loaded) => Some(loaded),
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a reason");
            None
        }
    }
}

/// All settings as a file.
fn written(loaded: &Loaded) -> String {
    let line = |setting: super::Effective| format!("{} = {}\n", setting.key, setting.value);
    loaded.effective().into_iter().map(line).collect()
}
