//! The table of deliveries in SQL. Times are given by the caller, in microseconds, as PostgreSQL keeps them: an event
//! says exactly what a later read says.

use chassis::{insert_events, outbox};
use chrono::{DateTime, Utc};
use contract::{DeliverySnapshot, DeliveryStatus, Identifier};
use sqlx::{FromRow, PgConnection, PgExecutor};

/// A delivery as its table has it.
#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    delivery_id: Identifier,
    #[sqlx(try_from = "String")]
    order_id: Identifier,
    #[sqlx(try_from = "String")]
    cook_id: Identifier,
    #[sqlx(try_from = "String")]
    customer_id: Identifier,
    #[sqlx(try_from = "String")]
    status: DeliveryStatus,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
    traceparent: Option<String>,
}

impl From<Row> for DeliverySnapshot {
    fn from(row: Row) -> Self {
        Self {
            delivery_id: row.delivery_id,
            order_id: row.order_id,
            cook_id: row.cook_id,
            customer_id: row.customer_id,
            status: row.status,
            created_at: row.created_at,
            updated_at: row.updated_at,
            version: row.version,
        }
    }
}

/// A delivery that is not in the table yet.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The delivery.
    pub(crate) delivery: DeliverySnapshot,
    /// When the courier picks it up, and hands it over, without being told.
    pub(crate) schedule: Option<Schedule>,
    /// The trace that it belongs to.
    pub(crate) traceparent: Option<String>,
}

/// When a delivery's two steps happen by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) pick_up_at: DateTime<Utc>,
    pub(crate) hand_over_at: DateTime<Utc>,
}

/// Inserts deliveries with their events in one statement, but those of orders that have one already.
pub(crate) async fn insert(db: impl PgExecutor<'_>, births: &[Birth], events: &[outbox::Row]) -> sqlx::Result<()> {
    // In one sequence, so that two batches with the same orders do not wait for each other.
    const SQL: &str = concat!(
        "WITH started AS (
             INSERT INTO deliveries (order_id, delivery_id, cook_id, customer_id, status, due_at, hand_over_at,
                                     traceparent, created_at, updated_at, version)
             SELECT order_id, delivery_id, cook_id, customer_id, status, pick_up_at, hand_over_at,
                    traceparent, created_at, created_at, version
             FROM unnest($8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::timestamptz[],
                         $14::timestamptz[], $15::text[], $16::timestamptz[], $17::bigint[])
                  AS birth (order_id, delivery_id, cook_id, customer_id, status, pick_up_at,
                            hand_over_at, traceparent, created_at, version)
             ORDER BY order_id
             ON CONFLICT (order_id) DO NOTHING
             RETURNING order_id
         ) ",
        insert_events!("(aggregateid IN (SELECT order_id FROM started)) IS TRUE")
    );
    fn column<'a, T>(births: &'a [Birth], value: impl Fn(&'a Birth) -> T) -> Vec<T> {
        births.iter().map(value).collect()
    }
    sqlx::query_with(SQL, outbox::arguments(events)?)
        .bind(column(births, |b| b.delivery.order_id.as_str()))
        .bind(column(births, |b| b.delivery.delivery_id.as_str()))
        .bind(column(births, |b| b.delivery.cook_id.as_str()))
        .bind(column(births, |b| b.delivery.customer_id.as_str()))
        .bind(column(births, |b| b.delivery.status.as_str()))
        .bind(column(births, |b| b.schedule.map(|s| s.pick_up_at)))
        .bind(column(births, |b| b.schedule.map(|s| s.hand_over_at)))
        .bind(column(births, |b| b.traceparent.as_deref()))
        .bind(column(births, |b| b.delivery.created_at))
        .bind(column(births, |b| b.delivery.version))
        .execute(db)
        .await?;
    Ok(())
}

