//! Menu items, their stock, and the ledger of its changes.

use chrono::{DateTime, Utc};
use contract::{FreeText, Identifier, Quantity};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, PgExecutor};
use utoipa::ToSchema;

use crate::domain::{Shelf, Shelves};

/// A menu item.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MenuItem {
    /// Its id.
    #[sqlx(try_from = "String")]
    pub(crate) menu_id: Identifier,
    /// The restaurant that cooks it.
    #[sqlx(try_from = "String")]
    pub(crate) restaurant_id: Identifier,
    /// What people call it.
    #[sqlx(try_from = "String")]
    pub(crate) name: FreeText,
    /// Portions that no cook has reserved.
    #[schema(minimum = 0)]
    pub(crate) on_hand: i64,
}

/// Why stock changed; together with the item and a reference, it names the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// New portions; the reference is the caller's idempotency key.
    Restock,
    /// Portions of a cook that was cancelled; the reference is the order.
    Restore,
}

impl Kind {
    /// The name in the database. A third one, `RESERVE`, is written with the cooks.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Restock => "RESTOCK",
            Self::Restore => "RESTORE",
        }
    }
}

/// One change of one item's stock.
#[derive(Debug, Clone, PartialEq, Eq, FromRow, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Movement {
    /// The item.
    #[schema(value_type = Identifier)]
    pub(crate) menu_id: String,
    /// `RESTOCK`, `RESERVE` or `RESTORE`.
    #[schema(pattern = "^(RESTOCK|RESERVE|RESTORE)$")]
    pub(crate) kind: String,
    /// The idempotency key of a restock, the order of the others.
    pub(crate) reference: String,
    /// What it added; negative for what it took.
    pub(crate) quantity: i64,
    /// What was on hand right after.
    #[schema(minimum = 0)]
    pub(crate) on_hand: i64,
    /// When it happened.
    pub(crate) at: DateTime<Utc>,
    /// Its place in the ledger: grows from one movement of an item to its next.
    #[serde(skip)]
    pub(crate) seq: i64,
}

/// The item `menu_id`, if there is one.
pub(crate) async fn get(db: impl PgExecutor<'_>, menu_id: &Identifier) -> sqlx::Result<Option<MenuItem>> {
    sqlx::query_as("SELECT menu_id, restaurant_id, name, on_hand FROM menus WHERE menu_id = $1")
        .bind(menu_id.as_str())
        .fetch_optional(db)
        .await
}

/// At most `limit` items by id, those after `after`.
pub(crate) async fn list(db: impl PgExecutor<'_>, after: Option<&str>, limit: i64) -> sqlx::Result<Vec<MenuItem>> {
    sqlx::query_as(
        "SELECT menu_id, restaurant_id, name, on_hand FROM menus WHERE menu_id > $1 ORDER BY menu_id LIMIT $2",
    )
    .bind(after.unwrap_or_default())
    .bind(limit)
    .fetch_all(db)
    .await
}

/// Creates or renames an item; stock is never touched, and a new item has none. Says whether it is new.
pub(crate) async fn put(
    db: impl PgExecutor<'_>,
    menu_id: &Identifier,
    restaurant_id: &Identifier,
    name: &FreeText,
) -> sqlx::Result<(MenuItem, bool)> {
    // xmax is 0 in a row version that was inserted, not updated.
    let sql = "INSERT INTO menus (menu_id, restaurant_id, name) VALUES ($1, $2, $3)
               ON CONFLICT (menu_id) DO UPDATE SET restaurant_id = excluded.restaurant_id, name = excluded.name
               RETURNING on_hand, xmax = 0";
    let (on_hand, new) = sqlx::query_as(sql)
        .bind(menu_id.as_str())
        .bind(restaurant_id.as_str())
        .bind(name.as_str())
        .fetch_one(db)
        .await?;
    Ok((MenuItem { menu_id: menu_id.clone(), restaurant_id: restaurant_id.clone(), name: name.clone(), on_hand }, new))
}

/// Locks the items `menu_ids` until the transaction ends, and gives those that exist.
pub(crate) async fn lock(db: &mut PgConnection, menu_ids: &[&str]) -> sqlx::Result<Shelves> {
    // Always in the same sequence: two batches that share items must not wait for each other.
    let sql = "SELECT menu_id, restaurant_id, on_hand FROM menus WHERE menu_id = ANY($1)
               ORDER BY menu_id FOR NO KEY UPDATE";
    let rows: Vec<ShelfRow> = sqlx::query_as(sql).bind(menu_ids).fetch_all(db).await?;
    let shelf = |row: ShelfRow| (row.menu_id, Shelf { restaurant_id: row.restaurant_id, on_hand: row.on_hand });
    Ok(rows.into_iter().map(shelf).collect())
}

#[derive(FromRow)]
struct ShelfRow {
    #[sqlx(try_from = "String")]
    menu_id: Identifier,
    #[sqlx(try_from = "String")]
    restaurant_id: Identifier,
    on_hand: i64,
}

/// Adds `quantity` to an item that the transaction has locked, with its movement.
///
/// # Errors
/// Also when there is no such item, or the same movement is in the ledger already.
pub(crate) async fn add(
    db: &mut PgConnection,
    menu_id: &Identifier,
    kind: Kind,
    reference: &str,
    quantity: Quantity,
    now: DateTime<Utc>,
) -> sqlx::Result<Movement> {
    let sql = "WITH item AS (
                   UPDATE menus SET on_hand = on_hand + $4 WHERE menu_id = $1 RETURNING on_hand
               )
               INSERT INTO movements (menu_id, kind, reference, quantity, on_hand, at)
               SELECT $1, $2, $3, $4, on_hand, $5 FROM item
               RETURNING menu_id, kind, reference, quantity, on_hand, at, seq";
    sqlx::query_as(sql)
        .bind(menu_id.as_str())
        .bind(kind.as_str())
        .bind(reference)
        .bind(i64::from(quantity))
        .bind(now)
        .fetch_one(db)
        .await
}

/// The restock of an item that was made with the idempotency key `key`.
pub(crate) async fn restock(db: &mut PgConnection, menu_id: &Identifier, key: &str) -> sqlx::Result<Option<Movement>> {
    let sql = "SELECT menu_id, kind, reference, quantity, on_hand, at, seq FROM movements
               WHERE menu_id = $1 AND kind = $2 AND reference = $3";
    sqlx::query_as(sql).bind(menu_id.as_str()).bind(Kind::Restock.as_str()).bind(key).fetch_optional(db).await
}

/// At most `limit` movements of an item, newest first, those before the place `before`.
pub(crate) async fn movements(
    db: impl PgExecutor<'_>,
    menu_id: &Identifier,
    before: Option<i64>,
    limit: i64,
) -> sqlx::Result<Vec<Movement>> {
    let sql = "SELECT menu_id, kind, reference, quantity, on_hand, at, seq FROM movements
               WHERE menu_id = $1 AND seq < $2 ORDER BY seq DESC LIMIT $3";
    sqlx::query_as(sql).bind(menu_id.as_str()).bind(before.unwrap_or(i64::MAX)).bind(limit).fetch_all(db).await
}
