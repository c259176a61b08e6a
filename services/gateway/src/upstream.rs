//! One upstream service as a [`tower::Service`]: forwards a request, streams the response.

use std::{
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use breaker::Breaker;
pub use breaker::{Limits, Settings as BreakerSettings};
use bytes::Bytes;
use http::{
    HeaderName, Method, Request, Response, Uri,
    uri::{PathAndQuery, Scheme},
};
use http_body_util::LengthLimitError;
use tokio::time::Instant;
use tower::Service;

use crate::headers;

/// The header by which a caller makes a request safe to repeat.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request's body on its way.
#[derive(Debug)]
pub enum Outgoing {
    /// All of it (or nothing) is here: it can be sent again.
    Whole(Bytes),
    /// It comes as the caller sends it.
    Stream(Body),
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No connection: nothing was sent.
    #[error("cannot connect: {0}")]
    Unreachable(String),
    /// The queue of requests that wait for a connection is full: nothing was sent.
    #[error("too many requests are waiting")]
    Overflow,
    /// Every endpoint is ejected: nothing was sent.
    #[error("every endpoint is ejected")]
    Ejected,
    /// No response within the limit; what was asked for may have happened.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection ended ahead of the response; what was asked for may have happened.
    #[error("the connection ended before the answer: {0}")]
    Broken(String),
    /// The caller's body is longer than allowed.
    #[error("the request's body is too long")]
    TooLong,
    /// The caller's body could not be read to its end.
    #[error("the request's body ended early: {0}")]
    Body(String),
}

impl ForwardError {
    /// Whether the upstream knows nothing of the request.
    pub fn nothing_was_sent(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Ejected | Self::Overflow)
    }
}

/// An upstream behind a circuit breaker. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Upstream {
    breaker: Breaker,
    response_limit: Duration,
}

impl Upstream {
    /// The upstream at `base`: `http://HOST:PORT`, without a path. `name` stands in logs and metrics.
    ///
    /// # Errors
    /// When `base` is something else.
    pub fn new(name: &'static str, base: &Uri, breaker: BreakerSettings, limits: Limits) -> anyhow::Result<Self> {
        let parts = base.clone().into_parts();
        let path = parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str);
        let (Some(scheme), Some(authority), "/") = (parts.scheme, parts.authority, path) else {
            anyhow::bail!("expected http://HOST:PORT, got {base}");
        };
        anyhow::ensure!(scheme == Scheme::HTTP, "only http is spoken inside the cluster, got {base}");
        Ok(Self { breaker: Breaker::new(name, authority, breaker, limits), response_limit: limits.response })
    }

    async fn forward(self, request: Request<Outgoing>) -> Result<Response<Body>, ForwardError> {
        let deadline = Instant::now() + self.response_limit;
        let (mut parts, body) = request.into_parts();
        headers::remove_hop_by_hop(&mut parts.headers);
        let mut response = match body {
            Outgoing::Stream(body) => self.send(build(&parts, body), deadline).await,
            Outgoing::Whole(bytes) => match self.send(build(&parts, bytes.clone().into()), deadline).await {
                // A server may close a connection just as a request is sent on it.
                Err(ForwardError::Broken(reason)) if repeatable(&parts) => {
                    tracing::debug!(%reason, method = %parts.method, uri = %parts.uri, "asking again");
                    match self.send(build(&parts, bytes.into()), deadline).await {
                        // Of this sending that is true, of the first it is not.
                        Err(error) if error.nothing_was_sent() => Err(ForwardError::Broken(reason)),
                        answer => answer,
                    }
                }
                answer => answer,
            },
        }?;
        headers::remove_hop_by_hop(response.headers_mut());
        Ok(response)
    }

    async fn send(&self, request: Request<Body>, deadline: Instant) -> Result<Response<Body>, ForwardError> {
        let answer = self.breaker.send(request, deadline).await;
        answer.map(|response| response.map(Body::new)).map_err(ForwardError::from)
    }
}

impl Service<Request<Outgoing>> for Upstream {
    type Response = Response<Body>;
    type Error = ForwardError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, ForwardError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ForwardError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Outgoing>) -> Self::Future {
        Box::pin(self.clone().forward(request))
    }
}

/// The request with these parts, without the caller's extensions, which mean nothing to the upstream.
fn build(parts: &http::request::Parts, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    request
}

/// Whether a second sending has the effect of one (RFC 9110, section 9.2.2, or by its key).
fn repeatable(parts: &http::request::Parts) -> bool {
    parts.method.is_idempotent() || (parts.method == Method::POST && parts.headers.contains_key(IDEMPOTENCY_KEY))
}

impl From<breaker::Error> for ForwardError {
    fn from(error: breaker::Error) -> Self {
        match error {
            breaker::Error::Unreachable(reason) => Self::Unreachable(reason),
            breaker::Error::Ejected => Self::Ejected,
            breaker::Error::Overflow => Self::Overflow,
            breaker::Error::Timeout(limit) => Self::Timeout(limit),
            breaker::Error::Broken(reason) => Self::Broken(reason),
            breaker::Error::Body(error) => {
                let causes =
                    std::iter::successors(Some(&error as &(dyn StdError + 'static)), |cause| (*cause).source());
                if causes.clone().any(|cause| cause.is::<LengthLimitError>()) {
                    Self::TooLong
                } else {
                    Self::Body(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
                }
            }
        }
    }
}
