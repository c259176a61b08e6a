//! The kitchen's HTTP interface.

use axum::{
    extract::{FromRef, State},
    http::StatusCode,
    response::IntoResponse,
};
use chassis::http::{Authorized, IdempotencyKey, Json, Limit, Page, Path, Problem, Query, Result, Tokens};
use contract::{CancelCook, CancelDecision, CookSnapshot, CookStatus, FreeText, Identifier, Quantity};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    kitchen::{Error, Kitchen},
    store::{
        cooks,
        menus::{self, MenuItem, Movement},
    },
};

/// What the routes need.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) kitchen: Kitchen,
    /// Who shows one of these may cancel.
    pub(crate) cancellation_tokens: Tokens,
}

impl FromRef<Api> for Kitchen {
    fn from_ref(api: &Api) -> Self {
        api.kitchen.clone()
    }
}

impl FromRef<Api> for Tokens {
    fn from_ref(api: &Api) -> Self {
        api.cancellation_tokens.clone()
    }
}

/// The routes, with their description. `/cancellations` is for the order service; the gateway does not pass it on.
pub(crate) fn api() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(list_menus))
        .routes(routes!(get_menu, put_menu))
        .routes(routes!(restock))
        .routes(routes!(list_movements))
        .routes(routes!(list_cooks))
        .routes(routes!(get_cook))
        .routes(routes!(complete))
        .routes(routes!(reject))
        .routes(routes!(cancel))
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// The `next` of the page before
    #[param(inline)]
    cursor: Option<Identifier>,
    /// The most items of a page
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
}

/// Menu items, by their ids
#[utoipa::path(
    get,
    path = "/menus",
    operation_id = "listMenus",
    tag = "menus",
    params(PageQuery),
    responses((status = 200, description = "A page of them", body = Page<MenuItem>)),
)]
async fn list_menus(State(kitchen): State<Kitchen>, Query(query): Query<PageQuery>) -> Result<Json<Page<MenuItem>>> {
    let after = query.cursor.as_ref().map(Identifier::as_str);
    let items = menus::list(kitchen.database().pool(), after, query.limit.rows()).await?;
    Ok(Json(Page::new(items, query.limit, |item| item.menu_id.to_string())))
}

/// A menu item with its stock
#[utoipa::path(
    get,
    path = "/menus/{menuId}",
    operation_id = "getMenu",
    tag = "menus",
    params(("menuId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The item", body = MenuItem),
        (status = 404, description = "There is no such menu item."),
    ),
)]
async fn get_menu(State(kitchen): State<Kitchen>, Path(menu_id): Path<Identifier>) -> Result<Json<MenuItem>> {
    let item = menus::get(kitchen.database().pool(), &menu_id).await?;
    Ok(Json(item.ok_or(Error::NoSuchMenu(menu_id))?))
}

/// What is to be said of a menu item.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PutMenu {
    restaurant_id: Identifier,
    name: FreeText,
}

/// Make a menu item, or change it
///
/// Its stock is never touched; a new item has none.
#[utoipa::path(
    put,
    path = "/menus/{menuId}",
    operation_id = "putMenu",
    tag = "menus",
    params(("menuId" = inline(Identifier), Path)),
    request_body = PutMenu,
    responses(
        (status = 200, description = "The item, changed", body = MenuItem),
        (status = 201, description = "The item, which is new", body = MenuItem),
    ),
)]
async fn put_menu(
    State(kitchen): State<Kitchen>,
    Path(menu_id): Path<Identifier>,
    Json(body): Json<PutMenu>,
) -> Result<impl IntoResponse> {
    let (item, new) = menus::put(kitchen.database().pool(), &menu_id, &body.restaurant_id, &body.name).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(item)))
}

/// More portions of a menu item.
#[derive(Deserialize, ToSchema)]
struct Restock {
    quantity: Quantity,
}

