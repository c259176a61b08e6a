//! A service that is away takes no other one with it, and neither do Kafka and the database: what was accepted meanwhile is done
//! once it is back.

use local::Part;
use serde_json::json;
use tests::{invariants::Acceptance, process::Service};

use crate::{
    Outcome, Stage,
    load::{Load, Rate},
    node::Away,
};

/// The services that may be away while orders are taken.
const AWAY: [Service; 3] = [Service::Order, Service::Cook, Service::Delivery];

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 5, reads: 10 }, Rate { orders: 20, reads: 40 });
    let more = stage.length.pick(100, 1_000);
    let load = Load::start(stage, rate, &AWAY).await;
    load.answers(50).await;
    let mut shown = vec![];
    for service in AWAY {
        let before = stage.platform.get().await["spec"]["services"][service.name()].clone();
        load.mark(format!("{service} away"));
        stage.change(json!({ "services": { service.name(): { "replicas": 0, "autoscaling": null } } })).await;
        stage.until_pods(service, 0).await;
        load.answers(more).await;
        shown.push(stage.kubectl(&["get", "foodplatform", &stage.platform.name, "-o", "wide"]).await);
        load.mark(format!("{service} back"));
        let back = json!({ "replicas": before["replicas"], "autoscaling": before["autoscaling"] });
        stage.change(json!({ "services": { service.name(): back } })).await;
        stage.platform.until_ready().await;
        load.answers(50).await;
    }
    // Events wait in the outboxes.
    load.mark("Kafka away");
    let kafka = Away::stop(&stage.node, Part::Kafka)?;
    load.answers(more).await;
    load.mark("Kafka back");
    kafka.back()?;
    load.answers(50).await;
    let traffic = load.stop().await;
    let answered = traffic.without_failure()?;
    let deferred = traffic.told.accepted.values().filter(|how| **how == Acceptance::Deferred).count();
    if deferred == 0 {
        return Err("no order was taken for later, though order was away".to_owned());
    }
    let accepted = traffic.told.accepted.len();
    let timeline = traffic.timeline.clone();
    let held = stage.invariants(traffic.told).await?;
    stage.platform.until_ready().await;
    let without_database = without_database(stage, rate, more).await?;
    Ok(Outcome {
        done: "order, cook and delivery one after the other at replicas: 0, then Kafka stopped, then PostgreSQL, under load"
            .to_owned(),
        seen: format!(
            "{accepted} orders accepted, {deferred} of them with 202 while order was away, {answered} requests and none failed; \
             {held}. {without_database}"
        ),
        figure: format!("{deferred} deferred, 0 failed"),
        shown,
        timeline: Some(timeline),
    })
}

/// Stops the database under load: nobody gets anything but what is confirmed, what is taken for later, and 503.
async fn without_database(stage: &Stage, rate: Rate, more: usize) -> Result<String, String> {
    let load = Load::start(stage, rate, &AWAY).await;
    load.answers(50).await;
    let database = Away::stop(&stage.node, Part::Postgresql)?;
    load.requests(more).await;
    database.back()?;
    // Breakers ask again after a while.
    load.answers(more).await;
    stage.platform.until_ready().await;
    let traffic = load.stop().await;
    let unconfirmed = traffic.failed_with(503)?;
    let accepted = traffic.told.accepted.len();
    let held = stage.invariants(traffic.told).await?;
    Ok(format!(
        "Without PostgreSQL {unconfirmed} requests got 503, and {accepted} orders were accepted before, then and after: {held}"
    ))
}
