//! The connections of one endpoint.
//!
//! As in Envoy (`ConnPoolImplBase` in
//! <https://github.com/envoyproxy/envoy/blob/main/source/common/conn_pool/conn_pool_base.cc>) a request takes the idle
//! connection that was used last; without one it waits, a new connection is made for it, and it gets whichever is free
//! first. When a connection cannot be made, all who wait here fail.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use metrics::Gauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};
use tower::Service;

use crate::{BoxError, error::with_causes};

/// How long a connection is kept without use: less than our own servers keep it (75 s), so that none is used that is
/// just being closed.
const IDLE: Duration = Duration::from_secs(30);

/// A request's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The requests that wait for a connection to an upstream, over all its endpoints.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    places: Arc<Semaphore>,
    gauge: Gauge,
}

/// A request that waits.
struct Place {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Pending {
    pub(crate) fn new(most: u32, gauge: Gauge) -> Self {
        // More than fit a semaphore is as good as no limit.
        let most = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(most)), gauge }
    }

    fn enter(&self) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        self.gauge.increment(1);
        Some(Place { gauge: self.gauge.clone(), _permit: permit })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gauge.decrement(1);
    }
}

/// A connection, taken for one request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: SendRequest<Body>,
    /// The requests that it carries or has carried.
    requests: u32,
}

impl Connection {
    /// Whether this is its first request.
    pub(crate) fn is_new(&self) -> bool {
        self.requests <= 1
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// Too many wait already.
    Overflow,
    /// It could not be made.
    Failed(String),
}

/// The connections of one endpoint.
#[derive(Debug)]
pub(crate) struct Pool {
    address: SocketAddr,
    connector: HttpConnector,
    /// 0 is no limit.
    max_requests: u32,
    /// Requests from the choice of this endpoint to the end of the answer.
    active: AtomicUsize,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    /// The one that was used last is at the end.
    idle: Vec<(Connection, Instant)>,
    waiting: VecDeque<oneshot::Sender<Result<Connection, String>>>,
    /// Connections being made: never fewer than requests that wait.
    connecting: usize,
    /// The endpoint is gone: no connection is kept.
    closed: bool,
}

/// Makes TCP connections, each within the limit.
pub(crate) fn connector(limit: Duration) -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(limit));
    // A peer that vanished without a word (a lost node) is noticed on streams that only wait, too.
    connector.set_keepalive(Some(Duration::from_secs(15)));
    connector.set_keepalive_interval(Some(Duration::from_secs(5)));
    connector.set_keepalive_retries(Some(3));
    connector
}

impl Pool {
    pub(crate) fn new(address: SocketAddr, connector: HttpConnector, max_requests: u32) -> Self {
        Self { address, connector, max_requests, active: AtomicUsize::new(0), connections: Mutex::default() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn active(&self) -> &AtomicUsize {
        &self.active
    }

    /// A connection for one request, as soon as there is one.
    ///
    /// # Errors
    /// At once when too many wait already; when no connection can be made.
    pub(crate) async fn connection(self: &Arc<Self>, pending: &Pending) -> Result<Connection, NoConnection> {
        let (receiver, _place) = {
            let mut connections = self.lock();
            while let Some((connection, _)) = connections.idle.pop() {
                if connection.sender.is_ready() {
                    return Ok(taken(connection));
                }
            }
            let place = pending.enter().ok_or(NoConnection::Overflow)?;
            let (sender, receiver) = oneshot::channel();
            connections.waiting.push_back(sender);
            if connections.connecting < connections.waiting.len() {
                connections.connecting += 1;
                tokio::spawn(Arc::clone(self).connect());
            }
            (receiver, place)
        };
        match receiver.await {
            Ok(Ok(connection)) => Ok(taken(connection)),
            Ok(Err(reason)) => Err(NoConnection::Failed(reason)),
            // The runtime ends.
            Err(_) => Err(NoConnection::Failed("connecting was given up".to_owned())),
        }
    }

    /// Takes a connection back once its answer's head is here: it is free when the bodies have ended, too.
    pub(crate) fn give_back(self: &Arc<Self>, mut connection: Connection) {
        if self.max_requests != 0 && connection.requests >= self.max_requests {
            // Without its sender a connection closes after the answer that it carries.
            return;
        }
        if connection.sender.is_ready() {
            self.lock().hand_out(connection);
            return;
        }
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            if connection.sender.ready().await.is_ok() {
                pool.lock().hand_out(connection);
            }
        });
    }

    /// Closes the connections that were not used for long.
    pub(crate) fn tidy(&self, now: Instant) {
        self.lock()
            .idle
            .retain(|(connection, since)| !connection.sender.is_closed() && now.duration_since(*since) < IDLE);
    }

    /// Keeps no connections from now on. Requests that are under way come to their end.
    pub(crate) fn close(&self) {
        let mut connections = self.lock();
        connections.closed = true;
        connections.idle.clear();
    }

    async fn connect(self: Arc<Self>) {
        let connected = self.open().await;
        let mut connections = self.lock();
        connections.connecting -= 1;
        match connected {
            Ok(sender) => connections.hand_out(Connection { sender, requests: 0 }),
            Err(reason) => {
                for waiting in connections.waiting.drain(..) {
                    // Who has stopped waiting need not know.
                    let _ = waiting.send(Err(reason.clone()));
                }
            }
        }
    }

    async fn open(&self) -> Result<SendRequest<Body>, String> {
        let uri = Uri::builder().scheme("http").authority(self.address.to_string()).path_and_query("/").build();
        let uri = uri.map_err(|error| error.to_string())?;
        let stream = self.connector.clone().call(uri).await.map_err(|error| with_causes(&error))?;
        let (sender, connection) = http1::handshake(stream).await.map_err(|error| with_causes(&error))?;
        let address = self.address;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(endpoint = %address, %error, "a connection ended early");
            }
        });
        Ok(sender)
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // Nothing is left half-changed where a panic could happen.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Gives a free connection to who has waited longest, or keeps it.
    fn hand_out(&mut self, mut connection: Connection) {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(Ok(connection)) {
                Err(Ok(back)) => connection = back,
                Ok(()) | Err(Err(_)) => return,
            }
        }
        if !self.closed {
            self.idle.push((connection, Instant::now()));
        }
    }
}

fn taken(mut connection: Connection) -> Connection {
    connection.requests = connection.requests.saturating_add(1);
    connection
}
