//! The client of the API server.

use std::time::Duration;

use kube::{
    Client, Config,
    client::{ClientBuilder, retry::RetryPolicy},
};
use tower::{buffer::BufferLayer, retry::RetryLayer, util::option_layer};

use crate::fence::Fence;

/// For opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For sending a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts at a request that the API server is too busy for, growing from the first to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(2));
/// Further attempts at such a request. After them the platform backs off.
const RETRIES: u32 = 3;
/// Requests that wait to be sent.
const QUEUE: usize = 256;

/// A client that gives up soon: kube's own retries wait for minutes, during which a platform would stand still without
/// a word in its status.
///
/// # Errors
/// When the configuration can't be used, such as certificates that can't be read.
pub fn client(config: Config) -> anyhow::Result<Client> {
    build(config, None)
}

/// The same, whose writes go out only while the fence is open.
///
/// # Errors
/// As [`client`].
pub fn fenced(config: Config, fence: &Fence) -> anyhow::Result<Client> {
    build(config, Some(fence))
}

/// A client with the fence next to the wire, behind all waiting.
fn build(mut config: Config, fence: Option<&Fence>) -> anyhow::Result<Client> {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    // Answers to watches are quiet for minutes; single requests have time-outs where they are made.
    config.read_timeout = None;
    config.default_retry = false;
    let policy = RetryPolicy::new(RETRY.0, RETRY.1, RETRIES, false)?;
    // A retry needs a service that can be cloned.
    let client = ClientBuilder::try_from(config)?.with_layer(&option_layer(fence)).with_layer(&BufferLayer::new(QUEUE));
    Ok(client.with_layer(&RetryLayer::new(policy)).build())
}
