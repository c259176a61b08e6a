//! A read model of its own: MyPage keeps what order, cook and delivery tell, and needs none of them to answer.

use serde_json::{Value, json};
use tests::{
    api::{Api, text},
    process::Service,
};

use crate::{Outcome, Stage};

/// Who owns what MyPage shows.
const OWNERS: [Service; 3] = [Service::Order, Service::Cook, Service::Delivery];

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let api = &stage.gateway;
    let menu = api.menu_with_stock(10).await;
    let order = api.place_one(&menu, 2).await;
    let page = api.follow(&order, "DELIVERED").await;
    same(stage, api, &order, &page).await?;

    let none = json!({ "replicas": 0, "autoscaling": null });
    stage.change(json!({ "services": { "order": none, "cook": none, "delivery": none } })).await;
    for service in OWNERS {
        stage.until_pods(service, 0).await;
    }
    let shown = stage.kubectl(&["get", "foodplatform", &stage.platform.name, "-o", "wide"]).await;
    let pods = stage.kubectl(&["get", "pods", "-l", &stage.platform.selector()]).await;
    let answer = api.mypage(&order).await;
    if answer.status != 200 || answer.body != page {
        return Err(format!("MyPage answers {} without the owners: {}, not {page}", answer.status, answer.text));
    }
    let list = api.get(&format!("/mypages?customerId={}", text(&page, "customerId"))).await;
    let items = list.body["items"].as_array().map(Vec::len).unwrap_or_default();
    if list.status != 200 || items == 0 {
        return Err(format!("MyPage lists {items} orders without the owners: {}: {}", list.status, list.text));
    }
    Ok(Outcome {
        done: "one order to its delivery, then replicas: 0 for order, cook and delivery".to_owned(),
        seen: "MyPage equals the three owners' data, and answers the same while no pod of them runs".to_owned(),
        figure: format!("{items} orders listed"),
        shown: vec![shown, pods],
        ..Outcome::default()
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
