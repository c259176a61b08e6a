//! One way in: everything that customers, kitchens and couriers do goes by one address, and nothing else does.

use reqwest::Method;
use serde_json::json;
use tests::{
    api::{Answer, Api, RESTAURANT, fresh, text},
    process::Service,
};
use uuid::Uuid;

use crate::{Outcome, Stage};

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let api = &stage.gateway;
    let menu = api.menu_with_stock(10).await;
    let order = api.place_one(&menu, 1).await;
    let page = api.follow(&order, "DELIVERED").await;
    let (cook, delivery) = (text(&page, "cookId"), text(&page, "deliveryId"));
    let paths = [
        format!("/orders/{order}"),
        "/orders?limit=1".to_owned(),
        format!("/menus/{menu}"),
        "/menus?limit=1".to_owned(),
        format!("/menus/{menu}/movements"),
        format!("/cooks/{cook}"),
        "/cooks?limit=1".to_owned(),
        format!("/deliveries/{delivery}"),
        "/deliveries?limit=1".to_owned(),
        format!("/mypages/{order}"),
        "/mypages?customerId=ann".to_owned(),
        "/".to_owned(),
    ];
    for path in &paths {
        let answer = api.get(path).await;
        if answer.status != 200 {
            return Err(format!("GET {path}: {}: {}", answer.status, answer.text));
        }
    }
    let closed = cancellation(api, &menu).await;
    if closed.status != 404 {
        return Err(format!("POST /cancellations through the gateway: {}: {}", closed.status, closed.text));
    }
    // A stranger who has found the way past the gateway.
    let direct = stage.direct(Service::Cook).await;
    let refused = cancellation(&direct, &menu).await;
    if refused.status != 401 {
        return Err(format!("POST /cancellations to cook by a stranger: {}: {}", refused.status, refused.text));
    }
    let service = format!("{}-gateway", stage.platform.name);
    let shown = vec![
        stage.kubectl(&["get", "services", "-l", &stage.platform.selector()]).await,
        stage.kubectl(&["get", "networkpolicies", "-l", &stage.platform.selector()]).await,
        stage.kubectl(&["describe", "service", &service]).await,
    ];
    Ok(Outcome {
        done: format!("{} paths through {}, and /cancellations there and at cook itself", paths.len(), api.url("")),
        seen: "all answered 200; /cancellations is 404 at the gateway, and cook answers a stranger 401".to_owned(),
        figure: format!("{} of {} paths", paths.len(), paths.len()),
        shown,
        ..Outcome::default()
    })
}

async fn cancellation(api: &Api, menu: &str) -> Answer {
    let body = json!({
        "orderId": fresh(), "attemptId": Uuid::new_v4(), "customerId": "ann", "restaurantId": RESTAURANT, "menuId": menu,
        "quantity": 1,
    });
    api.send(api.request(Method::POST, "/cancellations").json(&body)).await
}
