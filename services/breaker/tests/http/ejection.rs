//! Who is ejected, when, and for how long.

use std::time::Duration;

use breaker::{Error, Limits, Settings};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::time::Instant;

use crate::support::{FOR_EVER, LIMITS, Names, Nowhere, Server, breaker, eventually, get, rude, send, text, with};

#[tokio::test]
async fn the_last_failure_of_a_row_ejects_at_once() {
    let (well, ill) = (Server::answering(200).await, Server::answering(500).await);
    let breaker = breaker(&[well.address, ill.address], Settings { consecutive_5xx_errors: 3, ..FOR_EVER });
    while ill.requests() < 3 {
        get(&breaker).await.unwrap();
    }
    for _ in 0..50 {
        assert_eq!(get(&breaker).await.unwrap(), 200);
    }
    assert_eq!(ill.requests(), 3);
}

#[tokio::test]
async fn when_all_are_ejected_nothing_is_sent() {
    let servers = [Server::answering(503).await, Server::answering(599).await];
    let breaker = breaker(&servers.each_ref().map(|server| server.address), FOR_EVER);
    let mut answers = 0;
    let error = loop {
        match get(&breaker).await {
            Ok(_) => answers += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Ejected) && error.nothing_was_sent(), "{error}");
    assert_eq!(answers, 10);
    assert_eq!(servers.map(|server| server.requests()), [5, 5]);
}

#[tokio::test]
async fn an_endpoint_comes_back_after_its_time_and_later_the_next_time() {
    let base = Duration::from_millis(400);
    let settings = Settings { consecutive_5xx_errors: 1, interval: base, base_ejection_time: base, ..FOR_EVER };
    let server = Server::answering(500).await;
    let breaker = breaker(&[server.address], settings);
    let mut asked = Instant::now();
    assert_eq!(get(&breaker).await.unwrap(), 500);
    for times in 1..=2 {
        let (failed, seen) = (asked, server.requests());
        assert!(matches!(get(&breaker).await, Err(Error::Ejected)));
        eventually("it is back", async || {
            asked = Instant::now();
            get(&breaker).await.is_ok()
        })
        .await;
        assert!(failed.elapsed() >= base * times, "{times}");
        // It failed again, and is ejected again.
        assert_eq!(server.requests(), seen + 1);
    }
    server.answer(200);
    eventually("it is well", async || get(&breaker).await.is_ok()).await;
    assert_eq!(get(&breaker).await.unwrap(), 200);
}

#[tokio::test]
async fn the_percentage_bounds_the_ejections() {
    for endpoints in 1..=10 {
        let mut servers = vec![];
        for _ in 0..endpoints {
            servers.push(Server::answering(500).await);
        }
        let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
        let settings = Settings { consecutive_5xx_errors: 1, max_ejection_percent: 50, ..FOR_EVER };
        let breaker = breaker(&addresses, settings);
        // Who may not be ejected gets more requests than the one that would have ejected it.
        let spared = endpoints - endpoints / 2;
        let asked_again = || servers.iter().filter(|server| server.requests() > 1).count();
        while asked_again() < spared {
            assert_eq!(get(&breaker).await.unwrap(), 500);
        }
        for _ in 0..20 {
            get(&breaker).await.unwrap();
        }
        assert_eq!(asked_again(), spared, "of {endpoints}");
    }
}

#[tokio::test]
async fn no_connection_a_time_out_and_a_broken_connection_are_failures() {
    let settings = Settings { consecutive_5xx_errors: 2, ..FOR_EVER };

    let nowhere = Nowhere::new();
    let unreachable = breaker(&[nowhere.address], settings);
    for _ in 0..2 {
        assert!(matches!(get(&unreachable).await, Err(Error::Unreachable(_))));
    }
    assert!(matches!(get(&unreachable).await, Err(Error::Ejected)));

    let server = Server::answering(200).await;
    let limits = Limits { response: Duration::from_millis(100), ..LIMITS };
    let late = with(Names::of(&[server.address]), settings, limits);
    for _ in 0..2 {
        let error = send(&late, "/hang", text("")).await.unwrap_err();
        assert!(matches!(error, Error::Timeout(limit) if limit == limits.response), "{error}");
        assert!(!error.nothing_was_sent());
    }
    assert!(matches!(get(&late).await, Err(Error::Ejected)));

    let (address, _server) = rude("").await;
    let broken = breaker(&[address], settings);
    for _ in 0..2 {
        let error = get(&broken).await.unwrap_err();
        assert!(matches!(error, Error::Broken(_)) && !error.nothing_was_sent(), "{error}");
    }
    assert!(matches!(get(&broken).await, Err(Error::Ejected)));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_failure() {
    let (address, _server) = rude("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await;
    let breaker = breaker(&[address], Settings { consecutive_5xx_errors: 1, ..FOR_EVER });
    let answer = send(&breaker, "/", text("")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.collect().await.is_err());
    assert!(matches!(get(&breaker).await, Err(Error::Ejected)));
}

#[tokio::test]
async fn a_caller_who_goes_is_no_failure() {
    let server = Server::answering(200).await;
    let breaker = breaker(&[server.address], Settings { consecutive_5xx_errors: 1, ..FOR_EVER });
    let asking = send(&breaker, "/hang", text(""));
    let arrived = eventually("the request is there", async || server.requests() == 1);
    tokio::select! {
        answer = asking => panic!("{answer:?}"),
        () = arrived => {}
    }
    assert_eq!(get(&breaker).await.unwrap(), 200);
}

#[tokio::test]
async fn metrics_tell_of_it() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let servers = [Server::answering(500).await, Server::answering(500).await];
    let settings = Settings { consecutive_5xx_errors: 1, max_ejection_percent: 50, ..FOR_EVER };
    let breaker = breaker(&servers.each_ref().map(|server| server.address), settings);
    while servers.iter().any(|server| server.requests() == 0) {
        get(&breaker).await.unwrap();
    }
    let text = recorder.handle().render();
    for line in [
        r#"breaker_endpoints{upstream="test"} 2"#,
        r#"breaker_ejected_endpoints{upstream="test"} 1"#,
        r#"breaker_ejections_total{upstream="test"} 1"#,
        r#"breaker_pending_requests{upstream="test"} 0"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}
