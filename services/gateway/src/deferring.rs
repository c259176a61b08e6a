//! What is taken for order while order is away: it goes to Kafka, from where order takes it when it is back.

use std::sync::Arc;

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chassis::{
    db::now,
    http::{Json, Problem},
    publisher::Publisher,
    trace,
};
use contract::{CancelRequest, Cancellation, CloudEvent, Event, Identifier, OrderRequest, OverallStatus, PlaceOrder};
use serde::Serialize;
use utoipa::ToSchema;

/// Takes requests for later. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Deferring {
    publisher: Publisher,
    source: Arc<str>,
}

/// The answer to an order that was taken for later.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Placed {
    #[serde(flatten)]
    request: OrderRequest,
    status: OverallStatus,
}

/// The answer to a cancellation that was taken for later.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Cancelling {
    #[serde(flatten)]
    request: CancelRequest,
    cancellation: Cancellation,
}

impl Deferring {
    /// Takes requests in the name of `source`.
    pub fn new(publisher: Publisher, source: String) -> Self {
        Self { publisher, source: source.into() }
    }

    /// Takes an order that has passed order's own checks: 202, or 503 when Kafka is away too.
    pub(crate) async fn place(&self, order_id: Identifier, order: PlaceOrder) -> Response {
        let request = OrderRequest { order_id: order_id.clone(), order, requested_at: now() };
        let answer = Placed { request: request.clone(), status: OverallStatus::Requested };
        self.defer(Event::OrderRequested(request), order_id, answer).await
    }

    /// Takes the cancellation of an order.
    pub(crate) async fn cancel(&self, order_id: Identifier) -> Response {
        let request = CancelRequest { order_id: order_id.clone(), requested_at: now() };
        let answer = Cancelling { request: request.clone(), cancellation: Cancellation::Pending };
        self.defer(Event::CancelRequested(request), order_id, answer).await
    }

    async fn defer(&self, event: Event, order_id: Identifier, answer: impl Serialize) -> Response {
        let kind = event.kind();
        let event = CloudEvent::new(&*self.source, trace::traceparent(), event);
        if let Err(error) = self.publisher.publish(&event).await {
            tracing::warn!(%order_id, %error, "order is away, and the request could not be taken for later");
            metrics::counter!("gateway_deferred_total", "type" => kind, "outcome" => "failed").increment(1);
            let detail = "The order service is away, and the request could not be kept for it. Please try again.";
            return Problem::unavailable(detail).with("orderId", order_id.as_str()).into_response();
        }
        metrics::counter!("gateway_deferred_total", "type" => kind, "outcome" => "taken").increment(1);
        let location = format!("/mypages/{order_id}");
        (StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(answer)).into_response()
    }
}
