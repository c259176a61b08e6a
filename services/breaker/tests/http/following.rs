//! Endpoints that come and go.

use breaker::{Breaker, Error, Settings};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::support::{
    BREAK, FOR_EVER, LIMITS, Names, Nowhere, Server, breaker, eventually, get, send, streamed, text, with,
};

/// Waits until names that were changed before have been looked up, which happens only while there are requests. What is
/// looked up has been taken in before anything else runs: this runtime has one thread, and [`Names`] answer at once.
async fn looked_up(breaker: &Breaker, names: &Names) {
    let asked = names.asked();
    eventually("names are looked up", async || {
        let _ = get(breaker).await;
        names.asked() > asked
    })
    .await;
}

#[tokio::test]
async fn what_is_added_gets_requests_and_what_is_removed_none() {
    let (first, second) = (Server::answering(200).await, Server::answering(200).await);
    let names = Names::of(&[first.address]);
    let breaker = with(names.clone(), FOR_EVER, LIMITS);
    let mut events = send(&breaker, "/events", text("")).await.unwrap().into_body();
    let (sender, receiver) = mpsc::unbounded_channel();
    let echo = send(&breaker, "/echo", streamed(receiver)).await.unwrap();

    names.are(&[first.address, second.address]);
    eventually("the new one is used", async || {
        get(&breaker).await.unwrap();
        second.requests() > 0
    })
    .await;

    names.are(&[second.address]);
    looked_up(&breaker, &names).await;
    let (seen, connections) = (first.requests(), second.connections());
    for _ in 0..30 {
        get(&breaker).await.unwrap();
    }
    assert_eq!((first.requests(), second.connections()), (seen, connections));
    eventually("idle connections are closed", async || first.open() == 2).await;
    // What was under way there goes on, and no connection is kept after it.
    sender.send("still here").unwrap();
    drop(sender);
    assert_eq!(echo.collect().await.unwrap().to_bytes(), "still here");
    eventually("its connection is closed", async || first.open() == 1).await;
    first.event("and here");
    assert_eq!(events.frame().await.unwrap().unwrap().into_data().unwrap(), "and here");
}

#[tokio::test]
async fn while_names_fail_the_last_known_endpoints_stay() {
    let server = Server::answering(200).await;
    let names = Names::of(&[server.address]);
    let breaker = with(names.clone(), FOR_EVER, LIMITS);
    get(&breaker).await.unwrap();
    names.fail();
    looked_up(&breaker, &names).await;
    assert_eq!(get(&breaker).await.unwrap(), 200);
}

#[tokio::test]
async fn without_any_endpoint_nothing_is_sent() {
    for names in [Names::default(), Names::of(&[])] {
        let breaker = with(names.clone(), FOR_EVER, LIMITS);
        let error = get(&breaker).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error}");
        let server = Server::answering(200).await;
        names.are(&[server.address]);
        eventually("it is found", async || get(&breaker).await.is_ok()).await;
    }
}

#[tokio::test]
async fn where_no_connection_can_be_made_another_endpoint_is_tried() {
    let server = Server::answering(200).await;
    let nowhere = Nowhere::new();
    let names = Names::of(&[nowhere.address, server.address]);
    let breaker = with(names.clone(), Settings { consecutive_5xx_errors: 3, ..FOR_EVER }, LIMITS);
    for sent in 1..=50 {
        assert_eq!(get(&breaker).await.unwrap(), 200);
        assert_eq!(server.requests(), sent);
    }
}

#[tokio::test]
async fn an_endpoint_that_took_the_place_of_another_is_found() {
    let server = Server::answering(200).await;
    let nowhere = Nowhere::new();
    let names = Names::of(&[nowhere.address]);
    let breaker = with(names.clone(), FOR_EVER, LIMITS);
    assert!(matches!(get(&breaker).await, Err(Error::Unreachable(_))));
    names.are(&[server.address]);
    eventually("it is found", async || get(&breaker).await.is_ok()).await;
}

#[tokio::test]
async fn what_comes_again_under_an_address_starts_anew() {
    let (server, other) = (Server::answering(200).await, Server::answering(200).await);
    let names = Names::of(&[server.address]);
    let breaker = with(names.clone(), Settings { consecutive_5xx_errors: 1, ..FOR_EVER }, LIMITS);
    let events = send(&breaker, "/events", text("")).await.unwrap();
    server.answer(500);
    get(&breaker).await.unwrap();
    assert!(matches!(get(&breaker).await, Err(Error::Ejected)));

    names.are(&[other.address]);
    looked_up(&breaker, &names).await;
    names.are(&[server.address]);
    server.answer(200);
    looked_up(&breaker, &names).await;
    assert_eq!(get(&breaker).await.unwrap(), 200);
    // What began before says nothing of what is there now.
    server.event(BREAK);
    assert!(events.collect().await.is_err());
    assert_eq!(get(&breaker).await.unwrap(), 200);
}

#[tokio::test]
async fn the_upstreams_name_is_the_host() {
    let server = Server::answering(200).await;
    let answer = send(&breaker(&[server.address], FOR_EVER), "/host", text("")).await.unwrap();
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "upstream:8080");
}

#[tokio::test]
async fn a_name_of_the_systems_is_followed() {
    let server = Server::answering(200).await;
    let authority = server.address.to_string().parse().unwrap();
    assert_eq!(get(&Breaker::new("test", authority, FOR_EVER, LIMITS)).await.unwrap(), 200);
}
