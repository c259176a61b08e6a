//! Delivery's HTTP interface.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use chassis::http::{Json, Limit, Page, Path, Problem, Query, Result};
use contract::{DeliverySnapshot, DeliveryStatus, Identifier};
use serde::Deserialize;

use crate::{
    courier::{Courier, Error},
    domain::Command,
    store,
};

/// The routes.
pub(crate) fn routes(courier: Courier) -> Router {
    let command = |command| {
        post(async move |State(courier): State<Courier>, Path(id): Path<Identifier>| -> Result<_> {
            Ok(Json(courier.command(&id, command).await?))
        })
    };
    Router::new()
        .route("/deliveries", get(list))
        .route("/deliveries/{deliveryId}", get(get_one))
        .route("/deliveries/{deliveryId}/pick-up", command(Command::PickUp))
        .route("/deliveries/{deliveryId}/complete", command(Command::Complete))
        .route("/deliveries/{deliveryId}/fail", command(Command::Fail))
        .with_state(courier)
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

/// Which deliveries to give. The cursor is the `next` of the page before.
#[derive(Deserialize)]
struct ListQuery {
    state: Option<DeliveryStatus>,
    cursor: Option<Identifier>,
    #[serde(default)]
    limit: Limit,
}

async fn list(State(courier): State<Courier>, Query(query): Query<ListQuery>) -> Result<Json<Page<DeliverySnapshot>>> {
    let before = query.cursor.as_ref().map(Identifier::as_str);
    let items = store::list(courier.database().pool(), query.state, before, query.limit.rows()).await?;
    Ok(Json(Page::new(items, query.limit, |delivery| delivery.delivery_id.to_string())))
}

async fn get_one(State(courier): State<Courier>, Path(id): Path<Identifier>) -> Result<Json<DeliverySnapshot>> {
    let delivery = store::get(courier.database().pool(), &id).await?;
    Ok(Json(delivery.ok_or(Error::NoSuchDelivery(id))?))
}
