//! The table of orders in SQL. Times are given by the caller, in microseconds, as PostgreSQL keeps them: an event says
//! exactly what a later read says.

use std::{
    collections::{BTreeMap, HashSet},
    str::FromStr,
    time::Duration,
};

use chassis::{db::Tx, insert_events, outbox};
use chrono::{DateTime, Utc};
use contract::{
    Cancellation, CookStatus, DeliveryStatus, FreeText, Identifier, OrderReason, OrderSnapshot, OrderStatus, Quantity,
};
use sqlx::{FromRow, PgConnection, PgExecutor, PgPool, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::domain::{Attempt, Order, Seen};

/// An order as its table has it.
#[derive(FromRow)]
struct Row {
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
    #[sqlx(try_from = "Option<String>")]
    address: Maybe<FreeText>,
    #[sqlx(try_from = "Option<String>")]
    note: Maybe<FreeText>,
    #[sqlx(try_from = "String")]
    status: OrderStatus,
    #[sqlx(try_from = "String")]
    cancellation: Cancellation,
    #[sqlx(try_from = "Option<String>")]
    reason: Maybe<OrderReason>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    version: i64,
    #[sqlx(try_from = "Option<String>")]
    cook_status: Maybe<CookStatus>,
    cook_version: Option<i64>,
    #[sqlx(try_from = "Option<String>")]
    delivery_status: Maybe<DeliveryStatus>,
    delivery_version: Option<i64>,
    attempt_id: Option<Uuid>,
    attempt_tries: Option<i32>,
}

/// An order that is not in the table yet, with its event.
#[derive(Debug)]
pub(crate) struct Birth {
    /// The order.
    pub(crate) order: OrderSnapshot,
    /// The event.
    pub(crate) event: outbox::Row,
}

/// A statement's column: one value of each.
fn column<'a, T, V>(of: &'a [T], value: impl Fn(&'a T) -> V) -> Vec<V> {
    of.iter().map(value).collect()
}

/// A value that may be NULL.
struct Maybe<T>(Option<T>);

impl<T: TryFrom<String>> TryFrom<Option<String>> for Maybe<T> {
    type Error = T::Error;

    fn try_from(value: Option<String>) -> Result<Self, T::Error> {
        value.map(T::try_from).transpose().map(Self)
    }
}

impl From<Row> for Order {
    fn from(row: Row) -> Self {
        let seen = |(status, version)| Seen { status, version };
        Self {
            cook: row.cook_status.0.zip(row.cook_version).map(seen),
            delivery: row.delivery_status.0.zip(row.delivery_version).map(|(status, version)| Seen { status, version }),
            attempt: row.attempt_id.zip(row.attempt_tries).map(|(id, tries)| Attempt { id, tries }),
            snapshot: OrderSnapshot {
                order_id: row.order_id,
                customer_id: row.customer_id,
                restaurant_id: row.restaurant_id,
                menu_id: row.menu_id,
                quantity: row.quantity,
                address: row.address.0,
                note: row.note.0,
                status: row.status,
                cancellation: row.cancellation,
                reason: row.reason.0,
                created_at: row.created_at,
                updated_at: row.updated_at,
                version: row.version,
            },
        }
    }
}

/// Inserts new orders, each with its event, in one statement: one round trip, one commit. Gives the ids of those that were
/// not there before. No two of `births` have one id.
pub(crate) async fn insert(db: impl PgExecutor<'_>, births: &[&Birth]) -> sqlx::Result<HashSet<String>> {
    // In one sequence, so that two groups with the same orders do not wait for each other.
    const SQL: &str = concat!(
        "WITH placed AS (
             INSERT INTO orders (order_id, customer_id, restaurant_id, menu_id, quantity, address, note,
                                 status, cancellation, created_at, updated_at, version)
             SELECT order_id, customer_id, restaurant_id, menu_id, quantity, address, note,
                    status, cancellation, created_at, created_at, version
             FROM unnest($8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::text[], $14::text[],
                         $15::text[], $16::text[], $17::timestamptz[], $18::bigint[])
                  AS birth (order_id, customer_id, restaurant_id, menu_id, quantity, address, note,
                            status, cancellation, created_at, version)
             ORDER BY order_id
             ON CONFLICT (order_id) DO NOTHING
             RETURNING order_id
         ), said AS (",
        insert_events!("(aggregateid IN (SELECT order_id FROM placed)) IS TRUE"),
        ") SELECT order_id FROM placed"
    );
    let orders = |value: fn(&OrderSnapshot) -> &str| column(births, |birth| value(&birth.order));
    let texts = |value: fn(&OrderSnapshot) -> Option<&FreeText>| {
        column(births, |birth| value(&birth.order).map(FreeText::as_str))
    };
    let inserted: Vec<String> =
        sqlx::query_scalar_with(SQL, outbox::arguments(births.iter().map(|birth| &birth.event))?)
            .bind(orders(|o| o.order_id.as_str()))
            .bind(orders(|o| o.customer_id.as_str()))
            .bind(orders(|o| o.restaurant_id.as_str()))
            .bind(orders(|o| o.menu_id.as_str()))
            .bind(column(births, |birth| i64::from(birth.order.quantity)))
            .bind(texts(|o| o.address.as_ref()))
            .bind(texts(|o| o.note.as_ref()))
            .bind(orders(|o| o.status.as_str()))
            .bind(orders(|o| o.cancellation.as_str()))
            .bind(column(births, |birth| birth.order.created_at))
            .bind(column(births, |birth| birth.order.version))
            .fetch_all(db)
            .await?;
    Ok(inserted.into_iter().collect())
}

/// The order.
pub(crate) async fn get(db: impl PgExecutor<'_>, order_id: &Identifier) -> sqlx::Result<Option<Order>> {
    let row = sqlx::query_as::<_, Row>("SELECT * FROM orders WHERE order_id = $1").bind(order_id.as_str());
    Ok(row.fetch_optional(db).await?.map(Into::into))
}

/// Locks orders until the transaction ends, always in one sequence, so that no two transactions wait for each other.
pub(crate) async fn lock(db: &mut PgConnection, order_ids: &[&str]) -> sqlx::Result<BTreeMap<Identifier, Order>> {
    let rows: Vec<Row> =
        sqlx::query_as("SELECT * FROM orders WHERE order_id = ANY($1) ORDER BY order_id FOR NO KEY UPDATE")
            .bind(order_ids)
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|row| (row.order_id.clone(), row.into())).collect())
}

