//! A request's way to an endpoint.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{
    HeaderValue, Request, Response, Uri, Version, header,
    uri::{Authority, PathAndQuery},
};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tower::Service;
use tracing::debug;

use crate::{
    Answer, BoxError, Dns, Error, Limits, Resolve, Settings,
    cluster::{Choice, Cluster, Flight},
    error::with_causes,
    follow,
    outlier::Outcome,
    pool::{Body, NoConnection},
};

/// How many endpoints are tried, when no connection can be made. (Istio's default, too: two retries after
/// `connect-failure`, on other hosts.)
const ATTEMPTS: usize = 3;

/// A client of one upstream. Clones share its connections and what is known of its endpoints.
///
/// Requests go to the endpoint's path alone; `Host` is the upstream's, unless the request has one. Hop-by-hop headers
/// are the caller's to remove.
#[derive(Clone)]
pub struct Breaker {
    authority: Authority,
    cluster: Arc<Cluster>,
    /// Started with the first request; the last clone ends them.
    background: Arc<OnceLock<[AbortOnDropHandle<()>; 2]>>,
}

/// Why an attempt failed.
enum Failure {
    /// Nothing was sent, for no connection could be made: here is the request, for another endpoint.
    Unreachable(Box<Request<Body>>, String),
    /// There is no other way.
    Final(Error),
}

impl Breaker {
    /// A client of the upstream at `authority`, whose endpoints are the addresses of that name. `name` stands in logs
    /// and metrics.
    pub fn new(name: &'static str, authority: Authority, settings: Settings, limits: Limits) -> Self {
        let dns = Dns::new(&authority);
        Self::with_resolver(name, authority, settings, limits, dns)
    }

    /// As [`Self::new`], with endpoints from elsewhere.
    pub fn with_resolver(
        name: &'static str,
        authority: Authority,
        settings: Settings,
        limits: Limits,
        resolver: impl Resolve,
    ) -> Self {
        let cluster = Arc::new(Cluster::new(name, settings, limits, Box::new(resolver)));
        Self { authority, cluster, background: Arc::default() }
    }

    /// Sends a request, whose answer's head has to be here by the deadline. To be called within a Tokio runtime.
    ///
    /// When no connection can be made other endpoints are tried. What may have been sent is not sent again.
    ///
    /// # Errors
    /// See [`Error`]. After the deadline it is [`Error::Timeout`] if anything may have been sent, and otherwise
    /// [`Error::Unreachable`].
    pub async fn send<B>(&self, request: Request<B>, deadline: Instant) -> Result<Response<Answer>, Error>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.background.get_or_init(|| {
            let spawn = |task: BoxFuture<'static, ()>| AbortOnDropHandle::new(tokio::spawn(task));
            let cluster = || Arc::clone(&self.cluster);
            [spawn(Box::pin(follow::follow(cluster()))), spawn(Box::pin(follow::sweep(cluster())))]
        });
        let mut request = self.outgoing(request.map(|body| body.map_err(Into::into).boxed_unsync()));
        let following = &self.cluster.following;
        following.known(deadline.min(Instant::now() + self.cluster.limits.connect)).await;
        let mut tried: Vec<SocketAddr> = vec![];
        let mut reason = "it has no endpoints".to_owned();
        while tried.len() < ATTEMPTS {
            let flight = match self.choose(&tried, deadline).await {
                Choice::Endpoint(flight) => flight,
                Choice::Ejected if tried.is_empty() => return Err(Error::Ejected),
                Choice::Ejected | Choice::Nowhere => break,
            };
            tried.push(flight.pool().address());
            match self.attempt(flight, request, deadline).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Unreachable(unsent, why)) => {
                    following.want();
                    debug!(upstream = self.cluster.name, endpoint = ?tried.last(), %why, "cannot connect");
                    (request, reason) = (*unsent, why);
                }
            }
        }
        Err(Error::Unreachable(reason))
    }

    /// Chooses an endpoint; if there is none left it looks for new ones.
    async fn choose(&self, tried: &[SocketAddr], deadline: Instant) -> Choice {
        match self.cluster.choose(tried) {
            Choice::Nowhere => {
                let limit = Instant::now() + self.cluster.limits.connect;
                self.cluster.following.renewed(deadline.min(limit)).await;
                self.cluster.choose(tried)
            }
            choice => choice,
        }
    }

    async fn attempt(
        &self,
        flight: Flight,
        mut request: Request<Body>,
        deadline: Instant,
    ) -> Result<Response<Answer>, Failure> {
        let limit = self.cluster.limits.response;
        loop {
            let connecting = flight.pool().connection(&self.cluster.pending);
            let mut connection = match timeout_at(deadline, connecting).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(NoConnection::Overflow)) => {
                    // This says nothing of the endpoint: `Filter::onUpstreamReset` in
                    // https://github.com/envoyproxy/envoy/blob/main/source/common/router/router.cc.
                    self.cluster.overflows.increment(1);
                    return Err(Failure::Final(Error::Overflow));
                }
                Ok(Err(NoConnection::Failed(why))) => {
                    flight.report(Outcome::Failure);
                    return Err(Failure::Unreachable(Box::new(request), why));
                }
                Err(_) => return Err(Failure::Final(Error::Unreachable(format!("no connection within {limit:?}")))),
            };
            let is_new = connection.is_new();
            let mut error = match timeout_at(deadline, connection.sender.try_send_request(request)).await {
                Ok(Ok(answer)) => {
                    let failed = answer.status().is_server_error();
                    flight.report(if failed { Outcome::Failure } else { Outcome::Success });
                    flight.pool().give_back(connection);
                    return Ok(answer.map(|body| Answer::new(body, flight)));
                }
                Ok(Err(error)) => error,
                Err(_) => {
                    flight.report(Outcome::Failure);
                    return Err(Failure::Final(Error::Timeout(limit)));
                }
            };
            match error.take_message() {
                // The connection ended before the request's first byte. One that was idle may do so at any time; each
                // is tried once, and then a new one is made.
                Some(unsent) if !is_new => request = unsent,
                Some(unsent) => {
                    flight.report(Outcome::Failure);
                    return Err(Failure::Unreachable(Box::new(unsent), with_causes(&error.into_error())));
                }
                None => {
                    let error = error.into_error();
                    return Err(Failure::Final(if error.is_user() {
                        Error::Body(error)
                    } else {
                        flight.report(Outcome::Failure);
                        Error::Broken(with_causes(&error))
                    }));
                }
            }
        }
    }

    /// The request as it is written to a connection.
    fn outgoing(&self, mut request: Request<Body>) -> Request<Body> {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        *request.version_mut() = Version::HTTP_11;
        // An authority's characters are a header's value's, too.
        if let Ok(host) = HeaderValue::from_str(self.authority.as_str()) {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        request
    }
}

impl<B> Service<Request<B>> for Breaker
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Answer>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Answer>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Whether there is room shows with the endpoint's choice only.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (breaker, deadline) = (self.clone(), Instant::now() + self.cluster.limits.response);
        Box::pin(async move { breaker.send(request, deadline).await })
    }
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Breaker").field("upstream", &self.cluster.name).finish_non_exhaustive()
    }
}
