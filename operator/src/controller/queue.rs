//! Platforms that are to be looked at, each once for a burst of events.

use std::{collections::HashMap, hash::Hash, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::time::{DelayQueue, delay_queue};

/// Quiet time that a burst of events is waited for.
const QUIET: Duration = Duration::from_millis(100);
/// How long a burst may be: pods by the hundreds that start leave no quiet time for minutes.
const LONGEST: Duration = Duration::from_secs(3);

/// What waits.
struct Waiting<T> {
    woken: mpsc::UnboundedReceiver<T>,
    due: DelayQueue<T>,
    /// Its place in the queue, and until when it may wait.
    places: HashMap<T, (delay_queue::Key, Instant)>,
}

/// Whatever comes, once it has not come again for a while.
pub(super) fn gathered<T: Clone + Eq + Hash>(woken: mpsc::UnboundedReceiver<T>) -> impl Stream<Item = T> {
    let waiting = Waiting { woken, due: DelayQueue::new(), places: HashMap::new() };
    stream::unfold(waiting, |mut waiting| async move {
        loop {
            tokio::select! {
                Some(due) = waiting.due.next() => {
                    let due = due.into_inner();
                    waiting.places.remove(&due);
                    return Some((due, waiting));
                }
                woken = waiting.woken.recv() => waiting.take_in(woken?),
            }
        }
    })
}

impl<T: Clone + Eq + Hash> Waiting<T> {
    fn take_in(&mut self, woken: T) {
        let now = Instant::now();
        if let Some((place, latest)) = self.places.get(&woken) {
            self.due.reset_at(place, *latest.min(&(now + QUIET)));
            return;
        }
        let place = self.due.insert_at(woken.clone(), now + QUIET);
        self.places.insert(woken, (place, now + LONGEST));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_told_once_it_is_over() {
        let (wake, woken) = mpsc::unbounded_channel();
        let mut gathered = Box::pin(gathered(woken));
        for _ in 0..5 {
            wake.send("a").unwrap();
            assert!(timeout(QUIET - 2 * MOMENT, gathered.next()).await.is_err());
        }
        wake.send("b").unwrap();
        assert_eq!(gathered.next().await, Some("a"));
        assert_eq!(gathered.next().await, Some("b"));
        assert!(timeout(LONGEST, gathered.next()).await.is_err(), "each once");
        wake.send("a").unwrap();
        assert_eq!(gathered.next().await, Some("a"), "and again when it comes again");
        drop(wake);
        assert_eq!(gathered.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_without_an_end_is_told_all_the_same() {
        let (wake, woken) = mpsc::unbounded_channel();
        let mut gathered = Box::pin(gathered(woken));
        let started = Instant::now();
        let told = loop {
            wake.send("a").unwrap();
            if let Ok(told) = timeout(QUIET / 2, gathered.next()).await {
                break told;
            }
        };
        assert_eq!(told, Some("a"));
        assert!(started.elapsed() <= LONGEST + QUIET, "{:?}", started.elapsed());
    }
}
