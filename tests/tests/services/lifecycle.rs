//! From the start of a service to its end, the good one and the bad one.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tests::{
    api::{fresh, order_of, text},
    measure::Measurement,
    metrics::Metrics,
    platform::{Platform, Setup},
    process::Service,
    wait,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// `DRAIN_TIMEOUT`'s default, and time for the process to end after it.
const DRAIN: Duration = Duration::from_secs(22);

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_service_loses_nothing_and_doubles_nothing() {
    const STOCK: i64 = 100;
    let setup = Setup { cooking_time: "50ms..500ms", delivery_time: "50ms..500ms", ..Setup::default() };
    let mut platform = Platform::start(setup).await;
    let menu = platform.api.menu_with_stock(STOCK).await;
    let mut placed: i64 = 0;
    for service in [Service::Cook, Service::Delivery, Service::Order, Service::Mypage] {
        let mut orders = Vec::new();
        for _ in 0..10 {
            orders.push(platform.api.place_one(&menu, 1).await);
        }
        placed += 10;
        platform.kill(service).await;
        platform.restart(service).await;
        for order in &orders {
            platform.api.follow(order, "DELIVERED").await;
            platform.api.until(&format!("/orders/{order}"), "status", "DELIVERED").await;
        }
    }
    platform.outboxes_drained().await;
    assert_eq!(platform.api.on_hand(&menu).await, STOCK - placed);
    for (service, table) in [(Service::Order, "orders"), (Service::Cook, "cooks"), (Service::Delivery, "deliveries")] {
        assert_eq!(platform.rows(service, table).await, Ok(placed), "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_stop_a_service_finishes_what_it_has_begun() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(1).await;
    let body = order_of(&menu, 1).to_string();
    let order = platform.process(Service::Order);

    // A request that has begun: the service has asked for its body, and got half of it.
    let mut stream = TcpStream::connect(order.url().trim_start_matches("http://")).await.expect("a connection");
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: order\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {}\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        fresh(),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("a request's head");
    let mut first = [0; 25];
    stream.read_exact(&mut first).await.expect("an interim answer");
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (half, rest) = body.split_at(body.len() / 2);
    stream.write_all(half.as_bytes()).await.expect("half a body");

    let start = Instant::now();
    order.signal(Signal::SIGTERM);
    let ready = order.admin("/readyz");
    wait::until("not ready once it stops", wait::SOON, async || {
        let status = reqwest::get(&ready).await.map_err(|error| error.to_string())?.status();
        wait::equals(status.as_u16(), 503)
    })
    .await;
    stream.write_all(rest.as_bytes()).await.expect("the other half");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");

    let status = order.ended().await;
    assert!(status.success(), "{status}: {}", order.output());
    assert!(start.elapsed() < DRAIN, "{:?}", start.elapsed());
    assert_eq!(platform.rows(Service::Order, "outbox").await, Ok(0), "what it took was told before it ended");

    let (_, answer) = answer.split_once("\r\n\r\n").expect("a body");
    let answer: Value = serde_json::from_str(answer.trim()).expect("JSON");
    platform.restart(Service::Order).await;
    platform.api.until(&format!("/orders/{}", text(&answer, "orderId")), "status", "DELIVERED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_sends_half_a_head_does_not_keep_a_service_from_ending_well() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(1).await;
    let address = platform.process(Service::Order).url().trim_start_matches("http://").to_owned();
    let _silent = TcpStream::connect(&address).await.expect("a connection");
    let mut half = TcpStream::connect(&address).await.expect("a connection");
    half.write_all(b"POST /orders HTTP/1.1\r\nHost: ord").await.expect("half a head");
    // Answered behind them, so both are open.
    platform.api.place_one(&menu, 1).await;

    let order = platform.process(Service::Order);
    let start = Instant::now();
    order.signal(Signal::SIGTERM);
    let status = order.ended().await;
    assert!(status.success(), "{status}: {}", order.output());
    assert!(start.elapsed() < DRAIN, "{:?}", start.elapsed());
    assert_eq!(platform.rows(Service::Order, "outbox").await, Ok(0), "what it took was told before it ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_ends_well_when_asked_to() {
    let mut platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = platform.api.place_one(&menu, 1).await;
    platform.api.follow(&order, "DELIVERED").await;
    for service in Service::ALL {
        let process = platform.process(service);
        let start = Instant::now();
        process.signal(Signal::SIGTERM);
        let status = process.ended().await;
        assert!(status.success() && start.elapsed() < DRAIN, "{service}: {status} {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_ready_soon() {
    let mut platform = Platform::start(Setup::default()).await;
    let mut slow = Vec::new();
    for service in Service::ALL {
        // One at a time: starting all at once on a small machine measures the machine.
        platform.kill(service).await;
        platform.restart(service).await;
        let metrics = Metrics::scrape(&platform.process(service).admin("/metrics")).await.expect("metrics");
        // The number that counts is the release build's, in the cluster. This one only catches what is far off.
        let name = format!("start to ready, {service}, debug build");
        let value = metrics.get("ready_seconds") * 1000.0;
        slow.extend(Measurement { name: &name, value, unit: "ms", limit: 1000.0 }.check().err());
    }
    assert!(slow.is_empty(), "{slow:?}");
}
