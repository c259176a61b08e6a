//! The inbox' partitions: one for each day, made ahead and dropped when no repetition can come any more.

use std::{collections::BTreeSet, time::Duration};

use chrono::{Days, NaiveDate, Utc};
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{
    config::Retention,
    db::{Database, Tx},
    tasks::Tasks,
};

/// How often the partitions are looked at. A failure is repeated sooner, by the task's supervisor.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// So many days ahead of today have partitions: enough for clocks that are ahead, and for an outage over a weekend.
const AHEAD: u64 = 3;

/// Keeps the partitions in step with the days, as one of `tasks`. Events are remembered for `retention`.
pub(crate) fn start(tasks: &Tasks, database: Database, retention: Retention) {
    tasks.spawn("inbox-days", move |stop| {
        let database = database.clone();
        async move { run(&database, retention, stop).await }
    });
}

async fn run(database: &Database, retention: Retention, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        keep(database, retention).await?;
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
}

/// What is to be done today.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    create: Vec<NaiveDate>,
    drop: Vec<NaiveDate>,
    /// Events from before this day are forgotten.
    oldest: Option<NaiveDate>,
}

fn plan(existing: &BTreeSet<NaiveDate>, today: NaiveDate, retention: Retention) -> Plan {
    // A day is kept until its last moment is older than the retention.
    let oldest = match retention {
        Retention::For(kept) => today.checked_sub_days(Days::new(kept.as_secs().div_ceil(24 * 60 * 60))),
        Retention::Forever => None,
    };
    let days = (0..=AHEAD).filter_map(|ahead| today.checked_add_days(Days::new(ahead)));
    Plan {
        create: days.filter(|day| !existing.contains(day)).collect(),
        drop: existing.iter().copied().filter(|day| oldest.is_some_and(|oldest| *day < oldest)).collect(),
        oldest,
    }
}

/// Makes and drops partitions, each in a transaction of its own, so that readers wait for an instant only. What there is
/// to do is looked at under a lock: another replica may just have done it.
async fn keep(database: &Database, retention: Retention) -> anyhow::Result<()> {
    loop {
        let mut tx = database.begin().await?;
        if !one_at_a_time(&mut tx).await? {
            return Ok(());
        }
        let plan = plan(&existing(&mut tx).await?, Utc::now().date_naive(), retention);
        if let Some(day) = plan.create.first() {
            create(&mut tx, *day).await?;
            tx.commit().await?;
            debug!(%day, "the inbox has a partition for a day to come");
        } else if let Some(day) = plan.drop.first() {
            let partition = name(*day);
            sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {partition}"))).execute(&mut *tx).await?;
            tx.commit().await?;
            info!(%day, "the inbox has forgotten a day");
        } else {
            // Events with times that no partition was made for.
            sqlx::query("DELETE FROM inbox_default WHERE day < $1").bind(plan.oldest).execute(&mut *tx).await?;
            tx.commit().await?;
            return Ok(());
        }
    }
}

async fn existing(tx: &mut Tx) -> Result<BTreeSet<NaiveDate>, sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'inbox'::regclass",
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(names.iter().filter_map(|name| day(name)).collect())
}

/// Whether no other replica is at it. The lock ends with the transaction.
async fn one_at_a_time(tx: &mut Tx) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtext('inbox-days ' || current_schema()))")
        .fetch_one(&mut **tx)
        .await
}

/// Makes the partition of `day`, and moves there what of that day was written without it.
async fn create(tx: &mut Tx, day: NaiveDate) -> Result<(), sqlx::Error> {
    let (partition, next) = (name(day), day.succ_opt().unwrap_or(day));
    // The parent is locked first, as writers do. Only names and dates of our own making are put into the text.
    let sql = format!(
        "LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE;
         CREATE TABLE {partition} (LIKE inbox INCLUDING ALL);
         WITH moved AS (DELETE FROM inbox_default WHERE day = '{day}' RETURNING day, message_id, reader)
         INSERT INTO {partition} (day, message_id, reader) SELECT day, message_id, reader FROM moved;
         ALTER TABLE inbox ATTACH PARTITION {partition} FOR VALUES FROM ('{day}') TO ('{next}')"
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut **tx).await?;
    Ok(())
}

fn name(day: NaiveDate) -> String {
    format!("inbox_{}", day.format("%Y%m%d"))
}

fn day(name: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(name.strip_prefix("inbox_")?, "%Y%m%d").ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn days_to_come_are_made_and_those_past_their_time_dropped() {
        let existing = ["2026-01-01", "2026-01-07", "2026-01-08", "2026-01-18"].map(date).into();
        let plan = plan(&existing, date("2026-01-17"), Retention::For(Duration::from_secs(10 * 24 * 60 * 60)));
        assert_eq!(plan.create, ["2026-01-17", "2026-01-19", "2026-01-20"].map(date));
        assert_eq!(plan.drop, [date("2026-01-01")]);
        assert_eq!(plan.oldest, Some(date("2026-01-07")));
    }

    #[test]
    fn for_ever_is_for_ever() {
        let plan = plan(&[date("2020-01-01")].into(), date("2026-01-17"), Retention::Forever);
        assert_eq!((plan.drop, plan.oldest), (vec![], None));
    }

    #[test]
    fn a_partition_is_named_after_its_day() {
        assert_eq!(name(date("2026-01-02")), "inbox_20260102");
        assert_eq!(day("inbox_20260102"), Some(date("2026-01-02")));
        assert_eq!(day("inbox_default"), None);
    }
}
