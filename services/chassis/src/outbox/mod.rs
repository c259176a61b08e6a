//! The transactional outbox: a change and its events commit in one transaction, and a relay publishes the events.
//!
//! Write events with [`append`] after the aggregate's row was written in the same transaction, and commit with
//! [`Database::commit`](crate::db::Database::commit), which wakes the relay. Where one statement does both, bind a
//! [`Row`] to a data-modifying CTE and call [`Database::wake_relay`](crate::db::Database::wake_relay).

mod announce;
mod lease;
mod publish;
pub(crate) mod relay;

use std::collections::BTreeMap;

use contract::CloudEvent;
use uuid::Uuid;

use crate::db::Tx;

/// How many shards the outbox has. It is fixed: the rows of one aggregate must keep their shard.
pub(crate) const SHARDS: i16 = 16;

/// An event as a row of the table `outbox`, whose other columns fill themselves.
#[derive(Debug, Clone)]
pub struct Row {
    /// `id uuid`: the event's id.
    pub id: Uuid,
    /// `aggregatetype text`: the topic, without its prefix.
    pub aggregate_type: &'static str,
    /// `aggregateid text`: the order's id, which is the message's key.
    pub aggregate_id: String,
    /// `type text`: the event's type.
    pub kind: &'static str,
    /// `payload text`: the event's JSON.
    pub payload: String,
    /// `headers text`: the message's headers, as a JSON object.
    pub headers: String,
    /// `shard smallint`.
    pub shard: i16,
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

/// Writes `events` in one statement, in their order. Call it after the aggregates' rows were written in `tx`: that is
/// what makes the order of the events the order of the changes.
///
/// # Errors
/// Those of the database.
pub async fn append(tx: &mut Tx, events: &[CloudEvent]) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.iter().map(Row::new).collect::<Result<Vec<_>, _>>()?;
    let (mut ids, mut types, mut aggregates, mut kinds) = (vec![], vec![], vec![], vec![]);
    let (mut payloads, mut headers, mut shards) = (vec![], vec![], vec![]);
    for row in rows {
        ids.push(row.id);
        types.push(row.aggregate_type);
        aggregates.push(row.aggregate_id);
        kinds.push(row.kind);
        payloads.push(row.payload);
        headers.push(row.headers);
        shards.push(row.shard);
    }
    sqlx::query(
        "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers, shard)
         SELECT id, aggregatetype, aggregateid, type, payload, headers, shard
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::smallint[])
              WITH ORDINALITY AS e (id, aggregatetype, aggregateid, type, payload, headers, shard, position)
         ORDER BY position",
    )
    .bind(ids)
    .bind(types)
    .bind(aggregates)
    .bind(kinds)
    .bind(payloads)
    .bind(headers)
    .bind(shards)
    .execute(&mut **tx)
    .await?;
    Ok(())
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
