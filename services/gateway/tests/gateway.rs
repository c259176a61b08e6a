//! The gateway in front of small upstreams on loopback, as a client sees it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    future::IntoFuture,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use chassis::{
    config::{KafkaSecurity, KafkaSettings, Retention},
    publisher::Publisher,
};
use futures::StreamExt;
use gateway::{BreakerSettings, Deferring, Limits, Upstream, Upstreams, routes};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

const MAX_BODY: usize = 64 * 1024;
const LIMITS: Limits = Limits { connect: Duration::from_secs(2), response: Duration::from_secs(5) };

/// Defers to a Kafka that is away: nobody listens on the discard port.
fn deferring() -> Deferring {
    let kafka = KafkaSettings {
        kafka_bootstrap_servers: "127.0.0.1:9".to_owned(),
        kafka_security: KafkaSecurity::default(),
        topic_prefix: "test.".to_owned(),
        consumer_group: None,
        inbox_retention: Retention::Forever,
    };
    Deferring::new(Publisher::new(&kafka).unwrap(), "/test".to_owned())
}

/// A gateway whose four upstreams are one; everything ends with it.
struct Gateway {
    base: String,
    stopping: CancellationToken,
    _server: JoinSet<std::io::Result<()>>,
    _upstream: JoinSet<std::io::Result<()>>,
}

impl Gateway {
    async fn before(upstream: SocketAddr, limits: Limits) -> Self {
        Self::with_breaker(upstream, BreakerSettings::DEFAULT, limits).await
    }

    async fn with_breaker(upstream: SocketAddr, breaker: BreakerSettings, limits: Limits) -> Self {
        let base = format!("http://{upstream}").parse().unwrap();
        let upstream = Upstream::new("upstream", &base, breaker, limits).unwrap();
        let upstreams =
            Upstreams { order: upstream.clone(), cook: upstream.clone(), delivery: upstream.clone(), mypage: upstream };
        let stopping = CancellationToken::new();
        let mut servers = JoinSet::new();
        let address = serve(&mut servers, routes(upstreams, deferring(), stopping.clone())).await;
        Self { base: format!("http://{address}"), stopping, _server: servers, _upstream: JoinSet::new() }
    }

    /// In front of an axum server.
    async fn of(app: Router) -> Self {
        let mut servers = JoinSet::new();
        let upstream = serve(&mut servers, app).await;
        Self { _upstream: servers, ..Self::before(upstream, LIMITS).await }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

async fn serve(servers: &mut JoinSet<std::io::Result<()>>, app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    servers.spawn(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).into_future());
    address
}

/// Answers with what it was asked.
async fn echo(request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let headers: serde_json::Map<String, Value> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap()))).collect();
    let seen = json!({
        "method": parts.method.as_str(), "target": parts.uri.to_string(), "headers": headers, "length": body.len(),
    });
    ([("connection", "x-private"), ("x-private", "1"), ("x-public", "2")], Json(seen)).into_response()
}

fn an_order() -> Value {
    json!({ "customerId": "ann", "restaurantId": "r-1", "menuId": "m-1", "quantity": 1 })
}

/// A socket at an address where nothing listens, nor will as long as it is kept.
fn nowhere() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

