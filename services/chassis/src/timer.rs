//! Work that falls due: rows with a time at which something happens to them by itself.

use std::{future::Future, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

/// The longest sleep. What another process made due, and did not live to do, waits this long at most.
const POLL: Duration = Duration::from_secs(1);

/// The shortest time between two looks: what falls due meanwhile is done together. It also keeps a row that is due, and
/// held by another transaction, from being tried without end.
const PACE: Duration = Duration::from_millis(10);

/// How many rows are done in one transaction at most.
const BATCH: u32 = 500;

/// Rows that fall due.
pub trait Due: Sync {
    /// Does what is due, for at most `limit` rows, in one transaction. Gives how many there were.
    fn run(&self, limit: u32) -> impl Future<Output = sqlx::Result<usize>> + Send;

    /// When the next row is due.
    fn next(&self) -> impl Future<Output = sqlx::Result<Option<DateTime<Utc>>>> + Send;
}

/// Does what is due as it falls due, until it is told to stop. `wake` is to be notified when a row was committed that
/// may be due before all others.
///
/// # Errors
/// Those of the database.
pub async fn run(due: &impl Due, wake: &Notify, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let looked = Instant::now();
        let next = due.next().await?;
        // A time that has come has none to be waited for.
        let rest = next.map(|next| (next - Utc::now()).to_std().unwrap_or_default());
        if rest.is_some_and(|rest| rest.is_zero()) {
            while due.run(BATCH).await? == BATCH as usize && !stop.is_cancelled() {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = async {
                tokio::time::sleep_until(looked + PACE).await;
                if rest.is_none_or(|rest| !rest.is_zero()) {
                    let rest = rest.unwrap_or(POLL).min(POLL);
                    let _ = tokio::time::timeout_at(looked + rest, wake.notified()).await;
                }
            } => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::sync::watch;

    use super::*;

    /// Rows in memory, by the time they are due.
    struct Rows {
        due: Mutex<Vec<DateTime<Utc>>>,
        done: watch::Sender<usize>,
    }

    impl Due for Rows {
        async fn run(&self, limit: u32) -> sqlx::Result<usize> {
            let now = Utc::now();
            let mut due = self.due.lock().unwrap();
            let ready = due.iter().filter(|at| **at <= now).count().min(limit as usize);
            due.sort();
            due.drain(..ready);
            self.done.send_modify(|done| *done += ready);
            Ok(ready)
        }

        async fn next(&self) -> sqlx::Result<Option<DateTime<Utc>>> {
            Ok(self.due.lock().unwrap().iter().min().copied())
        }
    }

    #[tokio::test]
    async fn everything_due_is_done_and_a_new_row_wakes_the_timer() {
        let soon = Utc::now() + Duration::from_millis(50);
        let later = Utc::now() + Duration::from_secs(3600);
        let mut due = vec![Utc::now(); 2 * BATCH as usize + 1];
        due.extend([soon, later]);
        let (first, all) = (due.len() - 1, due.len());
        let rows = Rows { due: Mutex::new(due), done: watch::Sender::new(0) };
        let (wake, stop, mut done) = (Notify::new(), CancellationToken::new(), rows.done.subscribe());
        let check = async {
            done.wait_for(|done| *done == first).await.unwrap();
            rows.due.lock().unwrap().push(Utc::now());
            wake.notify_one();
            done.wait_for(|done| *done == all).await.unwrap();
            stop.cancel();
        };
        let (result, ()) = tokio::join!(run(&rows, &wake, stop.clone()), check);
        result.unwrap();
        assert_eq!(rows.due.lock().unwrap().len(), 1);
    }
}
