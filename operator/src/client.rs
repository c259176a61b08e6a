//! The client of the API server.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, retry::RetryPolicy},
};
use tower::{BoxError, Service, buffer::BufferLayer, retry::RetryLayer, timeout::TimeoutLayer, util::option_layer};

use crate::fence::Fence;

/// For opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For sending a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// From sending a request to the beginning of its answer, which for a watch is not its first event.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
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
    // Answers to watches are quiet for minutes.
    config.read_timeout = None;
    config.default_retry = false;
    patient(ClientBuilder::try_from(config)?.with_layer(&option_layer(fence)))
}

/// A client over whatever sends its requests: one that is asked again where that helps, and whose answers begin soon, or
/// it fails. kube itself would wait for the beginning of a list for ever.
///
/// # Errors
/// Never with the times that are set here.
pub fn patient<S, B>(sender: ClientBuilder<S>) -> anyhow::Result<Client>
where
    S: Service<Request<Body>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let policy = RetryPolicy::new(RETRY.0, RETRY.1, RETRIES, false)?;
    // A retry needs a service that can be cloned.
    let sender = sender.with_layer(&TimeoutLayer::new(ANSWER_TIMEOUT)).with_layer(&BufferLayer::new(QUEUE));
    Ok(sender.with_layer(&RetryLayer::new(policy)).build())
}
