//! From outbox rows to Kafka's acknowledgements.

use std::collections::BTreeMap;

use anyhow::Context;
use futures::future::try_join_all;
use rdkafka::producer::FutureRecord;
use sqlx::PgPool;

use super::mark::{Mark, Snapshot};
use crate::kafka::{self, Producer};

/// How many rows of one shard are read at a time.
const ROWS_PER_SHARD: i64 = 200;

/// A row to be published.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Pending {
    shard: i16,
    seq: i64,
    aggregatetype: String,
    aggregateid: String,
    payload: String,
    headers: String,
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read {
    /// By shard, and in the order of writing within a shard.
    pub(super) pending: Vec<Pending>,
    /// Nothing that was visible was left out up to this place; `i64::MAX` when nothing was at all.
    pub(super) complete_to: i64,
}

impl Read {
    fn new(mut pending: Vec<Pending>) -> Self {
        pending.sort_unstable_by_key(|row| (row.shard, row.seq));
        let shards = pending.chunk_by(|row, next| row.shard == next.shard);
        let full = shards.filter(|shard| shard.len() as i64 >= ROWS_PER_SHARD);
        let complete_to = full.filter_map(|shard| Some(shard.last()?.seq)).min().unwrap_or(i64::MAX);
        Self { pending, complete_to }
    }

    /// The last place.
    pub(super) fn last(&self) -> i64 {
        self.pending.iter().map(|row| row.seq).max().unwrap_or_default()
    }
}

/// What transactions there are.
pub(super) async fn snapshot(pool: &PgPool) -> Result<Snapshot, sqlx::Error> {
    // xid8 has no cast to a number. A snapshot's own xmax would not do: it is about what has ended, and transactions with
    // higher ids may run.
    let sql = "SELECT pg_postmaster_start_time() AS server,
                      pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin,
                      pg_current_xact_id()::text::bigint AS newest";
    sqlx::query_as(sql).fetch_one(pool).await
}

/// The oldest rows of each shard that `holder` holds a lease of, those after `mark`.
pub(super) async fn read(pool: &PgPool, holder: &str, mark: &Mark) -> Result<Read, sqlx::Error> {
    let rows = sqlx::query_as(
        "SELECT e.* FROM outbox_shards s CROSS JOIN LATERAL (
             SELECT shard, seq, aggregatetype, aggregateid, payload, headers FROM outbox
             WHERE shard = s.shard AND seq > CASE WHEN pg_postmaster_start_time() = $4 THEN $3 ELSE 0 END
             ORDER BY seq LIMIT $2) e
         WHERE s.holder = $1 AND s.expires_at > now()",
    )
    .bind(holder)
    .bind(ROWS_PER_SHARD)
    .bind(mark.at())
    .bind(mark.server())
    .fetch_all(pool)
    .await?;
    Ok(Read::new(rows))
}

/// How long the oldest row of the outbox, whoever publishes it, has waited, in seconds; 0 when there is none.
pub(super) async fn oldest(pool: &PgPool) -> Result<f64, sqlx::Error> {
    let age: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM clock_timestamp() - min(e.created_at))::float8
         FROM outbox_shards s CROSS JOIN LATERAL (
             SELECT created_at FROM outbox WHERE shard = s.shard ORDER BY seq LIMIT 1) e",
    )
    .fetch_one(pool)
    .await?;
    Ok(age.unwrap_or_default())
}

/// Sends `rows` and waits until Kafka has all of them. After an error the producer must not be used again: what it
/// still holds may come after what is sent anew.
pub(super) async fn send(producer: &Producer, prefix: &str, rows: &[Pending]) -> anyhow::Result<()> {
    let mut acknowledgements = Vec::with_capacity(rows.len());
    for row in rows {
        let topic = format!("{prefix}{}", row.aggregatetype);
        let headers: BTreeMap<String, String> = serde_json::from_str(&row.headers)
            .with_context(|| format!("the headers of row {} of the outbox", row.seq))?;
        let headers = kafka::headers(headers.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let record = FutureRecord::to(&topic).key(&row.aggregateid).payload(&row.payload).headers(headers);
        // The queue holds more than a batch, so it is never full here.
        let sent = producer.send_result(record).map_err(|(error, _)| error);
        acknowledgements.push(sent.with_context(|| format!("cannot send to {topic}"))?);
    }
    try_join_all(acknowledgements.into_iter().map(|acknowledgement| async {
        match acknowledgement.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err((error, message))) => {
                let topic = rdkafka::Message::topic(&message).to_owned();
                Err(anyhow::Error::new(error).context(format!("Kafka did not take a message for {topic}")))
            }
            Err(_) => Err(anyhow::anyhow!("the producer was closed")),
        }
    }))
    .await?;
    Ok(())
}

/// Removes rows that Kafka has.
pub(super) async fn delete(pool: &PgPool, rows: &[Pending]) -> Result<(), sqlx::Error> {
    let (shards, seqs): (Vec<i16>, Vec<i64>) = rows.iter().map(|row| (row.shard, row.seq)).unzip();
    sqlx::query(
        "DELETE FROM outbox o USING unnest($1::smallint[], $2::bigint[]) AS d (shard, seq)
         WHERE o.shard = d.shard AND o.seq = d.seq",
    )
    .bind(shards)
    .bind(seqs)
    .execute(pool)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_complete_up_to_where_the_first_full_shard_ends() {
        let shard = |shard, seqs: std::ops::Range<i64>| {
            seqs.map(move |seq| Pending {
                shard,
                seq,
                aggregatetype: String::new(),
                aggregateid: String::new(),
                payload: String::new(),
                headers: String::new(),
            })
        };
        let few = Read::new(shard(1, 0..5).chain(shard(0, 7..9)).collect());
        assert_eq!((few.pending[0].seq, few.last(), few.complete_to), (7, 8, i64::MAX));
        let full = Read::new(shard(0, 0..3).chain(shard(1, 10..10 + ROWS_PER_SHARD)).collect());
        assert_eq!(full.complete_to, 9 + ROWS_PER_SHARD);
    }
}