#[tokio::test]
async fn requests_pass_without_what_concerns_one_connection() {
    let gateway = Gateway::of(Router::new().fallback(echo)).await;
    let request = Client::new()
        .put(gateway.url("/menus/m-1?a=%20b"))
        .header("te", "trailers")
        .header("x-one", "1")
        .header("connection", "x-one")
        .header("x-forwarded-for", "192.0.2.1")
        .body("hello");
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["x-public"], "2");
    assert!(!response.headers().contains_key("x-private"));
    let seen: Value = response.json().await.unwrap();
    assert_eq!(
        (&seen["method"], &seen["target"], &seen["length"]),
        (&json!("PUT"), &json!("/menus/m-1?a=%20b"), &json!(5))
    );
    let headers = &seen["headers"];
    assert_eq!(headers["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
    assert_eq!(headers["x-forwarded-host"], gateway.base.trim_start_matches("http://"));
    assert_ne!(headers["host"], headers["x-forwarded-host"]);
    assert!(headers["te"].is_null() && headers["x-one"].is_null());
}

#[tokio::test]
async fn what_is_not_public_is_not_there() {
    let gateway = Gateway::of(Router::new().fallback(echo)).await;
    for path in
        ["/", "/ui/app.css", "/orders", "/orders/o/cancel", "/menus", "/cooks/c", "/deliveries", "/mypages/o/events"]
    {
        assert_eq!(Client::new().get(gateway.url(path)).send().await.unwrap().status(), 200, "{path}");
    }
    // Written by hand, for a client would resolve the dots itself.
    for path in [
        "/cancellations",
        "/cancellations/",
        "//cancellations",
        "/metrics",
        "/readyz",
        "/menus/../cancellations",
        "/menus/%2e%2e/cancellations",
        "/cooks/..%2fcancellations/..",
        "/ui/./x",
    ] {
        let address = gateway.base.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_body_of_64_kib_passes_and_a_longer_one_does_not() {
    let gateway = Gateway::of(Router::new().fallback(echo)).await;
    for path in ["/orders", "/menus/m/restock"] {
        for (length, status) in [(MAX_BODY, 200), (MAX_BODY + 1, 413)] {
            let chunked = futures::stream::iter(vec![Ok::<_, std::io::Error>(vec![b' '; length])]);
            for body in [reqwest::Body::from(vec![b' '; length]), reqwest::Body::wrap_stream(chunked)] {
                let response = Client::new().post(gateway.url(path)).body(body).send().await.unwrap();
                assert_eq!(response.status(), status, "{path} with {length}");
            }
        }
    }
}

#[tokio::test]
async fn an_upstream_that_is_away_is_503_and_the_order_id_is_told() {
    let nowhere = nowhere();
    let gateway = Gateway::before(nowhere.local_addr().unwrap(), LIMITS).await;
    let response = Client::new().get(gateway.url("/cooks")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    assert_eq!(response.headers()["content-type"], "application/problem+json");

    for key in [None, Some("k-1")] {
        let request = Client::new().post(gateway.url("/orders")).json(&an_order());
        let response = key.into_iter().fold(request, |r, key| r.header("idempotency-key", key)).send().await.unwrap();
        assert_eq!(response.status(), 503);
        let used = response.headers()["idempotency-key"].to_str().unwrap().to_owned();
        assert!(key.is_none_or(|key| key == used));
        let id = contract::order_id(&"ann".parse().unwrap(), &used).to_string();
        assert_eq!(response.headers()["order-id"], *id);
        assert_eq!(response.json::<Value>().await.unwrap()["orderId"], id);
    }
}

#[tokio::test]
async fn an_order_without_a_key_gets_one() {
    let gateway = Gateway::of(Router::new().fallback(echo)).await;
    let send = || Client::new().post(gateway.url("/orders")).json(&an_order()).send();
    let (first, second) = (send().await.unwrap(), send().await.unwrap());
    let key = first.headers()["idempotency-key"].clone();
    assert_ne!(key, second.headers()["idempotency-key"]);
    let seen: Value = first.json().await.unwrap();
    assert_eq!(seen["headers"]["idempotency-key"], key.to_str().unwrap());
}

#[tokio::test]
async fn a_late_answer_is_504() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits { response: Duration::from_millis(50), ..LIMITS };
    let gateway = Gateway::before(silent.local_addr().unwrap(), limits).await;
    let response = Client::new().get(gateway.url("/menus")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn event_streams_pass_as_they_come_and_end_when_the_gateway_stops() {
    let (sender, receiver) = mpsc::unbounded_channel::<&'static str>();
    let receiver = Arc::new(std::sync::Mutex::new(Some(receiver)));
    let app = Router::new().fallback(move || {
        let receiver = receiver.lock().unwrap().take().unwrap();
        let chunks = futures::stream::unfold(receiver, |mut receiver| async move {
            let chunk = receiver.recv().await?;
            Some((Ok::<_, std::io::Error>(chunk), receiver))
        });
        async move { ([("content-type", "text/event-stream")], Body::from_stream(chunks.boxed())) }
    });
    let gateway = Gateway::of(app).await;
    let mut response = Client::new().get(gateway.url("/mypages/o/events")).send().await.unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        sender.send(event).unwrap();
        assert_eq!(response.chunk().await.unwrap().unwrap(), event);
    }
    gateway.stopping.cancel();
    assert_eq!(response.chunk().await.unwrap(), None);
}

/// An upstream that drops its first connection after the request has come, and answers from the second on.
async fn flaky() -> (SocketAddr, Arc<AtomicUsize>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (counter, mut tasks) = (Arc::clone(&requests), JoinSet::new());
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.unwrap_or(0) > 0 && counter.fetch_add(1, Ordering::SeqCst) > 0 {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                stream.write_all(answer).await.unwrap();
            }
        }
    });
    (address, requests, tasks)
}

#[tokio::test]
async fn only_what_may_be_repeated_is_sent_again() {
    let table = [("GET", "/menus", 200, 2), ("POST", "/orders", 200, 2), ("POST", "/cooks/c/complete", 502, 1)];
    for (method, path, status, sent) in table {
        let (address, requests, _tasks) = flaky().await;
        let gateway = Gateway::before(address, LIMITS).await;
        let request = Client::new().request(method.parse().unwrap(), gateway.url(path));
        let request = if path == "/orders" { request.json(&an_order()) } else { request };
        assert_eq!(request.send().await.unwrap().status(), status, "{method} {path}");
        assert_eq!(requests.load(Ordering::SeqCst), sent, "{method} {path}");
    }
}

#[tokio::test]
async fn what_was_sent_once_may_have_happened_though_a_second_sending_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Nobody listens any more when the first sending fails.
        drop(listener);
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    });
    let gateway = Gateway::before(address, LIMITS).await;
    assert_eq!(Client::new().get(gateway.url("/menus")).send().await.unwrap().status(), StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_connection_is_used_as_often_as_it_may_be() {
    for (most, connections) in [(0, 1), (1, 3), (2, 2)] {
        let peer =
            |axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<SocketAddr>| async move { peer.to_string() };
        let mut servers = JoinSet::new();
        let upstream = serve(&mut servers, Router::new().fallback(peer)).await;
        let breaker = BreakerSettings { max_requests_per_connection: most, ..BreakerSettings::DEFAULT };
        let gateway = Gateway::with_breaker(upstream, breaker, LIMITS).await;
        let mut seen = vec![];
        for _ in 0..3 {
            seen.push(Client::new().get(gateway.url("/menus")).send().await.unwrap().text().await.unwrap());
        }
        seen.dedup();
        assert_eq!(seen.len(), connections, "{most}");
    }
}

#[tokio::test]
async fn a_service_that_fails_is_left_in_peace_and_that_is_503() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let app = Router::new().fallback(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async { StatusCode::INTERNAL_SERVER_ERROR }
    });
    let mut servers = JoinSet::new();
    let upstream = serve(&mut servers, app).await;
    let breaker = BreakerSettings { consecutive_5xx_errors: 2, ..BreakerSettings::DEFAULT };
    let gateway = Gateway::with_breaker(upstream, breaker, LIMITS).await;
    for status in [500, 500, 503] {
        let response = Client::new().get(gateway.url("/menus")).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("retry-after"), status == 503);
    }
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}
