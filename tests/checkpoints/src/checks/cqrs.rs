//! A read model of its own: MyPage keeps what order, cook and delivery tell, and needs none of them to answer.

use serde_json::{Value, json};
use tests::{
    api::{Api, text},
    process::Service,
    wait,
};

use crate::{
    Outcome, Stage,
    load::{Load, PAGES, Rate},
};

/// Who owns what MyPage shows.
const OWNERS: [Service; 3] = [Service::Order, Service::Cook, Service::Delivery];

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let api = &stage.gateway;
    let more = stage.length.pick(100, 1_000);
    let menu = api.menu_with_stock(10).await;
    let order = api.place_one(&menu, 2).await;
    api.follow(&order, "DELIVERED").await;
    // MyPage may hear of it ahead of the owner of what it shows.
    let page = wait::until("MyPage and the owners to say the same", wait::SOON, async || {
        let page = api.mypage(&order).await.expect(200);
        same(stage, api, &order, &page).await.map(|()| page)
    })
    .await;

    let load = Load::start(stage, Rate { orders: 0, reads: 50 }, PAGES, &OWNERS).await;
    load.answers(more).await;
    load.mark("replicas: 0");
    let none = json!({ "replicas": 0, "autoscaling": null });
    stage.change(json!({ "services": { "order": none, "cook": none, "delivery": none } })).await;
    for service in OWNERS {
        stage.until_pods(service, 0).await;
    }
    load.mark("no pod of them");
    let shown = stage.kubectl(&["get", "foodplatform", &stage.platform.name, "-o", "wide"]).await;
    let pods = stage.kubectl(&["get", "pods", "-l", &stage.platform.selector()]).await;
    load.answers(more).await;
    let answer = api.mypage(&order).await;
    if answer.status != 200 || answer.body != page {
        return Err(format!("MyPage answers {} without the owners: {}, not {page}", answer.status, answer.text));
    }
    let list = api.get(&format!("/mypages?customerId={}", text(&page, "customerId"))).await;
    let items = list.body["items"].as_array().cloned().unwrap_or_default();
    if list.status != 200 || !items.iter().any(|item| text(item, "orderId") == order) {
        return Err(format!("MyPage doesn't list order {order} without the owners: {}: {}", list.status, list.text));
    }
    let traffic = load.stop().await;
    let answered = traffic.without_failure()?;
    Ok(Outcome {
        done: "one order to its delivery, then replicas: 0 for order, cook and delivery while people read".to_owned(),
        seen: format!(
            "MyPage equals the three owners' data, and says and lists the same while no pod of them runs; {answered} reads and \
             none failed"
        ),
        figure: format!("0 of {answered} reads failed"),
        shown: vec![shown, pods],
        timeline: Some(traffic.timeline),
    })
}

/// Whether a page says what the owners say.
async fn same(stage: &Stage, api: &Api, order: &str, page: &Value) -> Result<(), String> {
    let own = api.get(&format!("/orders/{order}")).await.expect(200);
    let cook = stage.direct(Service::Cook).await.get(&format!("/cooks/{}", text(page, "cookId"))).await.expect(200);
    let delivery = stage.direct(Service::Delivery).await;
    let delivery = delivery.get(&format!("/deliveries/{}", text(page, "deliveryId"))).await.expect(200);
    let fields = ["orderId", "customerId", "restaurantId", "menuId", "quantity", "cancellation", "reason"];
    for field in fields {
        if page[field] != own[field] {
            return Err(format!("MyPage has {} as {field} of order {order}, order has {}", page[field], own[field]));
        }
    }
    for (field, owner) in [("status", &own), ("cookStatus", &cook), ("deliveryStatus", &delivery)] {
        if page[field] != owner["status"] {
            return Err(format!(
                "MyPage has {} as {field} of order {order}, its owner {}",
                page[field], owner["status"]
            ));
        }
    }
    Ok(())
}
