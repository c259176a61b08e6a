//! The kitchen's HTTP interface.

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use chassis::http::{IdempotencyKey, Json, Limit, Page, Path, Problem, Query, Result};
use contract::{CancelCook, CancelDecision, CookSnapshot, CookStatus, FreeText, Identifier, Quantity};
use serde::Deserialize;

use crate::{
    kitchen::{Error, Kitchen},
    store::{
        cooks,
        menus::{self, MenuItem, Movement},
    },
};

/// The routes. `/cancellations` is for the order service; the gateway does not pass it on.
pub(crate) fn routes(kitchen: Kitchen) -> Router {
    Router::new()
        .route("/menus", get(list_menus))
        .route("/menus/{menuId}", get(get_menu).put(put_menu))
        .route("/menus/{menuId}/restock", post(restock))
        .route("/menus/{menuId}/movements", get(list_movements))
        .route("/cooks", get(list_cooks))
        .route("/cooks/{cookId}", get(get_cook))
        .route("/cooks/{cookId}/complete", post(complete))
        .route("/cooks/{cookId}/reject", post(reject))
        .route("/cancellations", post(cancel))
        .with_state(kitchen)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NoSuchMenu(_) | Error::NoSuchCook(_) => Self::not_found(error.to_string()),
            Error::WrongState(_) => Self::conflict(error.to_string()),
            Error::KeyReused(_) => Self::invalid("Idempotency-Key", error),
            Error::Database(error) => error.into(),
        }
    }
}

/// Which part of a list to give. The cursor is the `next` of the page before.
#[derive(Deserialize)]
struct PageQuery {
    cursor: Option<Identifier>,
    #[serde(default)]
    limit: Limit,
}

async fn list_menus(State(kitchen): State<Kitchen>, Query(query): Query<PageQuery>) -> Result<Json<Page<MenuItem>>> {
    let after = query.cursor.as_ref().map(Identifier::as_str);
    let items = menus::list(kitchen.database().pool(), after, query.limit.rows()).await?;
    Ok(Json(Page::new(items, query.limit, |item| item.menu_id.to_string())))
}

async fn get_menu(State(kitchen): State<Kitchen>, Path(menu_id): Path<Identifier>) -> Result<Json<MenuItem>> {
    let item = menus::get(kitchen.database().pool(), &menu_id).await?;
    Ok(Json(item.ok_or(Error::NoSuchMenu(menu_id))?))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutMenu {
    restaurant_id: Identifier,
    name: FreeText,
}

async fn put_menu(
    State(kitchen): State<Kitchen>,
    Path(menu_id): Path<Identifier>,
    Json(body): Json<PutMenu>,
) -> Result<impl IntoResponse> {
    let (item, new) = menus::put(kitchen.database().pool(), &menu_id, &body.restaurant_id, &body.name).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(item)))
}

#[derive(Deserialize)]
struct Restock {
    quantity: Quantity,
}

async fn restock(
    State(kitchen): State<Kitchen>,
    Path(menu_id): Path<Identifier>,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<Restock>,
) -> Result<Json<Movement>> {
    Ok(Json(kitchen.restock(&menu_id, &key, body.quantity).await?))
}

#[derive(Deserialize)]
struct MovementsQuery {
    cursor: Option<i64>,
    #[serde(default)]
    limit: Limit,
}

async fn list_movements(
    State(kitchen): State<Kitchen>,
    Path(menu_id): Path<Identifier>,
    Query(query): Query<MovementsQuery>,
) -> Result<Json<Page<Movement>>> {
    let pool = kitchen.database().pool();
    let items = menus::movements(pool, &menu_id, query.cursor, query.limit.rows()).await?;
    if items.is_empty() && menus::get(pool, &menu_id).await?.is_none() {
        return Err(Error::NoSuchMenu(menu_id).into());
    }
    Ok(Json(Page::new(items, query.limit, |movement| movement.seq.to_string())))
}

#[derive(Deserialize)]
struct CooksQuery {
    state: Option<CookStatus>,
    cursor: Option<Identifier>,
    #[serde(default)]
    limit: Limit,
}

async fn list_cooks(
    State(kitchen): State<Kitchen>,
    Query(query): Query<CooksQuery>,
) -> Result<Json<Page<CookSnapshot>>> {
    let before = query.cursor.as_ref().map(Identifier::as_str);
    let items = cooks::list(kitchen.database().pool(), query.state, before, query.limit.rows()).await?;
    Ok(Json(Page::new(items, query.limit, |cook| cook.cook_id.to_string())))
}

async fn get_cook(State(kitchen): State<Kitchen>, Path(cook_id): Path<Identifier>) -> Result<Json<CookSnapshot>> {
    let cook = cooks::get(kitchen.database().pool(), &cook_id).await?;
    Ok(Json(cook.ok_or(Error::NoSuchCook(cook_id))?))
}

async fn complete(State(kitchen): State<Kitchen>, Path(cook_id): Path<Identifier>) -> Result<Json<CookSnapshot>> {
    Ok(Json(kitchen.complete(&cook_id).await?))
}

async fn reject(State(kitchen): State<Kitchen>, Path(cook_id): Path<Identifier>) -> Result<Json<CookSnapshot>> {
    Ok(Json(kitchen.reject(&cook_id).await?))
}

async fn cancel(State(kitchen): State<Kitchen>, Json(request): Json<CancelCook>) -> Result<Json<CancelDecision>> {
    Ok(Json(kitchen.cancel(request).await?))
}
