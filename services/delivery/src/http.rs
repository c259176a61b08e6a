//! Delivery's HTTP interface.

use axum::extract::State;
use chassis::http::{Json, Limit, Page, Path, Problem, Query, Result};
use contract::{DeliverySnapshot, DeliveryStatus, Identifier};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    courier::{Courier, Error},
    domain::Command,
    store,
};

/// The routes, with their description.
pub(crate) fn api() -> OpenApiRouter<Courier> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(get_one))
        .routes(routes!(pick_up))
        .routes(routes!(complete))
        .routes(routes!(fail))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchDelivery(_) => Self::not_found(error.to_string()),
            Error::WrongState(_) => Self::conflict(error.to_string()),
            Error::Database(error) => error.into(),
        }
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only deliveries with this status
    #[param(inline)]
    state: Option<DeliveryStatus>,
    /// The `next` of the page before
    #[param(inline)]
    cursor: Option<Identifier>,
    /// The most items of a page
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
}

/// Deliveries, the newest first
#[utoipa::path(
    get,
    path = "/deliveries",
    operation_id = "listDeliveries",
    tag = "deliveries",
    params(ListQuery),
    responses((status = 200, description = "A page of them", body = Page<DeliverySnapshot>)),
)]
async fn list(State(courier): State<Courier>, Query(query): Query<ListQuery>) -> Result<Json<Page<DeliverySnapshot>>> {
    let before = query.cursor.as_ref().map(Identifier::as_str);
    let items = store::list(courier.database().pool(), query.state, before, query.limit.rows()).await?;
    Ok(Json(Page::new(items, query.limit, |delivery| delivery.delivery_id.to_string())))
}

/// A delivery as it is
#[utoipa::path(
    get,
    path = "/deliveries/{deliveryId}",
    operation_id = "getDelivery",
    tag = "deliveries",
    params(("deliveryId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The delivery", body = DeliverySnapshot),
        (status = 404, description = "There is no such delivery."),
    ),
)]
async fn get_one(State(courier): State<Courier>, Path(id): Path<Identifier>) -> Result<Json<DeliverySnapshot>> {
    let delivery = store::get(courier.database().pool(), &id).await?;
    Ok(Json(delivery.ok_or(Error::NoSuchDelivery(id))?))
}

/// Say that the courier has the food
#[utoipa::path(
    post,
    path = "/deliveries/{deliveryId}/pick-up",
    operation_id = "pickUpDelivery",
    tag = "deliveries",
    params(("deliveryId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The delivery, changed now or earlier", body = DeliverySnapshot),
        (status = 404, description = "There is no such delivery."),
        (status = 409, description = "The delivery's state does not allow it."),
    ),
)]
async fn pick_up(State(courier): State<Courier>, Path(id): Path<Identifier>) -> Result<Json<DeliverySnapshot>> {
    Ok(Json(courier.command(&id, Command::PickUp).await?))
}

/// Say that it was handed over
#[utoipa::path(
    post,
    path = "/deliveries/{deliveryId}/complete",
    operation_id = "completeDelivery",
    tag = "deliveries",
    params(("deliveryId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The delivery, changed now or earlier", body = DeliverySnapshot),
        (status = 404, description = "There is no such delivery."),
        (status = 409, description = "The delivery's state does not allow it."),
    ),
)]
async fn complete(State(courier): State<Courier>, Path(id): Path<Identifier>) -> Result<Json<DeliverySnapshot>> {
    Ok(Json(courier.command(&id, Command::Complete).await?))
}

/// Say that it could not be handed over
#[utoipa::path(
    post,
    path = "/deliveries/{deliveryId}/fail",
    operation_id = "failDelivery",
    tag = "deliveries",
    params(("deliveryId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The delivery, changed now or earlier", body = DeliverySnapshot),
        (status = 404, description = "There is no such delivery."),
        (status = 409, description = "The delivery's state does not allow it."),
    ),
)]
async fn fail(State(courier): State<Courier>, Path(id): Path<Identifier>) -> Result<Json<DeliverySnapshot>> {
    Ok(Json(courier.command(&id, Command::Fail).await?))
}
