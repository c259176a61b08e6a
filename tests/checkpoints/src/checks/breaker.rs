//! A circuit breaker in the caller: a pod of order whose service can't be reached is cut off, whatever Kubernetes thinks of it.

use std::time::Duration;

use ::tests::{
    api::{fresh, order_of, text},
    invariants::{Acceptance, Told},
    process::Service,
    wait,
};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::example;
use crate::{Outcome, Shown, Stage, node::Refusal, siege::Siege};

/// As narrow a breaker as there can be.
const EXAMPLE: &str = "circuit-breaker.yaml";
/// What the readers read: from order itself.
const PATH: &str = "/orders?limit=1";
/// Of order at the gateway, among the metrics.
const OF_ORDER: &str = "upstream=\"order\"";
/// How much later than at the next look of the breaker a pod may be cut off.
const SLACK: Duration = Duration::from_secs(1);
/// Pods that begin to refuse while a single reader asks.
const REFUSALS: usize = 2;
/// With sane settings, and a pod left that is well, in percent.
const AVAILABILITY: f64 = 99.9;

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let (hits, readers) = (stage.length.pick(200, 1_000), stage.length.pick(4, 10));
    let narrow = example::order(EXAMPLE)?;
    let interval = interval_of(&narrow)?;
    stage.change(json!({ "services": { "order": narrow } })).await;
    stage.until_settled().await;
    stage.until_pods(Service::Order, 2).await;
    let [first, second] = pods(stage).await?;
    let menu = stage.gateway.menu_with_stock(1).await;

    let siege = Siege::start(&stage.gateway, PATH, 1);
    siege.hits(hits).await;
    let (well, all_well) = siege.stop().await;
    if well.availability() < 100.0 {
        return Err(format!("a single reader, with both pods well: {:?}", well.statuses));
    }

    let siege = Siege::start(&stage.gateway, PATH, 1);
    siege.hits(hits / 4).await;
    siege.mark("a pod refuses");
    let one = Refusal::of(&first);
    let soonest = cut_off(stage, 1, interval).await;
    siege.hits(hits / 4).await;
    siege.mark("the other one, too");
    let two = Refusal::of(&second);
    let latest = cut_off(stage, 2, interval).await;
    siege.failures(hits / 4).await;
    let order = deferred(stage, &menu).await?;
    drop((one, two));
    siege.mark("both are well again");
    stays_open(stage, interval).await;
    let open = breaker_metrics(stage).await?;
    // Kubernetes finds both ready all the while.
    let ready = stage.kubectl(&["get", "pods", "-l", &stage.platform.selector_of(Service::Order)]).await;
    if pods(stage).await? != [first, second] {
        return Err(format!("order's pods are others than before: {}", ready.output));
    }
    let (ill, falling) = siege.stop().await;
    // What a pod had in hand when it began to refuse is broken, and there is no other one to ask.
    let broken = ill.statuses.get(&502).copied().unwrap_or_default();
    let is_known = ill.statuses.keys().all(|status| [200, 502, 503].contains(status));
    if !is_known || broken > REFUSALS || ill.availability() > AVAILABILITY {
        return Err(format!("a reader while pods were cut off: {:?}", ill.statuses));
    }

    stage.change(json!({ "services": { "order": { "circuitBreaker": null } } })).await;
    stage.until_settled().await;
    let siege = Siege::start(&stage.gateway, PATH, readers);
    siege.mark("the default settings");
    siege.hits(hits).await;
    let [first, _] = pods(stage).await?;
    siege.mark("a pod refuses");
    let refusal = Refusal::of(&first);
    until_ejections(stage).await;
    siege.hits(10 * hits).await;
    drop(refusal);
    let (sane, with_one_left) = siege.stop().await;
    if sane.availability() < AVAILABILITY {
        return Err(format!("{readers} readers with sane settings and a pod left: {:?}", sane.statuses));
    }
    let told = Told { accepted: [(order, Acceptance::Deferred)].into(), ..Told::default() };
    let held = stage.invariants(told).await?;
    let longest = soonest.max(latest).as_secs_f64();
    let mut timeline = ill.timeline.clone();
    timeline.append(sane.timeline.clone());
    Ok(Outcome {
        done: "order with two pods and the settings of examples/circuit-breaker.yaml; one pod made to refuse, then both; then \
               the default settings and one"
            .to_owned(),
        seen: format!(
            "each cut off within {longest:.2} s; availability {:.2} %, then {:.2} % with a new order taken for later; open \
             though both were well again; {:.2} % with the default settings and a pod left; {held}",
            well.availability(),
            ill.availability(),
            sane.availability()
        ),
        figure: format!("cut off in {longest:.2} s, {:.2} % with a pod left", sane.availability()),
        shown: vec![all_well, falling, open, ready, with_one_left],
        timeline: Some(timeline),
    })
}

