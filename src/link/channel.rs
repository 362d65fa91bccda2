//! How a connection to a JobTracker is made.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use super::Address;

/// How long a connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A ping is sent after so long without traffic: only for connections that nobody waits on, see [`super::Target`]. Every
/// TaskTracker has one to each JobTracker, and a ping a second on each of them costs more than all their sessions.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// The connection is dead when a ping is not answered within this.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Several of the largest payloads may be under way on one stream.
const WINDOW_BYTES: u32 = 4 << 20;
/// The largest message that is received: a page of results.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// # Errors
/// If the JobTracker does not accept a connection within a second.
pub(super) async fn connect(address: &Address) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(2 * WINDOW_BYTES);
    endpoint.connect().await
}
