//! Group commit: what many callers want written at the same time is written together.
//!
//! A transaction costs a round trip and a wait for the disk, whatever it holds. So what comes while others' is being
//! written is collected, and is then written in one transaction. A caller who is alone waits for nobody.

use std::{
    collections::VecDeque,
    fmt,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

/// How many groups are written at the same time: one is prepared while another waits for the disk.
const WRITERS: usize = 2;
/// The most that one group holds. More would save little, and all its callers would be answered, and ask again, at once.
const MOST: usize = 16;

type Write<T, R> = dyn Fn(Vec<T>) -> BoxFuture<'static, Vec<R>> + Send + Sync;

/// Collects what is to be written. Cheap to clone; all clones are the same.
pub struct Group<T, R> {
    queue: Arc<Mutex<Queue<T, R>>>,
    write: Arc<Write<T, R>>,
}

struct Queue<T, R> {
    waiting: VecDeque<(T, oneshot::Sender<R>)>,
    writers: usize,
}

/// The writing came to no end, because it panicked or the process stops; whether anything is written is not known.
#[derive(Debug, thiserror::Error)]
#[error("the writing was given up")]
pub struct GivenUp;

impl<T: Send + 'static, R: Send + 'static> Group<T, R> {
    /// A group that `write` writes: it gets items in the sequence of their coming, and gives an outcome for each, in
    /// that sequence.
    pub fn new<F: Future<Output = Vec<R>> + Send + 'static>(
        write: impl Fn(Vec<T>) -> F + Send + Sync + 'static,
    ) -> Self {
        let queue = Queue { waiting: VecDeque::new(), writers: 0 };
        Self { queue: Arc::new(Mutex::new(queue)), write: Arc::new(move |items| Box::pin(write(items))) }
    }

    /// Has `item` written, with others or alone, and gives its outcome. Who stops waiting does not stop the writing.
    ///
    /// # Errors
    /// When the writing is given up.
    pub async fn write(&self, item: T) -> Result<R, GivenUp> {
        let (sender, receiver) = oneshot::channel();
        let begins = {
            let mut queue = lock(&self.queue);
            queue.waiting.push_back((item, sender));
            let begins = queue.writers < WRITERS;
            queue.writers += usize::from(begins);
            begins
        };
        if begins {
            tokio::spawn(write_all(Arc::clone(&self.queue), Arc::clone(&self.write)));
        }
        receiver.await.map_err(|_| GivenUp)
    }
}

/// Writes groups until none waits.
async fn write_all<T, R>(queue: Arc<Mutex<Queue<T, R>>>, write: Arc<Write<T, R>>) {
    loop {
        let (items, senders): (Vec<T>, Vec<_>) = {
            let mut queue = lock(&queue);
            let count = queue.waiting.len().min(MOST);
            if count == 0 {
                // Under the same lock: who comes next sees that this writer is gone.
                queue.writers -= 1;
                return;
            }
            queue.waiting.drain(..count).unzip()
        };
        // After a panic, whose message is in the log, the senders are dropped, and the next group is written.
        let Ok(outcomes) = AssertUnwindSafe(write(items)).catch_unwind().await else { continue };
        for (outcome, sender) in outcomes.into_iter().zip(senders) {
            // Who has stopped waiting need not know.
            let _ = sender.send(outcome);
        }
    }
}

fn lock<T, R>(queue: &Mutex<Queue<T, R>>) -> MutexGuard<'_, Queue<T, R>> {
    // Nothing is left half-changed where a panic could happen.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T, R> Clone for Group<T, R> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue), write: Arc::clone(&self.write) }
    }
}

impl<T, R> fmt::Debug for Group<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;

    use super::*;

    /// A group whose items' outcomes are the items themselves, each with the size of its group.
    fn sizes(takes: Duration) -> Group<u32, (u32, usize)> {
        Group::new(move |items: Vec<u32>| async move {
            tokio::time::sleep(takes).await;
            let size = items.len();
            items.into_iter().map(|item| (item, size)).collect()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_meanwhile_is_written_together_and_nothing_else_waits() {
        let group = sizes(Duration::from_millis(10));
        let started = tokio::time::Instant::now();
        assert_eq!(group.write(7).await.unwrap(), (7, 1));
        assert_eq!(started.elapsed(), Duration::from_millis(10));
        let outcomes = join_all((0..100).map(|item| group.write(item))).await;
        let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
        // Two writers begin with what there is when they begin; the rest is the next groups.
        assert!(outcomes.iter().enumerate().all(|(place, (item, size))| *item as usize == place && *size <= MOST));
        assert!(outcomes.iter().filter(|(_, size)| *size == MOST).count() > 50, "{outcomes:?}");
        assert!(started.elapsed() <= Duration::from_millis(60), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_does_not_stop_the_others() {
        let group = sizes(Duration::from_millis(10));
        let leaver = tokio::time::timeout(Duration::from_millis(1), group.write(1));
        let (left, stayed) = tokio::join!(leaver, group.write(2));
        assert!(left.is_err());
        assert_eq!(stayed.unwrap().0, 2);
    }

    #[tokio::test]
    async fn a_panic_is_told_and_the_next_is_written() {
        let group = Group::new(|items: Vec<u32>| async move {
            assert!(!items.contains(&13), "a panic that this test has asked for");
            items
        });
        for _ in 0..=WRITERS {
            assert!(group.write(13).await.is_err());
        }
        assert_eq!(group.write(14).await.unwrap(), 14);
    }
}