/// Locks a delivery until the transaction ends.
pub(crate) async fn lock(db: &mut PgConnection, delivery_id: &Identifier) -> sqlx::Result<Option<DeliverySnapshot>> {
    let row = sqlx::query_as::<_, Row>("SELECT * FROM deliveries WHERE delivery_id = $1 FOR NO KEY UPDATE");
    Ok(row.bind(delivery_id.as_str()).fetch_optional(db).await?.map(Into::into))
}

/// Writes a changed delivery: a compare-and-set from the version before.
///
/// # Errors
/// Also when the row is not of the version before.
pub(crate) async fn save(db: &mut PgConnection, delivery: &DeliverySnapshot) -> sqlx::Result<()> {
    let sql = "UPDATE deliveries SET status = $2, due_at = hand_over_at, updated_at = $3, version = $4
               WHERE order_id = $1 AND version = $4 - 1";
    let done = sqlx::query(sql)
        .bind(delivery.order_id.as_str())
        .bind(delivery.status.as_str())
        .bind(delivery.updated_at)
        .bind(delivery.version)
        .execute(db)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(sqlx::Error::RowNotFound) }
}

/// Takes at most `limit` deliveries that are due a step further, the longest due first, and gives them as they are
/// then, each with its trace. Those that another transaction is changing are left for later.
pub(crate) async fn advance_due(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> sqlx::Result<Vec<(DeliverySnapshot, Option<String>)>> {
    let sql = "WITH due AS (
                   SELECT order_id FROM deliveries WHERE status IN ('STARTED', 'PICKED_UP') AND due_at <= $1
                   ORDER BY due_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED
               )
               UPDATE deliveries
               SET status = CASE status WHEN 'STARTED' THEN 'PICKED_UP' ELSE 'DELIVERED' END,
                   due_at = hand_over_at, updated_at = $1, version = version + 1
               FROM due WHERE deliveries.order_id = due.order_id
               RETURNING deliveries.*";
    let rows = sqlx::query_as::<_, Row>(sql).bind(now).bind(limit).fetch_all(db).await?;
    let with_trace = |mut row: Row| {
        let traceparent = row.traceparent.take();
        (row.into(), traceparent)
    };
    Ok(rows.into_iter().map(with_trace).collect())
}

/// When the next step of a delivery is due.
pub(crate) async fn next_due(db: impl PgExecutor<'_>) -> sqlx::Result<Option<DateTime<Utc>>> {
    let sql = "SELECT min(due_at) FROM deliveries WHERE status IN ('STARTED', 'PICKED_UP')";
    sqlx::query_scalar(sql).fetch_one(db).await
}

/// The delivery `delivery_id`, if there is one.
pub(crate) async fn get(db: impl PgExecutor<'_>, delivery_id: &Identifier) -> sqlx::Result<Option<DeliverySnapshot>> {
    let row = sqlx::query_as::<_, Row>("SELECT * FROM deliveries WHERE delivery_id = $1");
    Ok(row.bind(delivery_id.as_str()).fetch_optional(db).await?.map(Into::into))
}

/// At most `limit` deliveries, newest first, those older than the delivery `before`, only those in `status` if it is
/// given.
pub(crate) async fn list(
    db: impl PgExecutor<'_>,
    status: Option<DeliveryStatus>,
    before: Option<&str>,
    limit: i64,
) -> sqlx::Result<Vec<DeliverySnapshot>> {
    // Ids are UUIDs: '~' sorts after every one.
    let before = before.unwrap_or("~");
    let rows = match status {
        None => {
            let sql = "SELECT * FROM deliveries WHERE delivery_id < $1 ORDER BY delivery_id DESC LIMIT $2";
            sqlx::query_as::<_, Row>(sql).bind(before).bind(limit).fetch_all(db).await?
        }
        Some(status) => {
            let sql = "SELECT * FROM deliveries WHERE delivery_id < $1 AND status = $3
                       ORDER BY delivery_id DESC LIMIT $2";
            sqlx::query_as::<_, Row>(sql).bind(before).bind(limit).bind(status.as_str()).fetch_all(db).await?
        }
    };
    Ok(rows.into_iter().map(Into::into).collect())
}
