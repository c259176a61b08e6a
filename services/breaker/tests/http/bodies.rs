//! Bodies pass as they come.

use std::time::Duration;

use breaker::{BoxError, Error, Limits, Settings};
use bytes::Bytes;
use futures::StreamExt;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::support::{FOR_EVER, LIMITS, Names, Server, breaker, eventually, get, send, streamed, text, with};

#[tokio::test]
async fn both_ways_at_the_same_time() {
    let server = Server::answering(200).await;
    let breaker = breaker(&[server.address], FOR_EVER);
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut answer = send(&breaker, "/echo", streamed(receiver)).await.unwrap().into_body();
    for data in ["one", "two", "three"] {
        sender.send(data).unwrap();
        assert_eq!(answer.frame().await.unwrap().unwrap().into_data().unwrap(), data);
    }
    drop(sender);
    assert!(answer.frame().await.is_none());
    // The connection is free again.
    eventually("it is used again", async || {
        let before = server.connections();
        get(&breaker).await.unwrap();
        server.connections() == before
    })
    .await;
}

#[tokio::test]
async fn an_event_stream_lasts_longer_than_an_answer_may_take() {
    let server = Server::answering(200).await;
    let limits = Limits { response: Duration::from_millis(300), ..LIMITS };
    let breaker = with(Names::of(&[server.address]), FOR_EVER, limits);
    let begun = Instant::now();
    let mut events = send(&breaker, "/events", text("")).await.unwrap().into_body();
    while begun.elapsed() < 3 * limits.response {
        server.event("data: 1\n\n");
        assert_eq!(events.frame().await.unwrap().unwrap().into_data().unwrap(), "data: 1\n\n");
        sleep(limits.response / 4).await;
    }
}

#[tokio::test]
async fn a_requests_body_that_fails_is_not_the_endpoints_fault() {
    #[derive(Debug, thiserror::Error)]
    #[error("gone")]
    struct Gone;

    let server = Server::answering(200).await;
    let breaker = breaker(&[server.address], Settings { consecutive_5xx_errors: 1, ..FOR_EVER });
    let frames = [Ok(Frame::data(Bytes::from_static(b"half"))), Err(BoxError::from(Gone))];
    let body = StreamBody::new(futures::stream::iter(frames).boxed()).boxed_unsync();
    let error = send(&breaker, "/hang", body).await.unwrap_err();
    let causes: Vec<_> = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source()).collect();
    assert!(matches!(error, Error::Body(_)) && causes.iter().any(|cause| cause.is::<Gone>()), "{causes:?}");
    assert_eq!(get(&breaker).await.unwrap(), 200);
}
