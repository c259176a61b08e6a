//! Order's HTTP interface.

use std::time::Duration;

use axum::{
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use chassis::{
    db::now,
    http::{IdempotencyKey, Json, Limit, Page, Path, Problem, Query, Result, openapi::Optional},
};
use contract::{Cancellation, Identifier, OrderSnapshot, OrderStatus, PlaceOrder, order_id, order_id_without_key};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    cancellation::Cancelled,
    orders::{Error, Orders},
    store::{self, Filter, Place},
};

/// The routes, with their description.
pub(crate) fn api() -> OpenApiRouter<Orders> {
    OpenApiRouter::default().routes(routes!(place, list)).routes(routes!(get_one, delete)).routes(routes!(cancel))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchOrder(_) => Self::not_found(error.to_string()),
            Error::KeyReused => Self::invalid("Idempotency-Key", error),
            Error::Database(error) => (&*error).into(),
        }
    }
}

/// Place an order
///
/// The same customer and `Idempotency-Key` give the same order, however often it is sent.
#[utoipa::path(
    post,
    path = "/orders",
    operation_id = "placeOrder",
    tag = "orders",
    params(Optional<IdempotencyKey>),
    request_body = PlaceOrder,
    responses(
        (status = 201, description = "The order; the first one again when it is repeated", body = OrderSnapshot,
            headers(("Location" = String, description = "Where the order is"))),
        (status = 422, description = "A field's value is not acceptable, or the key belongs to another order."),
    ),
)]
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

/// An order as it is
#[utoipa::path(
    get,
    path = "/orders/{orderId}",
    operation_id = "getOrder",
    tag = "orders",
    params(("orderId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The order", body = OrderSnapshot),
        (status = 404, description = "There is no such order."),
    ),
)]
async fn get_one(State(orders): State<Orders>, Path(id): Path<Identifier>) -> Result<Json<OrderSnapshot>> {
    Ok(Json(orders.get(id).await?))
}

#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only this customer's orders
    #[param(inline)]
    customer_id: Option<Identifier>,
    /// Only orders with this status
    #[param(inline)]
    state: Option<OrderStatus>,
    /// Only orders whose cancellation stands so
    #[param(inline)]
    cancellation: Option<Cancellation>,
    /// Only orders placed at least so many seconds ago
    #[param(maximum = 4_294_967_295_i64, format = Int64)]
    older_than: Option<u32>,
    /// The `next` of the page before
    #[param(value_type = Option<String>, pattern = r"^[0-9]{1,16}\.[A-Za-z0-9._-]{1,64}$")]
    cursor: Option<Cursor>,
    /// The most items of a page
    #[param(inline)]
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

/// Orders, the newest first
#[utoipa::path(
    get,
    path = "/orders",
    operation_id = "listOrders",
    tag = "orders",
    params(ListQuery),
    responses((status = 200, description = "A page of them", body = Page<OrderSnapshot>)),
)]
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

/// Cancel an order, together with its cooking
#[utoipa::path(
    post,
    path = "/orders/{orderId}/cancel",
    operation_id = "cancelOrder",
    tag = "orders",
    params(("orderId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "It is cancelled, now or earlier.", body = OrderSnapshot),
        (status = 202, description = "Asked; the kitchen's answer is not known yet.", body = OrderSnapshot,
            headers(("Location" = String, description = "Where to look"))),
        (status = 404, description = "There is no such order."),
        (status = 409, description = "The kitchen has completed it; nothing has changed."),
    ),
)]
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

/// Cancel an order: the same as `POST /orders/{orderId}/cancel`
///
/// The order stays readable, as a cancelled one.
#[utoipa::path(
    delete,
    path = "/orders/{orderId}",
    operation_id = "deleteOrder",
    tag = "orders",
    params(("orderId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "It is cancelled, now or earlier.", body = OrderSnapshot),
        (status = 202, description = "Asked; the kitchen's answer is not known yet.", body = OrderSnapshot,
            headers(("Location" = String, description = "Where to look"))),
        (status = 404, description = "There is no such order."),
        (status = 409, description = "The kitchen has completed it; nothing has changed."),
    ),
)]
async fn delete(orders: State<Orders>, id: Path<Identifier>) -> Result<Response> {
    cancel(orders, id).await
}

fn location(id: &Identifier) -> (HeaderName, String) {
    (header::LOCATION, format!("/orders/{id}"))
}
