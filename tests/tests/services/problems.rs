//! Every error is a problem (RFC 9457) that names the field at fault, also through the gateway.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tests::{
    api::{fresh, order_of},
    platform::{Platform, Setup},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(1).await;
    let order = order_of(&menu, 1);
    let with = |field: &str, value: Value| {
        let mut body = order.clone();
        body[field] = value;
        body.to_string()
    };
    let mut without = order.clone();
    without.as_object_mut().expect("an object").remove("menuId");

    let orders = [
        ("{".to_owned(), 400, None),
        (with("quantity", json!(0)), 422, Some("quantity")),
        (with("quantity", json!(1001)), 422, Some("quantity")),
        (with("quantity", json!("two")), 422, Some("quantity")),
        (with("customerId", json!("ann lee")), 422, Some("customerId")),
        (with("note", json!("x".repeat(501))), 422, Some("note")),
        (without.to_string(), 422, Some("menuId")),
        (with("note", json!("x".repeat(64 * 1024))), 413, None),
    ];
    for (body, status, field) in orders {
        let shown = body[..body.len().min(120)].to_owned();
        let request = platform.api.request(Method::POST, "/orders").header(CONTENT_TYPE, "application/json").body(body);
        let answer = platform.api.send(request).await;
        assert_eq!(answer.status, status, "{shown}: {}", answer.text);
        let problem = answer.expect_problem(status);
        assert_eq!(problem["errors"][0]["field"].as_str(), field, "{shown}: {problem}");
    }

    let others = [
        (Method::GET, "/orders/no%20id".to_owned(), 400),
        (Method::GET, "/orders/unknown".to_owned(), 404),
        (Method::GET, "/menus/unknown".to_owned(), 404),
        (Method::GET, "/cooks/unknown".to_owned(), 404),
        (Method::GET, "/deliveries/unknown".to_owned(), 404),
        (Method::GET, "/mypages/unknown".to_owned(), 404),
        (Method::GET, "/orders?limit=many".to_owned(), 400),
        (Method::GET, "/nothing".to_owned(), 404),
        (Method::PATCH, "/orders".to_owned(), 405),
    ];
    for (method, path, status) in others {
        let answer = platform.api.send(platform.api.request(method.clone(), &path)).await;
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
        answer.expect_problem(status);
    }
    assert_eq!(platform.api.on_hand(&menu).await, 1, "nothing of this was an order");
}

#[tokio::test(flavor = "multi_thread")]
async fn restocking_asks_for_a_key_a_quantity_and_an_item() {
    let platform = Platform::start(Setup::default()).await;
    let menu = platform.api.menu_with_stock(0).await;
    let path = format!("/menus/{menu}/restock");
    platform.api.post(&path, &json!({ "quantity": 1 })).await.expect_problem(400);
    platform.api.restock(&menu, 0, &fresh()).await.expect_problem(422);
    platform.api.restock(&menu, 1001, &fresh()).await.expect_problem(422);
    platform.api.restock("unknown", 1, &fresh()).await.expect_problem(404);
    assert_eq!(platform.api.on_hand(&menu).await, 0);
}
