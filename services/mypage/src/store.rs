//! The views in PostgreSQL.

use chrono::{DateTime, Utc};
use contract::{Identifier, OrderRequest};
use sqlx::{FromRow, PgExecutor, PgPool, types::Json};

use crate::domain::{Knowledge, request_rank};

/// [`Knowledge::merge`] for a whole batch, in one statement. Rows that learn nothing are not written.
const MERGE: &str = r#"
INSERT INTO views AS v (order_id, customer_id, first_seen, order_version, order_part, cook_version, cook_part,
    delivery_version, delivery_part, request_time, request_part, rejected, cancel_requested)
SELECT order_id, customer_id, first_seen, order_version, order_part::json, cook_version, cook_part::json,
    delivery_version, delivery_part::json, request_time, request_part, rejected, cancel_requested
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::bigint[], $7::text[],
    $8::bigint[], $9::text[], $10::bigint[], $11::text[], $12::boolean[], $13::boolean[])
    AS new (order_id, customer_id, first_seen, order_version, order_part, cook_version, cook_part,
    delivery_version, delivery_part, request_time, request_part, rejected, cancel_requested)
ON CONFLICT (order_id) DO UPDATE SET
    customer_id = coalesce(v.customer_id, excluded.customer_id),
    first_seen = least(v.first_seen, excluded.first_seen),
    order_version = greatest(v.order_version, excluded.order_version),
    order_part = CASE WHEN excluded.order_version > v.order_version THEN excluded.order_part ELSE v.order_part END,
    cook_version = greatest(v.cook_version, excluded.cook_version),
    cook_part = CASE WHEN excluded.cook_version > v.cook_version THEN excluded.cook_part ELSE v.cook_part END,
    delivery_version = greatest(v.delivery_version, excluded.delivery_version),
    delivery_part = CASE WHEN excluded.delivery_version > v.delivery_version
        THEN excluded.delivery_part ELSE v.delivery_part END,
    request_time = least(v.request_time, excluded.request_time),
    request_part = CASE WHEN v.request_part IS NULL
        OR (excluded.request_time, excluded.request_part) < (v.request_time, v.request_part)
        THEN excluded.request_part ELSE v.request_part END,
    rejected = v.rejected OR excluded.rejected,
    cancel_requested = v.cancel_requested OR excluded.cancel_requested
WHERE excluded.order_version > v.order_version
    OR excluded.cook_version > v.cook_version
    OR excluded.delivery_version > v.delivery_version
    OR (excluded.request_part IS NOT NULL AND v.request_part IS NULL)
    OR (excluded.request_time, excluded.request_part) < (v.request_time, v.request_part)
    OR excluded.rejected > v.rejected
    OR excluded.cancel_requested > v.cancel_requested
    OR excluded.first_seen < v.first_seen
    OR (excluded.customer_id IS NOT NULL AND v.customer_id IS NULL)
"#;

/// A query of the columns that [`Row`] reads, followed by where from.
macro_rules! select {
    ($from:literal) => {
        concat!(
            "SELECT v.order_id, v.customer_id, v.first_seen, v.order_part, v.cook_part, v.delivery_part, ",
            "v.request_part::json AS request_part, v.rejected, v.cancel_requested ",
            $from
        )
    };
}

/// A row as it is read. The ids' rules were checked when they were written.
#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    order_id: Identifier,
    customer_id: Option<String>,
    first_seen: DateTime<Utc>,
    order_part: Option<Json<contract::OrderSnapshot>>,
    cook_part: Option<Json<contract::CookSnapshot>>,
    delivery_part: Option<Json<contract::DeliverySnapshot>>,
    request_part: Option<Json<OrderRequest>>,
    rejected: bool,
    cancel_requested: bool,
}

impl TryFrom<Row> for Knowledge {
    type Error = sqlx::Error;

    fn try_from(row: Row) -> Result<Self, sqlx::Error> {
        let customer = row.customer_id.map(Identifier::try_from).transpose();
        Ok(Self {
            order_id: row.order_id,
            customer_id: customer
                .map_err(|error| sqlx::Error::ColumnDecode { index: "customer_id".to_owned(), source: error.into() })?,
            first_seen: row.first_seen,
            order: row.order_part.map(|part| part.0),
            cook: row.cook_part.map(|part| part.0),
            delivery: row.delivery_part.map(|part| part.0),
            request: row.request_part.map(|part| part.0),
            rejected: row.rejected,
            cancel_requested: row.cancel_requested,
        })
    }
}