/// Writes changed orders, which the transaction has locked. A pending attempt is given up after `lease`.
pub(crate) async fn save(tx: &mut Tx, orders: &[&Order], lease: Duration) -> sqlx::Result<()> {
    if orders.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE orders SET
                   status = new.status, cancellation = new.cancellation, reason = new.reason,
                   updated_at = new.updated_at, version = new.version,
                   cook_status = new.cook_status, cook_version = new.cook_version,
                   delivery_status = new.delivery_status, delivery_version = new.delivery_version,
                   attempt_id = new.attempt_id, attempt_tries = new.attempt_tries,
                   attempt_until = CASE WHEN new.attempt_id IS NULL THEN NULL
                                        WHEN orders.attempt_id = new.attempt_id THEN orders.attempt_until
                                        ELSE clock_timestamp() + $13 END
               FROM UNNEST($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[],
                           $7::text[], $8::bigint[], $9::text[], $10::bigint[], $11::uuid[], $12::integer[])
                    AS new (order_id, status, cancellation, reason, updated_at, version, cook_status, cook_version,
                            delivery_status, delivery_version, attempt_id, attempt_tries)
               WHERE orders.order_id = new.order_id";
    sqlx::query(sql)
        .bind(column(orders, |o| o.snapshot.order_id.as_str()))
        .bind(column(orders, |o| o.snapshot.status.as_str()))
        .bind(column(orders, |o| o.snapshot.cancellation.as_str()))
        .bind(column(orders, |o| o.snapshot.reason.map(OrderReason::as_str)))
        .bind(column(orders, |o| o.snapshot.updated_at))
        .bind(column(orders, |o| o.snapshot.version))
        .bind(column(orders, |o| o.cook.map(|cook| cook.status.as_str())))
        .bind(column(orders, |o| o.cook.map(|cook| cook.version)))
        .bind(column(orders, |o| o.delivery.map(|delivery| delivery.status.as_str())))
        .bind(column(orders, |o| o.delivery.map(|delivery| delivery.version)))
        .bind(column(orders, |o| o.attempt.map(|attempt| attempt.id)))
        .bind(column(orders, |o| o.attempt.map(|attempt| attempt.tries)))
        .bind(lease)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Takes over pending attempts whose asker has been given up, for another try each, with a new `lease`.
pub(crate) async fn take_over(pool: &PgPool, limit: i64, lease: Duration) -> sqlx::Result<Vec<Order>> {
    let rows: Vec<Row> = sqlx::query_as(
        "UPDATE orders SET attempt_tries = attempt_tries + 1, attempt_until = clock_timestamp() + $2
         WHERE order_id IN (SELECT order_id FROM orders WHERE cancellation = 'PENDING' AND attempt_until <= now()
                            ORDER BY attempt_until LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED)
         RETURNING *",
    )
    .bind(limit)
    .bind(lease)
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// How many cancellations wait for an answer.
pub(crate) async fn pending(pool: &PgPool) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM orders WHERE cancellation = 'PENDING'").fetch_one(pool).await
}

/// Which orders a list has.
#[derive(Debug, Default)]
pub(crate) struct Filter<'a> {
    pub(crate) customer: Option<&'a Identifier>,
    pub(crate) status: Option<OrderStatus>,
    pub(crate) cancellation: Option<Cancellation>,
    /// Only orders placed before.
    pub(crate) placed_before: Option<DateTime<Utc>>,
    /// Only what comes after this place in the list.
    pub(crate) after: Option<&'a Place>,
}

