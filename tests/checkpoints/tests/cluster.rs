//! Each checkpoint in its short form, on the cluster of the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

use checkpoints::{ALL, Length, Stage, run};

async fn short(name: &str) {
    let stage = Stage::connect(Length::Short).await;
    let checkpoint = ALL.iter().find(|checkpoint| checkpoint.name == name).expect("a checkpoint of that name");
    if let Err(missed) = run(&stage, checkpoint).await.outcome {
        panic!("{name}: {missed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn saga() {
    short("saga").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cqrs() {
    short("cqrs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn request_response() {
    short("request-response").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway() {
    short("gateway").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn config() {
    short("config").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drift() {
    short("drift").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn autoscaling() {
    short("autoscaling").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn healing() {
    short("healing").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn isolation() {
    short("isolation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deploy() {
    short("deploy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn correlation() {
    short("correlation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn volume() {
    short("volume").await;
}