/// Merges a batch (one [`Knowledge`] per order, sorted by order) into the views; returns how many rows changed.
///
/// # Errors
/// Whatever the database says; nothing is written then.
pub(crate) async fn merge(db: impl PgExecutor<'_>, batch: &[Knowledge]) -> Result<u64, sqlx::Error> {
    if batch.is_empty() {
        return Ok(0);
    }
    fn column<'a, T>(batch: &'a [Knowledge], value: impl Fn(&'a Knowledge) -> T) -> Vec<T> {
        batch.iter().map(value).collect()
    }
    fn json<T: serde::Serialize>(part: Option<&T>) -> Result<Option<String>, sqlx::Error> {
        part.map(serde_json::to_string).transpose().map_err(|error| sqlx::Error::Encode(error.into()))
    }
    let rank = |known: &Knowledge| known.request.as_ref().map(request_rank);
    let done = sqlx::query(MERGE)
        .bind(column(batch, |known| known.order_id.as_str()))
        .bind(column(batch, |known| known.customer_id.as_ref().map(Identifier::as_str)))
        .bind(column(batch, |known| known.first_seen))
        .bind(column(batch, |known| known.order.as_ref().map_or(0, |part| part.version)))
        .bind(batch.iter().map(|known| json(known.order.as_ref())).collect::<Result<Vec<_>, _>>()?)
        .bind(column(batch, |known| known.cook.as_ref().map_or(0, |part| part.version)))
        .bind(batch.iter().map(|known| json(known.cook.as_ref())).collect::<Result<Vec<_>, _>>()?)
        .bind(column(batch, |known| known.delivery.as_ref().map_or(0, |part| part.version)))
        .bind(batch.iter().map(|known| json(known.delivery.as_ref())).collect::<Result<Vec<_>, _>>()?)
        .bind(column(batch, |known| rank(known).map(|(time, _)| time)))
        .bind(column(batch, |known| rank(known).map(|(_, text)| text)))
        .bind(column(batch, |known| known.rejected))
        .bind(column(batch, |known| known.cancel_requested))
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}

/// What is known of one order.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn get(pool: &PgPool, order: &Identifier) -> Result<Option<Knowledge>, sqlx::Error> {
    const SQL: &str = select!("FROM views v WHERE v.order_id = $1");
    let row: Option<Row> = sqlx::query_as(SQL).bind(order.as_str()).fetch_optional(pool).await?;
    row.map(Knowledge::try_from).transpose()
}

/// A place in a customer's list: the time and the id of the last order of the page before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// [`Knowledge::first_seen`].
    pub(crate) seen: DateTime<Utc>,
    /// The order.
    pub(crate) order_id: Identifier,
}

/// At most `limit` orders of a customer, newest first, after a place.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn of_customer(
    pool: &PgPool,
    customer: &Identifier,
    after: Option<&Place>,
    limit: i64,
) -> Result<Vec<Knowledge>, sqlx::Error> {
    const SQL: &str = select!(
        "FROM views v WHERE v.customer_id = $1
         AND ($2::timestamptz IS NULL OR (v.first_seen, v.order_id) < ($2, $3))
         ORDER BY v.first_seen DESC, v.order_id DESC LIMIT $4"
    );
    let rows: Vec<Row> = sqlx::query_as(SQL)
        .bind(customer.as_str())
        .bind(after.map(|place| place.seen))
        .bind(after.map(|place| place.order_id.as_str()))
        .bind(limit)
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(Knowledge::try_from).collect()
}

/// Those of `seen` (orders, each with the version last seen) that have another version now.
///
/// # Errors
/// Whatever the database says.
pub(crate) async fn changed(pool: &PgPool, seen: &[(Identifier, i64)]) -> Result<Vec<Knowledge>, sqlx::Error> {
    const SQL: &str = select!(
        "FROM unnest($1::text[], $2::bigint[]) AS seen (order_id, version)
         JOIN views v ON v.order_id = seen.order_id AND v.version <> seen.version"
    );
    let (ids, versions): (Vec<&str>, Vec<i64>) = seen.iter().map(|(id, version)| (id.as_str(), *version)).unzip();
    let rows: Vec<Row> = sqlx::query_as(SQL).bind(ids).bind(versions).fetch_all(pool).await?;
    rows.into_iter().map(Knowledge::try_from).collect()
}

#[cfg(test)]
#[cfg(feature = "service-tests")]
mod tests;
