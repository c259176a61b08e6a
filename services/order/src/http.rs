//! Order's HTTP interface.

use std::time::Duration;

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use chassis::{
    db::now,
    http::{IdempotencyKey, Json, Limit, Page, Path, Problem, Query, Result},
};
use contract::{Cancellation, Identifier, OrderSnapshot, OrderStatus, PlaceOrder, order_id, order_id_without_key};
use serde::Deserialize;

use crate::{
    cancellation::Cancelled,
    orders::{Error, Orders},
    store::{self, Filter, Place},
};

/// The routes.
pub(crate) fn routes(orders: Orders) -> Router {
    Router::new()
        .route("/orders", post(place).get(list))
        .route("/orders/{orderId}", get(get_one).delete(cancel))
        .route("/orders/{orderId}/cancel", post(cancel))
        .with_state(orders)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchOrder(_) => Self::not_found(error.to_string()),
            Error::KeyReused => Self::invalid("Idempotency-Key", error),
            Error::Database(error) => error.into(),
        }
    }
}

async fn place(
    State(orders): State<Orders>,
    key: Option<IdempotencyKey>,
    Json(wanted): Json<PlaceOrder>,
) -> Result<Response> {
    let id = match key {
        Some(IdempotencyKey(key)) => order_id(&wanted.customer_id, &key),
        None => order_id_without_key(),
    };
    // A caller who gets an error can look whether the order is there all the same.
    let placed = orders.place(id.clone(), wanted).await;
    let order = placed.map_err(|error| Problem::from(error).with("orderId", id.as_str()))?;
    Ok((StatusCode::CREATED, [location(&id)], Json(order)).into_response())
}

async fn get_one(State(orders): State<Orders>, Path(id): Path<Identifier>) -> Result<Json<OrderSnapshot>> {
    Ok(Json(orders.get(id).await?))
}

/// Which orders to give. The cursor is the `next` of the page before.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListQuery {
    customer_id: Option<Identifier>,
    state: Option<OrderStatus>,
    cancellation: Option<Cancellation>,
    /// Only orders placed at least so many seconds ago.
    older_than: Option<u32>,
    cursor: Option<Cursor>,
    #[serde(default)]
    limit: Limit,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Cursor(Place);

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

async fn list(State(orders): State<Orders>, Query(query): Query<ListQuery>) -> Result<Json<Page<OrderSnapshot>>> {
    let filter = Filter {
        customer: query.customer_id.as_ref(),
        status: query.state,
        cancellation: query.cancellation,
        placed_before: query.older_than.map(|seconds| now() - Duration::from_secs(seconds.into())),
        after: query.cursor.as_ref().map(|cursor| &cursor.0),
    };
    let items = store::list(orders.database.pool(), &filter, query.limit.rows()).await?;
    Ok(Json(Page::new(items, query.limit, |order| Place::of(order).to_string())))
}

async fn cancel(State(orders): State<Orders>, Path(id): Path<Identifier>) -> Result<Response> {
    Ok(match orders.cancel(&id).await? {
        Cancelled::Yes(order) => Json(order).into_response(),
        Cancelled::NotKnownYet(order) => (StatusCode::ACCEPTED, [location(&id)], Json(order)).into_response(),
        Cancelled::No(order) => {
            let problem = Problem::conflict("The kitchen has completed this order, so it can't be cancelled.");
            problem.with("orderId", id.as_str()).with("orderStatus", order.status.as_str()).into_response()
        }
        Cancelled::NotNow => {
            let detail = "The kitchen can't be reached, so nothing has changed. Please try again.";
            Problem::unavailable(detail).with("orderId", id.as_str()).into_response()
        }
    })
}

fn location(id: &Identifier) -> (HeaderName, String) {
    (header::LOCATION, format!("/orders/{id}"))
}
