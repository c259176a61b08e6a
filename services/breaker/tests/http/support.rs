//! Servers whose behaviour is set, and breakers whose endpoints are.

use std::{
    future::pending,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use breaker::{Answer, BoxError, Breaker, Error, Limits, Resolve, Settings};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinSet,
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

pub(crate) const LIMITS: Limits = Limits { connect: Duration::from_secs(2), response: Duration::from_secs(10) };
/// No ejection ends by itself while a test runs.
pub(crate) const FOR_EVER: Settings = Settings { base_ejection_time: Duration::from_secs(3600), ..Settings::DEFAULT };

/// An HTTP server; it and its connections end with this.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    events: UnboundedSender<&'static str>,
    _task: AbortOnDropHandle<()>,
}

struct State {
    status: AtomicU16,
    connections: AtomicUsize,
    open: AtomicUsize,
    requests: AtomicUsize,
    events: Mutex<Option<UnboundedReceiver<&'static str>>>,
}

impl Server {
    /// Answers everything with this status; see [`respond`] for the other paths.
    pub(crate) async fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (events, receiver) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            status: status.into(),
            connections: AtomicUsize::default(),
            open: AtomicUsize::default(),
            requests: AtomicUsize::default(),
            events: Mutex::new(Some(receiver)),
        });
        let address = listener.local_addr().unwrap();
        let task = AbortOnDropHandle::new(tokio::spawn(serve(listener, Arc::clone(&state))));
        Self { address, state, events, _task: task }
    }

    pub(crate) fn answer(&self, status: u16) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Connections that have not ended.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// Sends to the one who asks for `/events`; [`BREAK`] breaks that off.
    pub(crate) fn event(&self, data: &'static str) {
        self.events.send(data).unwrap();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        state.connections.fetch_add(1, Ordering::SeqCst);
        state.open.fetch_add(1, Ordering::SeqCst);
        let state = Arc::clone(&state);
        connections.spawn(async move {
            let service = service_fn(|request| respond(request, Arc::clone(&state)));
            // A client may go at any time.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// `/hang` never answers, `/echo` gives the body back as it comes, `/events` streams, all else answers at once.
async fn respond(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, BoxError> {
    state.requests.fetch_add(1, Ordering::SeqCst);
    let body = match request.uri().path() {
        "/hang" => pending().await,
        "/echo" => request.into_body().map_err(Into::into).boxed_unsync(),
        "/events" => streamed(state.events.lock().unwrap().take().unwrap()),
        "/host" => text(request.headers()["host"].to_str().unwrap().to_owned()),
        _ => text("ok"),
    };
    Ok(Response::builder().status(state.status.load(Ordering::SeqCst)).body(body)?)
}

pub(crate) fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(Into::into).boxed_unsync()
}

/// Breaks off a streamed body.
pub(crate) const BREAK: &str = "break";

/// A body that comes as the channel gives it.
pub(crate) fn streamed(receiver: UnboundedReceiver<&'static str>) -> Body {
    let frames = futures::stream::unfold(receiver, |mut receiver| async move {
        let data = receiver.recv().await?;
        let frame = if data == BREAK { Err("broken off".into()) } else { Ok(Frame::data(Bytes::from(data))) };
        Some((frame, receiver))
    });
    StreamBody::new(frames.boxed()).boxed_unsync()
}

/// A server that reads each request, writes this text, and closes the connection.
pub(crate) async fn rude(answer: &'static str) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, AbortOnDropHandle::new(task))
}

/// An address where nothing listens, nor will as long as this is kept.
pub(crate) struct Nowhere {
    pub(crate) address: SocketAddr,
    _bound: TcpSocket,
}

impl Nowhere {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { address: socket.local_addr().unwrap(), _bound: socket }
    }
}

/// What a resolver says, and how often it was asked.
#[derive(Clone, Default)]
pub(crate) struct Names {
    /// `None` is a failure.
    known: Arc<Mutex<Option<Vec<SocketAddr>>>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    pub(crate) fn of(endpoints: &[SocketAddr]) -> Self {
        let names = Self::default();
        names.are(endpoints);
        names
    }

    pub(crate) fn are(&self, endpoints: &[SocketAddr]) {
        *self.known.lock().unwrap() = Some(endpoints.to_vec());
    }

    pub(crate) fn fail(&self) {
        *self.known.lock().unwrap() = None;
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let known = self.known.lock().unwrap().clone();
        async { known.ok_or_else(|| io::Error::other("no such name")) }.boxed()
    }
}

pub(crate) fn breaker(endpoints: &[SocketAddr], settings: Settings) -> Breaker {
    with(Names::of(endpoints), settings, LIMITS)
}

pub(crate) fn with(names: Names, settings: Settings, limits: Limits) -> Breaker {
    Breaker::with_resolver("test", "upstream:8080".parse().unwrap(), settings, limits, names)
}

pub(crate) async fn send(breaker: &Breaker, path: &str, body: Body) -> Result<Response<Answer>, Error> {
    let request = Request::post(path).body(body).unwrap();
    tower::Service::call(&mut breaker.clone(), request).await
}

/// A request and the whole of its answer.
pub(crate) async fn get(breaker: &Breaker) -> Result<u16, Error> {
    let response = send(breaker, "/", text("")).await?;
    let status = response.status().as_u16();
    response.collect().await.map_err(|error| Error::Broken(error.to_string()))?;
    Ok(status)
}

/// Tries until it holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..2000 {
        if holds().await {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to this: {what}");
}
