//! Typed payloads: a type carries its wire name, and travels as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The media type of typed payloads and results.
pub const JSON: &str = "application/json";

/// What a job carries. The kind is the type's name on the wire: it stays when the type is renamed.
///
/// ```
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct ShipOrder { order_id: u64 }
/// impl raftsman::Payload for ShipOrder { const KIND: &'static str = "order.ship"; }
/// ```
pub trait Payload: Serialize + DeserializeOwned + Send + 'static {
    /// 1 to 64 printable characters, the same on both sides.
    const KIND: &'static str;
}
