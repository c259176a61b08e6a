//! `POST /orders`. Placing is idempotent: the order's id follows from the customer and the `Idempotency-Key`. A caller
//! without a key gets one here, so that the id is known ahead of the answer and is told even when there is none.

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chassis::http::{MAX_BODY, Problem};
use contract::Identifier;
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use uuid::Uuid;

use crate::{
    routes::Way,
    upstream::{IDEMPOTENCY_KEY, Outgoing},
};

/// Tells the id that the order has, or will have once it is placed with the same key.
pub const ORDER_ID: HeaderName = HeaderName::from_static("order-id");

/// Forwards an order with a key. The answer has the headers `Order-Id` and `Idempotency-Key`; a problem of the gateway's
/// own has the id as its member `orderId`, too.
pub(crate) async fn place(State(way): State<Way>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("A body has at most {MAX_BODY} bytes.");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).into_response();
        }
        Err(_) => return Problem::new(StatusCode::BAD_REQUEST, "The body ended early.").into_response(),
    };
    let key = parts.headers.entry(IDEMPOTENCY_KEY).or_insert_with(fresh_key).clone();
    let order_id = order_id(&body, &key);
    // It is sent whole now, so its length is known even if the caller's was not.
    parts.headers.remove(http::header::CONTENT_LENGTH);

    let answer = way.send(Request::from_parts(parts, Outgoing::Whole(body))).await;
    let mut response = match (answer, &order_id) {
        (Ok(response), _) => response,
        (Err(problem), Some(order_id)) => problem.with("orderId", order_id.as_str()).into_response(),
        (Err(problem), None) => problem.into_response(),
    };
    response.headers_mut().insert(IDEMPOTENCY_KEY, key);
    // An id's characters are a header value's, too.
    if let Some(value) = order_id.and_then(|id| HeaderValue::try_from(id.as_str()).ok()) {
        response.headers_mut().insert(ORDER_ID, value);
    }
    response
}

#[allow(clippy::expect_used, reason = "hexadecimal digits and hyphens are characters of a header's value")]
fn fresh_key() -> HeaderValue {
    HeaderValue::try_from(Uuid::new_v4().to_string()).expect("a UUID is a header's value")
}

/// The order's id; `None` when the body names no customer or the key is no text, which order will refuse.
fn order_id(body: &Bytes, key: &HeaderValue) -> Option<Identifier> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Customer {
        customer_id: Identifier,
    }
    let Customer { customer_id } = serde_json::from_slice(body).ok()?;
    Some(contract::order_id(&customer_id, key.to_str().ok()?))
}
