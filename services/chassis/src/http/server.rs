//! The server of the public API: HTTP/1.1 over TCP, until told to stop.

use std::{
    convert::Infallible,
    io::ErrorKind,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, header::CONNECTION},
};
use hyper::{
    Request,
    body::{Bytes, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, error, warn};

/// How long a request's head may take, from the end of the request before it or from the connection's start. Longer
/// than our own clients keep a connection without use, so that none sends on one that is being closed.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// How long connections without a request stay open in a stop. Who asks once more meanwhile is answered, and told that the
/// connection ends with that; a request that is sent while its connection is being closed would be lost.
const LINGER: Duration = Duration::from_secs(1);

/// How much is read of a head, or ahead of a body, in bytes. A head that is longer, by at most as much again since that
/// much may come at once, is refused. It is room for the longest URI that hyper takes (64 KiB) and as many headers.
const BUFFER: usize = 128 * 1024;

/// Serves `routes` until `stopping`; then no connection is taken, and those that are open have `limit` to finish what
/// they have begun, and a moment to begin what was on its way. What is left after it is cut off: a caller who sends half a head does not hold up the stop.
pub(crate) async fn serve(listener: TcpListener, routes: Router, stopping: CancellationToken, limit: Duration) {
    let mut connections = JoinSet::new();
    let linger = LINGER.min(limit / 2);
    loop {
        tokio::select! {
            () = stopping.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, caller)) => {
                    connections.spawn(serve_connection(stream, caller, routes.clone(), stopping.clone(), linger));
                }
                Err(error) => not_accepted(&error).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, finished).await.is_err() {
        warn!(connections = connections.len(), ?limit, "connections that did not finish in time are cut off");
        connections.shutdown().await;
    }
}

async fn serve_connection(
    stream: TcpStream,
    caller: SocketAddr,
    routes: Router,
    stopping: CancellationToken,
    linger: Duration,
) {
    // Without it a small answer may wait for the acknowledgement of the one before.
    if let Err(error) = stream.set_nodelay(true) {
        warn!(%error, "cannot set TCP_NODELAY");
    }
    let is_last = stopping.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let is_last = is_last.clone();
        let ended = Arc::new(AtomicBool::new(hyper::body::Body::is_end_stream(request.body())));
        let mut request = request.map(|body| Body::new(Followed { body, ended: Arc::clone(&ended) }));
        // The gateway tells upstreams who asked: requests carry the caller's address.
        request.extensions_mut().insert(ConnectInfo(caller));
        let answer = routes.clone().oneshot(request);
        async move {
            let mut answer = answer.await?;
            if !ended.load(Ordering::Relaxed) || is_last.is_cancelled() {
                // The connection ends in a stop, and with what is left of a body: who sends the next request on it must be
                // told, or that one is lost.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER);
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    let lingered = async {
        stopping.cancelled().await;
        tokio::time::sleep(linger).await;
    };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = lingered => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!(%error, %caller, "a connection ended early");
    }
}

/// A request's body, and whether it was read to its end.
struct Followed {
    body: Incoming,
    ended: Arc<AtomicBool>,
}

impl hyper::body::Body for Followed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() || self.body.is_end_stream() {
            self.ended.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn not_accepted(error: &std::io::Error) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        // Most often there are too many open files, until some connection ends.
        error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::Notify,
        task::JoinHandle,
        time::Instant,
    };

    use super::*;

    const LIMIT: Duration = Duration::from_millis(500);

    async fn start(routes: Router, stopping: &CancellationToken) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (address, tokio::spawn(serve(listener, routes, stopping.clone(), LIMIT)))
    }

    async fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    async fn read_to_end(mut stream: TcpStream) -> String {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn what_is_on_its_way_when_it_stops_is_answered_and_is_the_last() {
        let stopping = CancellationToken::new();
        let (address, server) = start(Router::new().route("/", get(|| async { "well" })), &stopping).await;
        let mut open = send(address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut answer = vec![0; 1024];
        let length = open.read(&mut answer).await.unwrap();
        let first = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(first.starts_with("HTTP/1.1 200 ") && !first.contains("connection: close"), "{first}");
        stopping.cancel();
        // The server knows of the stop ahead of the request.
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        open.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let last = read_to_end(open).await;
        assert!(last.starts_with("HTTP/1.1 200 ") && last.contains("connection: close\r\n"), "{last}");
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_waits_for_what_has_begun_and_for_nothing_idle() {
        static BEGUN: Notify = Notify::const_new();
        let slow = get(|ConnectInfo(caller): ConnectInfo<SocketAddr>| async move {
            BEGUN.notify_one();
            tokio::time::sleep(LIMIT / 5).await;
            caller.to_string()
        });
        let stopping = CancellationToken::new();
        let (address, server) = start(Router::new().route("/slow", slow), &stopping).await;
        let mut idle = send(address, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
        let begun = send(address, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let caller = begun.local_addr().unwrap().to_string();
        BEGUN.notified().await;
        let start = Instant::now();
        stopping.cancel();
        let answer = read_to_end(begun).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&caller), "{answer}");
        server.await.unwrap();
        assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
        assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    }

    #[tokio::test]
    async fn a_head_beyond_the_limit_is_refused_even_when_it_comes_at_once() {
        let stopping = CancellationToken::new();
        let (address, _server) = start(Router::new(), &stopping).await;
        let head = |length| format!("GET / HTTP/1.1\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(length));
        let answer = read_to_end(send(address, &head(BUFFER / 2)).await).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server closes before the last byte; the answer may be lost with what it did not read.
        let _ = stream.write_all(head(2 * BUFFER).as_bytes()).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test]
    async fn an_answer_says_when_the_rest_of_a_body_ends_the_connection() {
        let whole = axum::routing::post(|body: Bytes| async move { body.len().to_string() });
        let none = axum::routing::post(|| async { "no interest" });
        let stopping = CancellationToken::new();
        let (address, _server) = start(Router::new().route("/whole", whole).route("/none", none), &stopping).await;
        let head =
            |path: &str, more: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{more}\r\n");
        // With half of it sent, the server waits no longer than for its answer.
        let answer = read_to_end(send(address, &(head("/none", "") + "he")).await).await;
        assert!(answer.contains("connection: close\r\n") && answer.ends_with("no interest"), "{answer}");
        let both = head("/whole", "") + "hello" + &head("/whole", "Connection: close\r\n") + "again";
        let answers = read_to_end(send(address, &both).await).await;
        assert_eq!(answers.matches("200 OK").count(), 2, "{answers}");
        assert_eq!(answers.matches("connection: close").count(), 1, "{answers}");
    }

    #[tokio::test]
    async fn what_does_not_finish_is_cut_off() {
        let stopping = CancellationToken::new();
        let (address, server) = start(Router::new(), &stopping).await;
        let silent = send(address, "").await;
        let half_a_head = send(address, "GET / HTTP/1.1\r\nHost: a").await;
        // Connections are taken in sequence: with this one answered, both others are open.
        let last = send(address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(read_to_end(last).await.starts_with("HTTP/1.1 404 "));
        let start = Instant::now();
        stopping.cancel();
        server.await.unwrap();
        assert!(start.elapsed() >= LIMIT && start.elapsed() < LIMIT * 10, "{:?}", start.elapsed());
        for stream in [silent, half_a_head] {
            assert_eq!(read_to_end(stream).await, "");
        }
    }
}
