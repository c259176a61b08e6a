//! The whole of it, as a client sees it.

use axum::{
    Router,
    body::Body,
    http::{Request, Response},
    routing::{get, post},
};
use contract::{Identifier, PlaceOrder};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

#[derive(Deserialize)]
struct Filter {
    limit: Option<u32>,
}

fn app() -> Router {
    wrap(
        Router::new()
            .route("/orders", post(|Json(order): Json<PlaceOrder>| async move { Json(order) }))
            .route("/orders", get(|Query(filter): Query<Filter>| async move { Json(json!(filter.limit)) }))
            .route("/orders/{orderId}", get(|Path(id): Path<Identifier>| async move { id.to_string() }))
            .route("/restock", post(|key: IdempotencyKey| async move { key.0 }))
            .route(
                "/panic",
                get(|| async {
                    if true {
                        panic!("oh")
                    }
                }),
            ),
    )
}

async fn send(method: &str, uri: &str, content_type: Option<&str>, body: impl Into<Body>) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(content_type) = content_type {
        request = request.header("content-type", content_type);
    }
    app().oneshot(request.body(body.into()).unwrap()).await.unwrap()
}

/// Status and the field at fault; the answer must be a problem.
async fn problem(response: Response<Body>) -> (u16, Value) {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), MAX_BODY).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(body["status"], status);
    (status, body["errors"][0]["field"].clone())
}

#[tokio::test]
async fn wrong_bodies_are_refused_with_the_field_at_fault() {
    let whole = json!({"customerId": "ann", "restaurantId": "r", "menuId": "m", "quantity": 1});
    let with = |field: &str, value: Value| {
        let mut body = whole.clone();
        body[field] = value;
        body.to_string()
    };
    let table = [
        (with("quantity", json!(0)), 422, json!("quantity")),
        (with("quantity", json!("1")), 422, json!("quantity")),
        (with("customerId", json!("a b")), 422, json!("customerId")),
        (r#"{"customerId": "ann"}"#.to_owned(), 422, json!("restaurantId")),
        ("[]".to_owned(), 422, json!("body")),
        ("{".to_owned(), 400, Value::Null),
        (format!("{whole} x"), 400, Value::Null),
        (r#"["ann", "r", "m", 1]"#.to_owned(), 422, json!("body")),
        ("{\"a\":".repeat(10_000), 400, Value::Null),
        (with("note", json!("x".repeat(MAX_BODY))), 413, Value::Null),
    ];
    for (body, status, field) in table {
        let answer = problem(send("POST", "/orders", Some("application/json"), body.clone()).await).await;
        assert_eq!(answer, (status, field), "{}", &body[..body.len().min(100)]);
    }
    assert_eq!(problem(send("POST", "/orders", None, whole.to_string()).await).await.0, 415);
    assert_eq!(problem(send("POST", "/orders", Some("text/plain"), whole.to_string()).await).await.0, 415);
    let fine = send("POST", "/orders", Some("application/json; charset=utf-8"), whole.to_string()).await;
    assert_eq!(fine.status(), 200);
}

#[tokio::test]
async fn wrong_paths_queries_headers_and_methods_are_problems_too() {
    let table = [
        ("GET", "/orders/a%20b", 400, json!("orderId")),
        ("GET", "/orders/%ff", 400, json!("path")),
        ("GET", "/orders?limit=many", 400, json!("limit")),
        ("POST", "/restock", 400, json!("Idempotency-Key")),
        ("GET", "/nothing", 404, Value::Null),
        ("PUT", "/orders", 405, Value::Null),
        ("GET", "/panic", 500, Value::Null),
    ];
    for (method, uri, status, field) in table {
        assert_eq!(problem(send(method, uri, None, "").await).await, (status, field), "{method} {uri}");
    }
    assert_eq!(send("PUT", "/orders", None, "").await.headers()["allow"], "POST,GET,HEAD");
}

#[tokio::test]
async fn every_answer_carries_the_requests_id() {
    let request = Request::get("/nothing").header("x-request-id", "r-1").body(Body::empty()).unwrap();
    assert_eq!(app().oneshot(request).await.unwrap().headers()["x-request-id"], "r-1");
    assert!(send("GET", "/nothing", None, "").await.headers().contains_key("x-request-id"));
}
