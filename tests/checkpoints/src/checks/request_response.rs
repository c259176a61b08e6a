//! Request and response between services: order asks cook to cancel, and waits for what it says.

use serde_json::json;
use tests::{
    api::{Api, text},
    process::Service,
    wait,
};

use crate::{Outcome, Stage};

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let api = &stage.gateway;
    let rounds = stage.length.pick(3, 20);
    let menu = api.menu_with_stock(1_000).await;
    // The kitchen waits until it is told, so that each cancellation is in time, or too late, by our doing alone.
    stage.change(json!({ "services": { "cook": { "config": { "cookingTime": "manual" } } } })).await;
    stage.until_settled().await;
    for round in 0..rounds {
        let order = cooking(api, &menu).await;
        let answer = api.cancel(&order).await;
        let now = states(api, &order).await;
        if (answer.status, now) != (200, ("CANCELLED".to_owned(), "CANCELLED".to_owned())) {
            return Err(format!("round {round}: cancelling in time: {} {}", answer.status, answer.text));
        }
        let order = cooking(api, &menu).await;
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

    let order = cooking(api, &menu).await;
    stage.change(json!({ "services": { "cook": { "replicas": 0 } } })).await;
    stage.until_pods(Service::Cook, 0).await;
    let shown = stage.kubectl(&["get", "pods", "-l", &stage.platform.selector()]).await;
    let answer = api.cancel(&order).await;
    let retry_after = answer.header("retry-after").to_owned();
    let problem = answer.expect_problem(503);
    let own = api.get(&format!("/orders/{order}")).await.expect(200);
    if (text(&own, "status"), text(&own, "cancellation")) == ("COOKING", "NONE") && !retry_after.is_empty() {
        stage.change(json!({ "services": { "cook": { "replicas": 1 } } })).await;
        stage.until_pods(Service::Cook, 1).await;
        // Nothing has changed: it can still be cancelled.
        wait::until("the cancellation once cook is back", wait::SOON, async || {
            let answer = api.cancel(&order).await;
            wait::equals(answer.status, 200)
        })
        .await;
        return Ok(Outcome {
            done: format!("{rounds} cancellations in time and {rounds} too late, then one with cook at replicas: 0"),
            seen: format!(
                "in time 200 and both CANCELLED; too late 409 and neither; without cook 503 with Retry-After: {retry_after} and \
                 nothing changed; cancelled once cook was back"
            ),
            figure: format!("{} of {}", 2 * rounds + 1, 2 * rounds + 1),
            shown: vec![shown],
            ..Outcome::default()
        });
    }
    Err(format!("without cook: {problem}, Retry-After {retry_after:?}; the order is {own}"))
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
