//! How runs move: made, ripened, taken back, ended. Each function is one step that several commands share.

pub(super) mod alive;
pub(super) mod by_hand;
pub(super) mod end;
pub(super) mod feedback;
pub(super) mod hold;
pub(super) mod instant;
pub(super) mod revision;
pub(super) mod ripen;
pub(super) mod start;
pub(super) mod take_back;
