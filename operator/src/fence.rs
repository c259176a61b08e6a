//! Keeps a process that leads no more from writing.
//!
//! A process can be stopped between any two of its instructions and go on much later, or be cut off from the API server
//! without knowing. So each write is held against the clock right before it is sent: it goes out only as long as nobody
//! else can have taken the Lease. What is left is the time that a request is under way; that does no harm, for updates
//! and deletions name the version that they are about, and an apply says what the leader of a moment ago said.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Instant,
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{Method, Request};
use tower::{BoxError, Layer, Service};

use crate::sync::lock;

/// Until when writes are let through: closed at first. Cheap to clone; all clones are one fence.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<Mutex<Gate>>);

#[derive(Clone, Copy, Debug, Default)]
enum Gate {
    #[default]
    Closed,
    OpenUntil(Instant),
    Open,
}

impl Fence {
    /// One that is open for good, for an operator that is alone.
    #[must_use]
    pub fn open() -> Self {
        Self(Arc::new(Mutex::new(Gate::Open)))
    }

    /// Lets writes through until then.
    pub fn open_until(&self, moment: Instant) {
        *lock(&self.0) = Gate::OpenUntil(moment);
    }

    /// Lets nothing through any more.
    pub fn close(&self) {
        *lock(&self.0) = Gate::Closed;
    }

    /// Whether writes are let through.
    #[must_use]
    pub fn is_open(&self, now: Instant) -> bool {
        match *lock(&self.0) {
            Gate::Closed => false,
            Gate::OpenUntil(moment) => now < moment,
            Gate::Open => true,
        }
    }
}

/// A write came to a fence that was closed.
#[derive(Debug, thiserror::Error)]
#[error("nothing is written any more: the lease could not be renewed, so another operator may lead")]
pub struct Fenced;

impl<S> Layer<S> for Fence {
    type Service = FencedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FencedService { inner, fence: self.clone() }
    }
}

/// A service behind a [`Fence`].
#[derive(Clone, Debug)]
pub struct FencedService<S> {
    inner: S,
    fence: Fence,
}

impl<S, B> Service<Request<B>> for FencedService<S>
where
    S: Service<Request<B>, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.method() != Method::GET && !self.fence.is_open(Instant::now()) {
            return async { Err(Fenced.into()) }.boxed();
        }
        self.inner.call(request).map(|answer| answer.map_err(Into::into)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, time::Duration};

    use tower::{ServiceBuilder, ServiceExt as _};

    use super::*;

    async fn send(fence: &Fence, method: Method) -> Result<Method, BoxError> {
        let echo =
            tower::service_fn(|request: Request<()>| async move { Ok::<_, Infallible>(request.method().clone()) });
        let request = Request::builder().method(method).body(()).unwrap();
        ServiceBuilder::new().layer(fence).service(echo).oneshot(request).await
    }

    #[tokio::test]
    async fn only_reads_get_through_a_closed_fence() {
        let fence = Fence::default();
        let writes = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for write in &writes {
            assert!(send(&fence, write.clone()).await.unwrap_err().is::<Fenced>(), "closed at first");
        }
        fence.open_until(Instant::now() + Duration::from_secs(60));
        for write in &writes {
            assert_eq!(send(&fence, write.clone()).await.unwrap(), write);
        }
        fence.open_until(Instant::now());
        assert!(send(&fence, Method::PATCH).await.unwrap_err().is::<Fenced>());
        assert_eq!(send(&fence, Method::GET).await.unwrap(), Method::GET);
    }
}
