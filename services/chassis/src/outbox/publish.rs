//! From outbox rows to Kafka's acknowledgements.

use std::collections::BTreeMap;

use anyhow::Context;
use futures::future::try_join_all;
use rdkafka::producer::FutureRecord;
use sqlx::PgPool;

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

/// The oldest rows of each shard that `holder` holds a lease of, in the order of writing within a shard.
pub(super) async fn read(pool: &PgPool, holder: &str) -> Result<Vec<Pending>, sqlx::Error> {
    let mut rows: Vec<Pending> = sqlx::query_as(
        "SELECT e.* FROM outbox_shards s CROSS JOIN LATERAL (
             SELECT shard, seq, aggregatetype, aggregateid, payload, headers FROM outbox
             WHERE shard = s.shard ORDER BY seq LIMIT $2) e
         WHERE s.holder = $1 AND s.expires_at > now()",
    )
    .bind(holder)
    .bind(ROWS_PER_SHARD)
    .fetch_all(pool)
    .await?;
    rows.sort_unstable_by_key(|row| (row.shard, row.seq));
    Ok(rows)
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
    sqlx::query("DELETE FROM outbox o USING unnest($1::smallint[], $2::bigint[]) AS d (shard, seq) WHERE o.shard = d.shard AND o.seq = d.seq")
        .bind(shards)
        .bind(seqs)
        .execute(pool)
        .await?;
    Ok(())
}
