//! Request and response between services: order asks cook to cancel, and waits for what it says.

use contract::{CookSnapshot, CookStatus};
use serde_json::json;
use tests::{
    api::{Api, text},
    invariants::{Acceptance, Told, list},
    process::Service,
    wait,
};

use crate::{
    Outcome, Shown, Stage,
    load::{Load, PAGES, Rate},
};

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rounds = stage.length.pick(2, 20);
    let menu = stage.gateway.menu_with_stock(1_000).await;
    // The kitchen waits until it is told, so that each cancellation is in time, or too late, by our doing alone.
    stage.change(json!({ "services": { "cook": { "config": { "cookingTime": "manual" } } } })).await;
    stage.until_settled().await;
    // What others order would wait for ever.
    let load = Load::start(stage, Rate { orders: 0, reads: 20 }, PAGES, &[Service::Cook]).await;
    let seen = cancellations(stage, &menu, rounds, &load).await;
    let finished = finish(stage, &menu).await;
    let traffic = load.stop().await;
    let ((seen, shown), told) = (seen?, finished?);
    let answered = traffic.without_failure()?;
    let held = stage.invariants(told).await?;
    Ok(Outcome {
        done: format!("{rounds} cancellations in time and {rounds} too late, then one with cook at replicas: 0"),
        seen: format!("{seen}; {answered} reads meanwhile and none failed; {held}"),
        figure: format!("{} of {}", 2 * rounds + 1, 2 * rounds + 1),
        shown: vec![shown],
        timeline: Some(traffic.timeline),
    })
}

async fn cancellations(stage: &Stage, menu: &str, rounds: usize, load: &Load) -> Result<(String, Shown), String> {
    let api = &stage.gateway;
    for round in 0..rounds {
        let order = cooking(api, menu).await;
        let before = states(api, &order).await;
        let answer = api.cancel(&order).await;
        let now = states(api, &order).await;
        let (began, both) = (pair("COOKING", "STARTED"), pair("CANCELLED", "CANCELLED"));
        if (&before, answer.status, &now) != (&began, 200, &both) {
            return Err(format!(
                "round {round}: cancelling in time: {before:?} before, {now:?} after: {} {}",
                answer.status, answer.text
            ));
        }
        let order = cooking(api, menu).await;
        let cook = text(&api.mypage(&order).await.body, "cookId").to_owned();
        api.act(&format!("/cooks/{cook}/complete")).await.expect(200);
        let answer = api.cancel(&order).await;
        let (own, cooked) = states(api, &order).await;
        if answer.status != 409 || own == "CANCELLED" || cooked != "COMPLETED" {
            return Err(format!(
                "round {round}: cancelling too late: {} {}; {own}, {cooked}",
                answer.status, answer.text
            ));
        }
    }

    let order = cooking(api, menu).await;
    load.mark("cook at replicas: 0");
    stage.change(json!({ "services": { "cook": { "replicas": 0 } } })).await;
    stage.until_pods(Service::Cook, 0).await;
    let shown = stage.kubectl(&["get", "pods", "-l", &stage.platform.selector()]).await;
    let answer = api.cancel(&order).await;
    let retry_after = answer.header("retry-after").to_owned();
    let problem = answer.expect_problem(503);
    let own = api.get(&format!("/orders/{order}")).await.expect(200);
    if (text(&own, "status"), text(&own, "cancellation")) != ("COOKING", "NONE") || retry_after.is_empty() {
        return Err(format!("without cook: {problem}, Retry-After {retry_after:?}; the order is {own}"));
    }
    load.mark("cook back");
    stage.change(json!({ "services": { "cook": { "replicas": 1 } } })).await;
    stage.until_pods(Service::Cook, 1).await;
    // Nothing has changed: it can still be cancelled.
    wait::until("the cancellation once cook is back", wait::SOON, async || {
        let answer = api.cancel(&order).await;
        wait::equals(answer.status, 200)
    })
    .await;
    let seen = format!(
        "in time 200 and both CANCELLED; too late 409 and neither; without cook 503 with Retry-After: {retry_after} and nothing \
         changed; cancelled once cook was back"
    );
    Ok((seen, shown))
}

/// Has the kitchen complete what it still waits with, whatever came of the rest, and gives all orders of the menu item.
async fn finish(stage: &Stage, menu: &str) -> Result<Told, String> {
    stage.change(json!({ "services": { "cook": { "replicas": 1 } } })).await;
    stage.until_pods(Service::Cook, 1).await;
    let cooks = stage.direct(Service::Cook).await;
    let mut told = Told::default();
    for cook in list::<CookSnapshot>(&cooks, "/cooks").await? {
        if cook.menu_id.as_str() != menu {
            continue;
        }
        if cook.status == CookStatus::Started {
            cooks.act(&format!("/cooks/{}/complete", cook.cook_id)).await.expect(200);
        }
        told.accepted.insert(cook.order_id, Acceptance::Placed);
    }
    Ok(told)
}

fn pair(order: &str, cook: &str) -> (String, String) {
    (order.to_owned(), cook.to_owned())
}

/// An order whose cooking has begun.
async fn cooking(api: &Api, menu: &str) -> String {
    let order = api.place_one(menu, 1).await;
    api.follow(&order, "COOKING").await;
    api.until(&format!("/orders/{order}"), "status", "COOKING").await;
    order
}

/// The order's status, and its cook's as the kitchen itself has it.
async fn states(api: &Api, order: &str) -> (String, String) {
    let own = api.get(&format!("/orders/{order}")).await.expect(200);
    let cook = text(&api.mypage(order).await.body, "cookId").to_owned();
    let cooked = api.get(&format!("/cooks/{cook}")).await.expect(200);
    (text(&own, "status").to_owned(), text(&cooked, "status").to_owned())
}