/// Put more portions in stock
#[utoipa::path(
    post,
    path = "/menus/{menuId}/restock",
    operation_id = "restockMenu",
    tag = "menus",
    params(("menuId" = inline(Identifier), Path), IdempotencyKey),
    request_body = Restock,
    responses(
        (status = 200, description = "The change; the first one again when it is repeated", body = Movement),
        (status = 404, description = "There is no such menu item."),
        (status = 422, description = "The quantity is not acceptable, or the key belongs to another one."),
    ),
)]
async fn restock(
    State(kitchen): State<Kitchen>,
    Path(menu_id): Path<Identifier>,
    IdempotencyKey(key): IdempotencyKey,
    Json(body): Json<Restock>,
) -> Result<Json<Movement>> {
    Ok(Json(kitchen.restock(&menu_id, &key, body.quantity).await?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MovementsQuery {
    /// The `next` of the page before
    cursor: Option<i64>,
    /// The most items of a page
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
}

/// The changes of an item's stock, the newest first
#[utoipa::path(
    get,
    path = "/menus/{menuId}/movements",
    operation_id = "listMovements",
    tag = "menus",
    params(("menuId" = inline(Identifier), Path), MovementsQuery),
    responses(
        (status = 200, description = "A page of them", body = Page<Movement>),
        (status = 404, description = "There is no such menu item."),
    ),
)]
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CooksQuery {
    /// Only cooks with this status
    #[param(inline)]
    state: Option<CookStatus>,
    /// The `next` of the page before
    #[param(inline)]
    cursor: Option<Identifier>,
    /// The most items of a page
    #[param(inline)]
    #[serde(default)]
    limit: Limit,
}

/// Cooks, the newest first
#[utoipa::path(
    get,
    path = "/cooks",
    operation_id = "listCooks",
    tag = "cooks",
    params(CooksQuery),
    responses((status = 200, description = "A page of them", body = Page<CookSnapshot>)),
)]
async fn list_cooks(
    State(kitchen): State<Kitchen>,
    Query(query): Query<CooksQuery>,
) -> Result<Json<Page<CookSnapshot>>> {
    let before = query.cursor.as_ref().map(Identifier::as_str);
    let items = cooks::list(kitchen.database().pool(), query.state, before, query.limit.rows()).await?;
    Ok(Json(Page::new(items, query.limit, |cook| cook.cook_id.to_string())))
}

/// A cook as it is
#[utoipa::path(
    get,
    path = "/cooks/{cookId}",
    operation_id = "getCook",
    tag = "cooks",
    params(("cookId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The cook", body = CookSnapshot),
        (status = 404, description = "There is no such cook."),
    ),
)]
async fn get_cook(State(kitchen): State<Kitchen>, Path(cook_id): Path<Identifier>) -> Result<Json<CookSnapshot>> {
    let cook = cooks::get(kitchen.database().pool(), &cook_id).await?;
    Ok(Json(cook.ok_or(Error::NoSuchCook(cook_id))?))
}

/// Say that it is cooked
#[utoipa::path(
    post,
    path = "/cooks/{cookId}/complete",
    operation_id = "completeCook",
    tag = "cooks",
    params(("cookId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The cook, completed now or earlier", body = CookSnapshot),
        (status = 404, description = "There is no such cook."),
        (status = 409, description = "The cook's state does not allow it."),
    ),
)]
async fn complete(State(kitchen): State<Kitchen>, Path(cook_id): Path<Identifier>) -> Result<Json<CookSnapshot>> {
    Ok(Json(kitchen.complete(&cook_id).await?))
}

/// Cancel a cook, and put its stock back
#[utoipa::path(
    post,
    path = "/cooks/{cookId}/reject",
    operation_id = "rejectCook",
    tag = "cooks",
    params(("cookId" = inline(Identifier), Path)),
    responses(
        (status = 200, description = "The cook, rejected now or earlier", body = CookSnapshot),
        (status = 404, description = "There is no such cook."),
        (status = 409, description = "The cook's state does not allow it."),
    ),
)]
async fn reject(State(kitchen): State<Kitchen>, Path(cook_id): Path<Identifier>) -> Result<Json<CookSnapshot>> {
    Ok(Json(kitchen.reject(&cook_id).await?))
}

/// Decide about a customer's cancellation
///
/// For the order service alone: the gateway does not pass it on.
#[utoipa::path(
    post,
    path = "/cancellations",
    operation_id = "cancelCook",
    tag = "cancellations",
    request_body = CancelCook,
    security(("token" = [])),
    responses(
        (status = 200, description = "The decision: repeating the request gives the same", body = CancelDecision),
        (status = 401, description = "The caller has not shown a token that is accepted."),
    ),
)]
async fn cancel(
    State(kitchen): State<Kitchen>,
    _: Authorized,
    Json(request): Json<CancelCook>,
) -> Result<Json<CancelDecision>> {
    Ok(Json(kitchen.cancel(request).await?))
}
