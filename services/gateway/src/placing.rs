//! Placing and cancelling orders, also while order is away.
//!
//! Placing is idempotent: the order's id follows from the customer and the `Idempotency-Key`. A caller without a key gets
//! one here, so that the id is known ahead of the answer and is told even when there is none.

use axum::{
    extract::{FromRequest, FromRequestParts, Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chassis::http::{IdempotencyKey, Json, Path, Problem, whole_body};
use contract::{Identifier, OverallStatus, PlaceOrder};
use http::{HeaderName, HeaderValue, StatusCode, request::Parts};
use uuid::Uuid;

use crate::{
    deferring::Deferring,
    routes::Way,
    upstream::{IDEMPOTENCY_KEY, Outgoing},
};

/// Tells the id that the order has, or will have once it is placed with the same key.
pub const ORDER_ID: HeaderName = HeaderName::from_static("order-id");

/// The way to order, and what is done when nobody is at its end.
#[derive(Clone)]
pub(crate) struct Orders {
    pub(crate) way: Way,
    /// The way to MyPage, which knows what waits for order.
    pub(crate) mypage: Way,
    pub(crate) deferring: Deferring,
}

/// Forwards an order with a key, or takes it for later. The answer has the headers `Order-Id` and `Idempotency-Key`; a
/// problem of the gateway's own has the id as its member `orderId`, too.
pub(crate) async fn place(State(orders): State<Orders>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = match whole_body(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let key = parts.headers.entry(IDEMPOTENCY_KEY).or_insert_with(fresh_key).clone();
    let order_id = order_id(&body, &key);
    // It is sent whole now, so its length is known even if the caller's was not.
    parts.headers.remove(http::header::CONTENT_LENGTH);

    let later = (parts.clone(), body.clone());
    let answer = orders.way.send(Request::from_parts(parts, Outgoing::Whole(body))).await;
    let mut response = match (answer, &order_id) {
        (Ok(response), _) => response,
        (Err(no_answer), _) if no_answer.is_away => match checked(later.0, later.1).await {
            Ok((id, order)) => orders.deferring.place(id, order).await,
            Err(problem) => problem.into_response(),
        },
        (Err(no_answer), Some(id)) => no_answer.problem.with("orderId", id.as_str()).into_response(),
        (Err(no_answer), None) => no_answer.problem.into_response(),
    };
    response.headers_mut().insert(IDEMPOTENCY_KEY, key);
    // An id's characters are a header value's, too.
    if let Some(value) = order_id.and_then(|id| HeaderValue::try_from(id.as_str()).ok()) {
        response.headers_mut().insert(ORDER_ID, value);
    }
    response
}

/// Forwards a cancellation, or takes it for later: while order is away, and while the order itself waits for it.
pub(crate) async fn cancel(State(orders): State<Orders>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let order_id = Path::<Identifier>::from_request_parts(&mut parts, &()).await;
    let body = match whole_body(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    parts.headers.remove(http::header::CONTENT_LENGTH);
    match orders.way.clone().send(Request::from_parts(parts, Outgoing::Whole(body))).await {
        Ok(response) if response.status() == StatusCode::NOT_FOUND => match order_id {
            Ok(Path(id)) if orders.waits(&id).await => orders.deferring.cancel(id).await,
            _ => response,
        },
        Ok(response) => response,
        Err(no_answer) if no_answer.is_away => match order_id {
            Ok(Path(id)) => orders.deferring.cancel(id).await,
            Err(problem) => problem.into_response(),
        },
        Err(no_answer) => no_answer.problem.into_response(),
    }
}

impl Orders {
    /// Whether MyPage has the order as one that was taken for order, and that order has not seen yet.
    async fn waits(&self, order_id: &Identifier) -> bool {
        #[derive(serde::Deserialize)]
        struct View {
            status: OverallStatus,
        }
        // An id's characters are a path's, too.
        let Ok(request) = Request::get(format!("/mypages/{order_id}")).body(Outgoing::Whole(Bytes::new())) else {
            return false;
        };
        let Ok(response) = self.mypage.clone().send(request).await else { return false };
        let Ok(view) = whole_body(response.into_body()).await else { return false };
        let view = serde_json::from_slice::<View>(&view);
        view.is_ok_and(|view| view.status == OverallStatus::Requested)
    }
}

/// What order itself checks ahead of placing, by the same code.
async fn checked(mut parts: Parts, body: Bytes) -> Result<(Identifier, PlaceOrder), Problem> {
    let key = <IdempotencyKey as FromRequestParts<()>>::from_request_parts(&mut parts, &()).await?;
    let Json(order) = Json::<PlaceOrder>::from_request(Request::from_parts(parts, body.into()), &()).await?;
    Ok((contract::order_id(&order.customer_id, &key.0), order))
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
