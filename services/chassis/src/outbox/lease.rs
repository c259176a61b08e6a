//! Which relay publishes which shard: a lease row for each shard, with an expiry by the database's clock and an epoch.

use std::time::Duration;

use sqlx::PgPool;

use super::SHARDS;

/// How long a lease holds without being renewed: the longest that a shard waits when its holder dies.
const TERM: Duration = Duration::from_secs(5);
/// How often leases are renewed, taken and given back.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(1);

/// The leases of one relay.
#[derive(Debug)]
pub(super) struct Leases {
    pool: PgPool,
    holder: String,
}

/// What a relay holds after a balance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Balance {
    /// Shards.
    pub(super) held: usize,
    /// How many of them it did not hold before.
    pub(super) taken: usize,
}

impl Leases {
    pub(super) fn new(pool: PgPool, holder: String) -> Self {
        Self { pool, holder }
    }

    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    /// Renews what this relay holds and returns how many shards that is. Nothing is taken or given back, so it may run
    /// while messages are under way.
    pub(super) async fn renew(&self) -> Result<usize, sqlx::Error> {
        // What has expired stays expired: another may be about to take it.
        let renewed = sqlx::query(
            "WITH alive AS (
                 INSERT INTO outbox_relays (holder, expires_at) VALUES ($1, now() + $2)
                 ON CONFLICT (holder) DO UPDATE SET expires_at = EXCLUDED.expires_at)
             UPDATE outbox_shards SET expires_at = now() + $2 WHERE holder = $1 AND expires_at > now()",
        )
        .bind(&self.holder)
        .bind(TERM)
        .execute(&self.pool)
        .await?;
        Ok(usize::try_from(renewed.rows_affected()).unwrap_or_default())
    }

    /// Renews, then takes free shards up to this relay's share, or gives back what is above it. Only for when no
    /// message is under way.
    pub(super) async fn balance(&self) -> Result<Balance, sqlx::Error> {
        let held = self.renew().await?;
        let alive: i64 = sqlx::query_scalar(
            "WITH gone AS (DELETE FROM outbox_relays WHERE expires_at < now() - interval '1 minute')
             SELECT count(*) FROM outbox_relays WHERE expires_at > now()",
        )
        .fetch_one(&self.pool)
        .await?;
        let share = share(usize::try_from(alive).unwrap_or(1));
        if held < share {
            let taken = self.take(share - held).await?;
            return Ok(Balance { held: held + taken, taken });
        }
        if held > share {
            self.give_back(held - share).await?;
        }
        Ok(Balance { held: share, taken: 0 })
    }

    async fn take(&self, count: usize) -> Result<usize, sqlx::Error> {
        let taken = sqlx::query(
            "UPDATE outbox_shards SET holder = $1, epoch = epoch + 1, expires_at = now() + $2
             WHERE shard IN (SELECT shard FROM outbox_shards WHERE expires_at <= now()
                             ORDER BY expires_at, shard LIMIT $3 FOR UPDATE SKIP LOCKED)",
        )
        .bind(&self.holder)
        .bind(TERM)
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await?;
        Ok(usize::try_from(taken.rows_affected()).unwrap_or_default())
    }

    async fn give_back(&self, count: usize) -> Result<(), sqlx::Error> {
        sqlx::query(
            "UPDATE outbox_shards SET holder = NULL, expires_at = '-infinity'
             WHERE shard IN (SELECT shard FROM outbox_shards WHERE holder = $1 ORDER BY shard DESC LIMIT $2)
               AND holder = $1",
        )
        .bind(&self.holder)
        .bind(i64::try_from(count).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives back all shards and leaves, so that the others take them at once.
    pub(super) async fn leave(&self) -> Result<(), sqlx::Error> {
        sqlx::query(
            "WITH gone AS (DELETE FROM outbox_relays WHERE holder = $1)
             UPDATE outbox_shards SET holder = NULL, expires_at = '-infinity' WHERE holder = $1",
        )
        .bind(&self.holder)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// How many shards each of `relays` may hold, so that together they can hold all.
fn share(relays: usize) -> usize {
    usize::from(SHARDS.unsigned_abs()).div_ceil(relays.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_cover_all_shards() {
        for relays in 0..40 {
            assert!(share(relays) * relays.max(1) >= usize::from(SHARDS.unsigned_abs()), "{relays}");
        }
        assert_eq!([0, 1, 2, 3, 16, 17].map(share), [16, 16, 8, 6, 1, 1]);
    }
}