async fn pods(stage: &Stage) -> Result<[String; 2], String> {
    let pods: Vec<_> = stage.ready_pods(Service::Order).await?.iter().map(|pod| pod.name_any()).collect();
    pods.try_into().map_err(|pods| format!("order has {pods:?}, not two pods"))
}

fn interval_of(order: &Value) -> Result<Duration, String> {
    let text = text(&order["circuitBreaker"], "interval");
    let seconds = text.strip_suffix('s').and_then(|number| number.parse().ok());
    seconds.map(Duration::from_secs).ok_or_else(|| format!("the example's interval is {text:?}, not seconds"))
}

/// Waits until the gateway has cut off so many pods of order, which it has to in time; gives how long that took.
async fn cut_off(stage: &Stage, count: usize, interval: Duration) -> Duration {
    let started = std::time::Instant::now();
    wait::until(&format!("{count} pods cut off"), interval + SLACK, async || {
        wait::equals(sum(stage, "breaker_ejected_endpoints").await?, count as f64)
    })
    .await;
    started.elapsed()
}

/// The breaker doesn't ask whether a pod is well again: it waits for the ejection's end.
async fn stays_open(stage: &Stage, interval: Duration) {
    wait::throughout("the breaker open", 3 * interval, async || {
        let answer = stage.gateway.get(PATH).await;
        let ejected = sum(stage, "breaker_ejected_endpoints").await?;
        wait::equals((answer.status, ejected), (503, 2.0))
    })
    .await;
}

async fn until_ejections(stage: &Stage) {
    wait::until("an ejection", wait::SOON, async || {
        let ejections = sum(stage, "breaker_ejections_total").await?;
        if ejections > 0.0 { Ok(()) } else { Err("none".to_owned()) }
    })
    .await;
}

/// A metric of the gateway's breaker to order, over the gateway's pods.
async fn sum(stage: &Stage, name: &str) -> Result<f64, String> {
    let pods = stage.platform.scrape(Service::Gateway).await?;
    Ok(pods.iter().filter_map(|(_, metrics)| metrics.labelled(name, OF_ORDER)).sum())
}

async fn breaker_metrics(stage: &Stage) -> Result<Shown, String> {
    let pods = stage.platform.scrape(Service::Gateway).await?;
    let lines = pods.iter().flat_map(|(_, metrics)| metrics.lines_with(OF_ORDER));
    let output = lines.filter(|line| line.starts_with("breaker_")).map(|line| format!("{line}\n")).collect();
    Ok(Shown { command: "curl -s GATEWAY:9090/metrics | grep ^breaker_ | grep order".to_owned(), output })
}

/// Places an order while nobody of order is asked any more: the gateway takes it for later.
async fn deferred(stage: &Stage, menu: &str) -> Result<contract::Identifier, String> {
    let answer = stage.gateway.place(&order_of(menu, 1), Some(&fresh())).await;
    if answer.status != 202 {
        return Err(format!("an order while all pods of order are cut off: {} {}", answer.status, answer.text));
    }
    text(&answer.body, "orderId").parse().map_err(|_| format!("no order's id: {}", answer.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_as_narrow_as_can_be() {
        let order = example::order(EXAMPLE).unwrap();
        assert_eq!(order["replicas"], 2);
        let expected = json!({
            "maxPendingRequests": 1, "maxRequestsPerConnection": 1, "consecutive5xxErrors": 1, "interval": "1s",
            "baseEjectionTime": "10m", "maxEjectionPercent": 100,
        });
        assert_eq!(order["circuitBreaker"], expected);
        assert_eq!(interval_of(&order), Ok(Duration::from_secs(1)));
    }
}
