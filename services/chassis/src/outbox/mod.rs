//! The transactional outbox: a change and its events commit in one transaction, and a relay publishes the events.
//!
//! Write events with [`append`] after the aggregate's row was written in the same transaction, and commit with
//! [`Database::commit`](crate::db::Database::commit), which wakes the relay. Where one statement does both, give it the
//! [`arguments`] and run it by [`Database::change`](crate::db::Database::change).

mod announce;
mod lease;
mod mark;
mod publish;
pub(crate) mod relay;

use std::collections::BTreeMap;

use contract::CloudEvent;
use sqlx::{Arguments, postgres::PgArguments};
use uuid::Uuid;

use crate::db::Tx;

/// How many shards the outbox has. It is fixed: the rows of one aggregate must keep their shard.
pub(crate) const SHARDS: i16 = 16;

/// An event as a row of the table `outbox`, whose other columns fill themselves.
#[derive(Debug, Clone)]
pub struct Row {
    /// The event's id.
    id: Uuid,
    /// The topic, without its prefix.
    aggregate_type: &'static str,
    /// The order's id, which is the message's key.
    aggregate_id: String,
    /// The event's type.
    kind: &'static str,
    /// The event's JSON.
    payload: String,
    /// The message's headers, as a JSON object.
    headers: String,
    /// Of [`SHARDS`].
    shard: i16,
}

impl Row {
    /// The row of `event`.
    ///
    /// # Errors
    /// None in practice: an event is plain data with string keys.
    pub fn new(event: &CloudEvent) -> Result<Self, sqlx::Error> {
        let encode = |error: serde_json::Error| sqlx::Error::Encode(Box::new(error));
        let payload = event.event.payload().map_err(encode)?;
        let aggregate_id = event.event.order_id().to_string();
        Ok(Self {
            id: event.id,
            aggregate_type: event.event.topic().as_str(),
            shard: shard_of(&aggregate_id),
            aggregate_id,
            kind: event.event.kind(),
            payload: String::from_utf8(payload).map_err(|error| sqlx::Error::Encode(Box::new(error)))?,
            headers: serde_json::to_string(&BTreeMap::from_iter(event.headers())).map_err(encode)?,
        })
    }
}

/// The SQL that inserts those events, of the [`arguments`] of its statement, that meet a condition, in their order. The
/// columns are `outbox`'s. An event must not be written before its aggregate's row is: a condition that asks whether the
/// row was written by the same statement sees to that.
#[macro_export]
macro_rules! insert_events {
    ($condition:literal) => {
        concat!(
            "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers, shard)
             SELECT id, aggregatetype, aggregateid, type, payload, headers, shard
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[])
                  WITH ORDINALITY AS e (id, aggregatetype, aggregateid, type, payload, headers, shard, position)
             WHERE ",
            $condition,
            " ORDER BY position"
        )
    };
}

/// The rows of `events`.
///
/// # Errors
/// Those of [`Row::new`].
pub fn rows(events: &[CloudEvent]) -> Result<Vec<Row>, sqlx::Error> {
    events.iter().map(Row::new).collect()
}

/// Writes `events` in one statement, in their order. Call it after the aggregates' rows were written in `tx`: that is
/// what makes the order of the events the order of the changes.
///
/// # Errors
/// Those of the database.
pub async fn append(tx: &mut Tx, events: &[CloudEvent]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = rows(events)?;
    sqlx::query_with(insert_events!("true"), arguments(&rows)?).execute(&mut **tx).await?;
    Ok(())
}

/// The first seven arguments of a statement that inserts `rows` by [`insert_events!`]; others follow them.
///
/// # Errors
/// None in practice: text and numbers can be encoded.
pub fn arguments<'a>(rows: impl IntoIterator<Item = &'a Row>) -> Result<PgArguments, sqlx::Error> {
    let (mut ids, mut types, mut aggregates, mut kinds) = (vec![], vec![], vec![], vec![]);
    let (mut payloads, mut headers, mut shards) = (vec![], vec![], vec![]);
    for row in rows {
        ids.push(row.id);
        types.push(row.aggregate_type);
        aggregates.push(row.aggregate_id.as_str());
        kinds.push(row.kind);
        payloads.push(row.payload.as_str());
        headers.push(row.headers.as_str());
        shards.push(row.shard);
    }
    let mut arguments = PgArguments::default();
    let add = || {
        arguments.add(ids)?;
        arguments.add(types)?;
        arguments.add(aggregates)?;
        arguments.add(kinds)?;
        arguments.add(payloads)?;
        arguments.add(headers)?;
        arguments.add(shards)
    };
    add().map_err(sqlx::Error::Encode)?;
    Ok(arguments)
}

/// The shard of an aggregate: FNV-1a with MurmurHash3's finaliser, which are the same in every version of every build.
fn shard_of(aggregate_id: &str) -> i16 {
    let hash = aggregate_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    // The remainder is below SHARDS, so it fits.
    i16::try_from((mixed >> 33) % u64::from(SHARDS.unsigned_abs())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_never_changes_and_all_are_used() {
        assert_eq!(["", "a", "order-1"].map(shard_of), [9, 15, 12]);
        let used: std::collections::BTreeSet<_> = (0..1000).map(|n| shard_of(&format!("order-{n}"))).collect();
        assert_eq!(used.len(), 16);
        assert!(used.iter().all(|shard| (0..SHARDS).contains(shard)));
    }
}
