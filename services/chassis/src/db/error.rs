//! What a database's error means.

use crate::http::Problem;

/// Whether the database could not do it now, but may later: away, starting, stopping, overloaded, or a time-out or a
/// deadlock ended the transaction. Nothing is known to have been committed.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    use sqlx::Error as E;
    match error {
        E::Io(_) | E::Tls(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => true,
        E::Database(error) => error.code().is_some_and(|code| {
            // Classes: connection exception, insufficient resources, operator intervention (also statement time-outs
            // and start-up), and from "transaction rollback" and "object not in state" what another try may pass:
            // serialisation failure, deadlock, lock time-out. 25P03: idle in transaction for too long.
            ["08", "53", "57"].iter().any(|class| code.starts_with(class))
                || matches!(code.as_ref(), "40001" | "40P01" | "55P03" | "25P03")
        }),
        _ => false,
    }
}

/// Whether the statement was refused by the constraint of that name.
pub fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(|error| error.constraint()) == Some(constraint)
}

impl From<&sqlx::Error> for Problem {
    /// 503 with `Retry-After` when trying again may help, otherwise 500. Either is logged, neither tells the client
    /// what the database said.
    fn from(error: &sqlx::Error) -> Self {
        if is_unavailable(error) {
            tracing::warn!(%error, "the database is not available");
            return Self::unavailable("The database is not available. Nothing is confirmed; repeating is safe.");
        }
        Self::internal(error)
    }
}

impl From<sqlx::Error> for Problem {
    /// As from a reference.
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}
