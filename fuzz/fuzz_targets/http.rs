//! Requests, whatever they hold, are taken or answered with a problem (RFC 9457): the services' extractors and contract,
//! without what lies behind them.
//!
//! An input is a method and a target in one line, a line for each header (`NAME: VALUE`), an empty line, and the body.
#![no_main]

use std::sync::LazyLock;

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, Response, StatusCode},
    routing::{get, post},
};
use chassis::http::{IdempotencyKey, Json, Limit, MAX_BODY, Path, Query};
use contract::{CancelCook, Cancellation, FreeText, Identifier, OrderStatus, PlaceOrder, Quantity};
use libfuzzer_sys::fuzz_target;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    restaurant_id: Identifier,
    name: FreeText,
    quantity: Quantity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "reading it is what is tried")]
struct Filter {
    customer_id: Option<Identifier>,
    state: Option<OrderStatus>,
    cancellation: Option<Cancellation>,
    older_than: Option<u32>,
    #[serde(default)]
    limit: Limit,
}

fn routes() -> Router {
    Router::new()
        .route("/orders", post(async |_: Option<IdempotencyKey>, order: Json<PlaceOrder>| order))
        .route("/orders", get(async |_: Query<Filter>| StatusCode::OK))
        .route("/orders/{orderId}", get(async |Path(id): Path<Identifier>| id.to_string()))
        .route("/menus/{menuId}", post(async |_: Path<Identifier>, _: IdempotencyKey, item: Json<Item>| item))
        .route("/cancellations", post(async |request: Json<CancelCook>| request))
}

fuzz_target!(|input: &[u8]| {
    let Some(request) = request(input) else { return };
    RUNTIME.block_on(async {
        let Ok(response) = routes().oneshot(request).await;
        check(response).await;
    });
});

fn request(input: &[u8]) -> Option<Request<Body>> {
    let end = input.windows(2).position(|bytes| bytes == b"\n\n").unwrap_or(input.len());
    let mut lines = input[..end].split(|byte| *byte == b'\n');
    let mut line = lines.next()?.splitn(2, |byte| *byte == b' ');
    let mut request = Request::builder().method(line.next()?).uri(line.next()?);
    for line in lines {
        let end = line.windows(2).position(|bytes| bytes == b": ")?;
        request = request.header(&line[..end], &line[end + 2..]);
    }
    request.body(Body::from(input.get(end + 2..).unwrap_or_default().to_vec())).ok()
}

async fn check(response: Response<Body>) {
    let (head, body) = response.into_parts();
    let body = to_bytes(body, 2 * MAX_BODY).await.expect("a whole body");
    if head.status.is_success() {
        return;
    }
    assert!(head.status.is_client_error(), "{}", head.status);
    // The routes above have no fallbacks; the chassis' own are problems.
    if matches!(head.status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) && body.is_empty() {
        return;
    }
    assert_eq!(head.headers["content-type"], "application/problem+json");
    let problem: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(problem["status"], head.status.as_u16());
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
}
