//! Cooks.

use std::collections::HashSet;

use chassis::{insert_events, outbox};
use chrono::{DateTime, Utc};
use contract::{CookReason, CookSnapshot, CookStatus, Identifier, Quantity};
use sqlx::{FromRow, PgConnection, PgExecutor};

/// A cook as its table has it.
#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    cook_id: Identifier,
    #[sqlx(try_from = "String")]
    order_id: Identifier,
    #[sqlx(try_from = "String")]
    customer_id: Identifier,
    #[sqlx(try_from = "String")]
    restaurant_id: Identifier,
    #[sqlx(try_from = "String")]
    menu_id: Identifier,
    #[sqlx(try_from = "i64")]
    quantity: Quantity,
    #[sqlx(try_from = "String")]
    status: CookStatus,
    #[sqlx(try_from = "Option<String>")]
    reason: Reason,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
    traceparent: Option<String>,
}

/// The reason of a cancelled cook; there is none for others.
struct Reason(Option<CookReason>);

impl TryFrom<Option<String>> for Reason {
    type Error = String;

    fn try_from(name: Option<String>) -> Result<Self, String> {
        name.map(CookReason::try_from).transpose().map(Self)
    }
}

impl From<Row> for CookSnapshot {
    fn from(row: Row) -> Self {
        Self {
            cook_id: row.cook_id,
            order_id: row.order_id,
            customer_id: row.customer_id,
            restaurant_id: row.restaurant_id,
            menu_id: row.menu_id,
            quantity: row.quantity,
            status: row.status,
            reason: row.reason.0,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

/// A cook that is not in the table yet.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The cook.
    pub(crate) cook: CookSnapshot,
    /// What is left of its menu item, when it takes stock.
    pub(crate) left: Option<i64>,
    /// When it is ready by itself.
    pub(crate) due_at: Option<DateTime<Utc>>,
    /// The trace that it belongs to.
    pub(crate) traceparent: Option<String>,
}

/// Those of `order_ids` that have a cook already.
pub(crate) async fn known(db: &mut PgConnection, order_ids: &[&str]) -> sqlx::Result<HashSet<String>> {
    let rows = sqlx::query_scalar("SELECT order_id FROM cooks WHERE order_id = ANY($1)");
    Ok(rows.bind(order_ids).fetch_all(db).await?.into_iter().collect())
}

/// Inserts cooks with their events, and takes the stock of those that have some, with the ledger's movements, in one
/// statement. The transaction has locked their menu items, and what is `left` of them was computed in the sequence of
/// `births`.
///
/// # Errors
/// Also when one of the orders has a cook already.
pub(crate) async fn insert(db: &mut PgConnection, births: &[Birth], events: &[outbox::Row]) -> sqlx::Result<()> {
    const SQL: &str = concat!(
        "WITH birth AS (
             SELECT * FROM unnest($8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[],
                                  $14::text[], $15::text[], $16::timestamptz[], $17::text[], $18::timestamptz[],
                                  $19::bigint[], $20::bigint[]) WITH ORDINALITY
             AS birth (order_id, cook_id, customer_id, restaurant_id, menu_id, quantity,
                       status, reason, due_at, traceparent, created_at, version, on_hand, place)
         ), cook AS (
             INSERT INTO cooks (order_id, cook_id, customer_id, restaurant_id, menu_id, quantity,
                                status, reason, due_at, traceparent, created_at, updated_at, version)
             SELECT order_id, cook_id, customer_id, restaurant_id, menu_id, quantity,
                    status, reason, due_at, traceparent, created_at, created_at, version
             FROM birth ORDER BY order_id
             RETURNING order_id
         ), movement AS (
             INSERT INTO movements (menu_id, kind, reference, quantity, on_hand, at)
             SELECT menu_id, 'RESERVE', order_id, -quantity, on_hand, created_at
             FROM birth WHERE on_hand IS NOT NULL ORDER BY place
         ), said AS (",
        insert_events!("(aggregateid IN (SELECT order_id FROM cook)) IS TRUE"),
        ")
         UPDATE menus SET on_hand = menus.on_hand - taken.quantity
         FROM (
             SELECT menu_id, sum(quantity) AS quantity FROM birth WHERE on_hand IS NOT NULL GROUP BY menu_id
         ) AS taken
         WHERE menus.menu_id = taken.menu_id"
    );
    fn column<'a, T>(births: &'a [Birth], value: impl Fn(&'a Birth) -> T) -> Vec<T> {
        births.iter().map(value).collect()
    }
    sqlx::query_with(SQL, outbox::arguments(events)?)
        .bind(column(births, |b| b.cook.order_id.as_str()))
        .bind(column(births, |b| b.cook.cook_id.as_str()))
        .bind(column(births, |b| b.cook.customer_id.as_str()))
        .bind(column(births, |b| b.cook.restaurant_id.as_str()))
        .bind(column(births, |b| b.cook.menu_id.as_str()))
        .bind(column(births, |b| i64::from(b.cook.quantity)))
        .bind(column(births, |b| b.cook.status.as_str()))
        .bind(column(births, |b| b.cook.reason.map(CookReason::as_str)))
        .bind(column(births, |b| b.due_at))
        .bind(column(births, |b| b.traceparent.as_deref()))
        .bind(column(births, |b| b.cook.created_at))
        .bind(column(births, |b| b.cook.version))
        .bind(column(births, |b| b.left))
        .execute(db)
        .await?;
    Ok(())
}

/// Locks an order's cook until the transaction ends. The transaction has locked its menu item, if it needs to.
pub(crate) async fn lock(db: &mut PgConnection, order_id: &Identifier) -> sqlx::Result<Option<CookSnapshot>> {
    let row = sqlx::query_as::<_, Row>("SELECT * FROM cooks WHERE order_id = $1 FOR NO KEY UPDATE");
    Ok(row.bind(order_id.as_str()).fetch_optional(db).await?.map(Into::into))
}

/// Writes a changed cook: a compare-and-set from the version before.
///
/// # Errors
/// Also when the row is not of the version before.
pub(crate) async fn save(db: &mut PgConnection, cook: &CookSnapshot) -> sqlx::Result<()> {
    let sql = "UPDATE cooks SET status = $2, reason = $3, updated_at = $4, version = $5
               WHERE order_id = $1 AND version = $5 - 1";
    let done = sqlx::query(sql)
        .bind(cook.order_id.as_str())
        .bind(cook.status.as_str())
        .bind(cook.reason.map(CookReason::as_str))
        .bind(cook.updated_at)
        .bind(cook.version)
        .execute(db)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

/// Completes at most `limit` cooks that are due, the longest due first, and gives them as they are then, each
/// with its trace. Cooks that another transaction is changing are left for later.
pub(crate) async fn complete_due(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<(CookSnapshot, Option<String>)>> {
    let sql = "WITH due AS (
                   SELECT order_id FROM cooks WHERE status = 'STARTED' AND due_at <= $1
                   ORDER BY due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
               )
               UPDATE cooks SET status = 'COMPLETED', updated_at = $1, version = version + 1
               FROM due WHERE cooks.order_id = due.order_id
               RETURNING cooks.*";
    let rows = sqlx::query_as::<_, Row>(sql).bind(now).bind(limit).fetch_all(db).await?;
    let with_trace = |mut row: Row| {
        let traceparent = row.traceparent.take();
        (row.into(), traceparent)
    };
    Ok(rows.into_iter().map(with_trace).collect())
}

/// When the next cook is due.
pub(crate) async fn next_due(db: impl PgExecutor<'_>) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("SELECT min(due_at) FROM cooks WHERE status = 'STARTED'").fetch_one(db).await
}

/// The cook `cook_id`, if there is one.
pub(crate) async fn get(db: impl PgExecutor<'_>, cook_id: &Identifier) -> sqlx::Result<Option<CookSnapshot>> {
    let row = sqlx::query_as::<_, Row>("SELECT * FROM cooks WHERE cook_id = $1");
    Ok(row.bind(cook_id.as_str()).fetch_optional(db).await?.map(Into::into))
}

/// At most `limit` cooks, newest first, those older than the cook `before`, only those in `status` if it is given.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    status: Option<CookStatus>,
    before: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<CookSnapshot>> {
    // Ids are UUIDs: '~' sorts after every one.
    let before = before.unwrap_or("~");
    let rows = match status {
        None => {
            let sql = "SELECT * FROM cooks WHERE cook_id < $1 ORDER BY cook_id DESC LIMIT $2";
            sqlx::query_as::<_, Row>(sql).bind(before).bind(limit).fetch_all(db).await?
        }
        Some(status) => {
            let sql = "SELECT * FROM cooks WHERE cook_id < $1 AND status = $3 ORDER BY cook_id DESC LIMIT $2";
            sqlx::query_as::<_, Row>(sql).bind(before).bind(limit).bind(status.as_str()).fetch_all(db).await?
        }
    };
    Ok(rows.into_iter().map(Into::into).collect())
}