/// A place in a list: orders are sorted from the newest to the oldest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    created_at: DateTime<Utc>,
    order_id: Identifier,
}

impl Place {
    pub(crate) fn of(order: &OrderSnapshot) -> Self {
        Self { created_at: order.created_at, order_id: order.order_id.clone() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.created_at.timestamp_micros(), self.order_id)
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (micros, order_id) = text.split_once('.')?;
            let created_at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
            // PostgreSQL's calendar is narrower than chrono's.
            if !(0..=9999).contains(&chrono::Datelike::year(&created_at)) {
                return None;
            }
            Some(Self { created_at, order_id: order_id.parse().ok()? })
        };
        parse().ok_or("must be the `next` of the page before")
    }
}

/// At most `limit` orders, from the newest to the oldest.
pub(crate) async fn list(pool: &PgPool, filter: &Filter<'_>, limit: i64) -> sqlx::Result<Vec<OrderSnapshot>> {
    // Only the conditions that are asked for, so that each combination has the plan that suits it.
    let mut query = QueryBuilder::<Postgres>::new("SELECT * FROM orders WHERE true");
    if let Some(customer) = filter.customer {
        query.push(" AND customer_id = ").push_bind(customer.as_str());
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(cancellation) = filter.cancellation {
        query.push(" AND cancellation = ").push_bind(cancellation.as_str());
    }
    if let Some(before) = filter.placed_before {
        query.push(" AND created_at < ").push_bind(before);
    }
    if let Some(Place { created_at, order_id }) = filter.after {
        query.push(" AND (created_at, order_id) < (").push_bind(*created_at).push(", ").push_bind(order_id.as_str());
        query.push(")");
    }
    query.push(" ORDER BY created_at DESC, order_id DESC LIMIT ").push_bind(limit);
    let rows: Vec<Row> = query.build_query_as().fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| Order::from(row).snapshot).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_and_read() {
        let text = "1767323045678901.o-1.x";
        assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        // The last two are days of the years 10000 and -1.
        let no_place = ["", "1", "x.o-1", "1.", "9223372036854775807.a", "1.a b"];
        for wrong in no_place.into_iter().chain(["253402300800000000.a", "-62198755200000000.a"]) {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
