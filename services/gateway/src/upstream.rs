//! One upstream service as a [`tower::Service`]: forwards a request, streams the response.

use std::{
    error::Error as StdError,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{
    HeaderName, Method, Request, Response, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::LengthLimitError;
use hyper_util::{
    client::legacy::{Client, connect::capture_connection},
    rt::{TokioExecutor, TokioTimer},
};
use tower::Service;

use crate::{
    connector::{Connector, retire_if_expired},
    headers,
};

/// The header by which a caller makes a request safe to repeat.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long things with an upstream may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Making a connection.
    pub connect: Duration,
    /// From the request to the response's head. Bodies have no limit: event streams last.
    pub response: Duration,
    /// The longest use of one connection.
    pub connection_lifetime: Duration,
}

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

/// An upstream. Clones share their connections.
#[derive(Clone)]
pub struct Upstream {
    authority: Authority,
    client: Client<Connector, Body>,
    response_limit: Duration,
}

impl Upstream {
    /// The upstream at `base`: `http://HOST:PORT`, without a path.
    ///
    /// # Errors
    /// When `base` is something else.
    pub fn new(base: &Uri, limits: Limits) -> anyhow::Result<Self> {
        let parts = base.clone().into_parts();
        let path = parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str);
        let (Some(scheme), Some(authority), "/") = (parts.scheme, parts.authority, path) else {
            anyhow::bail!("expected http://HOST:PORT, got {base}");
        };
        anyhow::ensure!(scheme == Scheme::HTTP, "only http is spoken inside the cluster, got {base}");
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(limits.connection_lifetime)
            .pool_timer(TokioTimer::new())
            .build(Connector::new(limits.connect, limits.connection_lifetime));
        Ok(Self { authority, client, response_limit: limits.response })
    }

    async fn forward(self, request: Request<Outgoing>) -> Result<Response<Body>, ForwardError> {
        let limit = self.response_limit;
        let (mut parts, body) = request.into_parts();
        let mut target = http::uri::Parts::default();
        target.scheme = Some(Scheme::HTTP);
        target.authority = Some(self.authority.clone());
        target.path_and_query = parts.uri.path_and_query().cloned().or(Some(PathAndQuery::from_static("/")));
        // All three parts were valid in a URI before.
        parts.uri = Uri::from_parts(target).map_err(|error| ForwardError::Unreachable(error.to_string()))?;
        parts.version = http::Version::HTTP_11;
        headers::remove_hop_by_hop(&mut parts.headers);

        let answer = async {
            match body {
                Outgoing::Stream(body) => self.send(build(&parts, body)).await,
                Outgoing::Whole(bytes) => match self.send(build(&parts, bytes.clone().into())).await {
                    // A server may close a connection just as a request is sent on it.
                    Err(ForwardError::Broken(reason)) if repeatable(&parts) => {
                        tracing::debug!(%reason, method = %parts.method, uri = %parts.uri, "asking again");
                        self.send(build(&parts, bytes.into())).await
                    }
                    answer => answer,
                },
            }
        };
        let mut response = tokio::time::timeout(limit, answer).await.unwrap_or(Err(ForwardError::Timeout(limit)))?;
        headers::remove_hop_by_hop(response.headers_mut());
        Ok(response)
    }

    async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, ForwardError> {
        let connection = capture_connection(&mut request);
        let answer = self.client.request(request).await;
        retire_if_expired(&connection);
        answer.map(|response| response.map(Body::new)).map_err(|error| classify(&error))
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

/// The request with these parts, without the caller's extensions, which mean nothing to the upstream's client.
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

fn classify(error: &hyper_util::client::legacy::Error) -> ForwardError {
    let causes = || std::iter::successors(Some(error as &(dyn StdError + 'static)), |cause| (*cause).source());
    let text = || causes().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    if causes().any(|cause| cause.is::<LengthLimitError>()) {
        ForwardError::TooLong
    } else if error.is_connect() {
        ForwardError::Unreachable(text())
    } else if causes().filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_user) {
        ForwardError::Body(text())
    } else {
        ForwardError::Broken(text())
    }
}
