//! How many may wait, and how often a connection is used.

use breaker::{Error, Settings};
use futures::future::join_all;
use http_body_util::BodyExt;

use crate::support::{FOR_EVER, Server, breaker, eventually, get, send, text};

#[tokio::test]
async fn one_more_than_may_wait_is_refused_at_once_and_that_is_no_failure() {
    let server = Server::answering(200).await;
    let settings = Settings { max_pending_requests: 2, consecutive_5xx_errors: 1, ..FOR_EVER };
    let breaker = breaker(&[server.address], settings);
    // Leaves one idle connection. None is made while the others are begun, for this runtime has one thread.
    get(&breaker).await.unwrap();
    let answers = join_all((0..5).map(|_| get(&breaker))).await;
    let refused = answers.iter().filter(|answer| matches!(answer, Err(Error::Overflow))).count();
    let answered = answers.iter().filter(|answer| matches!(answer, Ok(200))).count();
    // One on the idle connection, two that waited, two too many.
    assert_eq!((answered, refused), (3, 2));
    assert!(Error::Overflow.nothing_was_sent());
    assert_eq!(server.requests(), 4);
    assert_eq!(get(&breaker).await.unwrap(), 200);
}

#[tokio::test]
async fn who_waits_gets_the_connection_that_is_free_first() {
    let server = Server::answering(200).await;
    let breaker = breaker(&[server.address], FOR_EVER);
    let hanging = send(&breaker, "/events", text("")).await.unwrap();
    assert_eq!(server.connections(), 1);
    get(&breaker).await.unwrap();
    assert_eq!(server.connections(), 2);
    drop(hanging);
    // The dropped one is closed; the other one is used again.
    get(&breaker).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_carries_so_many_requests() {
    for (most, connections) in [(0, 1), (1, 6), (2, 3), (4, 2)] {
        let server = Server::answering(200).await;
        let breaker = breaker(&[server.address], Settings { max_requests_per_connection: most, ..FOR_EVER });
        for _ in 0..6 {
            get(&breaker).await.unwrap();
        }
        assert_eq!(server.connections(), connections, "{most}");
    }
}

#[tokio::test]
async fn a_last_answer_comes_to_its_end() {
    let server = Server::answering(200).await;
    let breaker = breaker(&[server.address], Settings { max_requests_per_connection: 1, ..FOR_EVER });
    let mut events = send(&breaker, "/events", text("")).await.unwrap().into_body();
    get(&breaker).await.unwrap();
    for event in ["one", "two"] {
        server.event(event);
        assert_eq!(events.frame().await.unwrap().unwrap().into_data().unwrap(), event);
    }
}

#[tokio::test]
async fn requests_go_where_fewer_are_under_way() {
    let servers = [Server::answering(200).await, Server::answering(200).await];
    let breaker = breaker(&servers.each_ref().map(|server| server.address), FOR_EVER);
    let _events = send(&breaker, "/events", text("")).await.unwrap();
    let [busy, free] = if servers[0].requests() == 1 { [0, 1] } else { [1, 0] };
    for _ in 0..20 {
        get(&breaker).await.unwrap();
    }
    assert_eq!((servers[busy].requests(), servers[free].requests()), (1, 20));
}

#[tokio::test]
async fn many_at_once_are_answered() {
    let servers = [Server::answering(200).await, Server::answering(200).await, Server::answering(200).await];
    let breaker = breaker(&servers.each_ref().map(|server| server.address), FOR_EVER);
    let answers = join_all((0..200).map(|_| get(&breaker))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(200))));
    let connections = || servers.iter().map(Server::connections).sum::<usize>();
    let before = connections();
    eventually("connections are idle", async || {
        join_all((0..20).map(|_| get(&breaker))).await.into_iter().all(|answer| answer.is_ok())
            && connections() == before
    })
    .await;
}
