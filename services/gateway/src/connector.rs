//! Connections to upstreams whose endpoints come and go behind a headless Service's DNS name.
//!
//! Each new connection resolves the name anew (the platform's DNS answers with a TTL of 5 s), picks among the
//! endpoints at random, and knows how long it may be used: load then spreads to added pods within that time, even when
//! no connection is ever idle.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{CaptureConnection, Connected, Connection, HttpConnector, dns::Name},
    rt::TokioIo,
};
use rand::{Rng, seq::SliceRandom};
use tokio::net::TcpStream;
use tower::Service;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Resolves by the system's resolver, in random sequence: the system sorts by its own preference (RFC 6724), which
/// would send everything to one endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shuffled;

impl Service<Name> for Shuffled {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            // The connector puts the URI's port in place of this one.
            let mut addresses: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            addresses.shuffle(&mut rand::rng());
            Ok(addresses.into_iter())
        })
    }
}

/// Connects over TCP.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    inner: HttpConnector<Shuffled>,
    lifetime: Duration,
}

impl Connector {
    /// A connector that gives up after `timeout`, over all of a name's endpoints together, and whose connections are
    /// used for `lifetime` at most.
    pub(crate) fn new(timeout: Duration, lifetime: Duration) -> Self {
        let mut inner = HttpConnector::new_with_resolver(Shuffled);
        inner.set_nodelay(true);
        inner.set_connect_timeout(Some(timeout));
        // A peer that vanished without a word (a lost node) is noticed on streams that only wait, too.
        inner.set_keepalive(Some(Duration::from_secs(15)));
        inner.set_keepalive_interval(Some(Duration::from_secs(5)));
        inner.set_keepalive_retries(Some(3));
        Self { inner, lifetime }
    }
}

impl Service<Uri> for Connector {
    type Response = Dated;
    type Error = <HttpConnector<Shuffled> as Service<Uri>>::Error;
    type Future = BoxFuture<Result<Dated, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        // Spread, so that connections made together do not end together.
        let lifetime = self.lifetime.mul_f64(rand::rng().random_range(0.5..=1.0));
        Box::pin(async move { Ok(Dated { stream: connecting.await?, expiry: Expiry(Instant::now() + lifetime) }) })
    }
}

/// When a connection is no longer to be used.
#[derive(Debug, Clone, Copy)]
struct Expiry(Instant);

/// Takes the captured connection out of use after the request that it carries, if its lifetime is over.
pub(crate) fn retire_if_expired(connection: &CaptureConnection) {
    if let Some(connected) = connection.connection_metadata().as_ref() {
        let mut extensions = http::Extensions::new();
        connected.get_extras(&mut extensions);
        if extensions.get::<Expiry>().is_some_and(|expiry| expiry.0 <= Instant::now()) {
            connected.poison();
        }
    }
}

/// A TCP connection that knows how long it may be used.
#[derive(Debug)]
pub(crate) struct Dated {
    stream: TokioIo<TcpStream>,
    expiry: Expiry,
}

impl Connection for Dated {
    fn connected(&self) -> Connected {
        self.stream.connected().extra(self.expiry)
    }
}

impl Read for Dated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Dated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }
}
