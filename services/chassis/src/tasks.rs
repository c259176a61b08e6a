//! Background tasks under supervision: one that fails is logged and started again, and all stop together.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::{runtime::Handle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info};

/// A set of background tasks with one signal to stop.
#[derive(Debug, Clone)]
pub struct Tasks {
    runtime: Handle,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// No tasks yet; they are to run on `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Runs `task` until it returns `Ok`. After an error or a panic it runs again, later each time; the token tells it
    /// to come to an end.
    pub fn spawn<F, Fut>(&self, name: &'static str, task: F)
    where
        F: Fn(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send,
    {
        let stop = self.stop.clone();
        let supervised = async move {
            let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
            while !stop.is_cancelled() {
                let started = Instant::now();
                // A task keeps no state of its own across runs, so nothing half-changed is seen after a panic.
                let problem = match AssertUnwindSafe(task(stop.clone())).catch_unwind().await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => format!("{error:#}"),
                    Err(_) => "it panicked; the message is above".to_owned(),
                };
                if started.elapsed() > Duration::from_secs(60) {
                    backoff.reset();
                }
                let delay = backoff.next_delay();
                metrics::counter!("background_task_failures_total", "task" => name).increment(1);
                error!(task = name, error = problem, retry_in = ?delay, "background task failed");
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = stop.cancelled() => {}
                }
            }
            info!(task = name, "background task stopped");
        };
        self.tracker.spawn_on(supervised, &self.runtime);
    }

    /// Tells the tasks to stop and waits until they have.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Waits between attempts: doubling from the first to the last, each shortened by a random part of up to a half so
/// that replicas do not try together.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays from `first` to `last`.
    pub fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, next: first }
    }

    /// Starts again from the first delay.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// How long to wait before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.next.mul_f64(rand::random_range(0.5..=1.0));
        self.next = (self.next * 2).min(self.last);
        delay
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failing_task_runs_again_and_a_finished_one_does_not() {
        let (tasks, runs) = (Tasks::new(Handle::current()), Arc::new(AtomicU32::new(0)));
        let counter = Arc::clone(&runs);
        tasks.spawn("flaky", move |_| {
            let run = counter.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => anyhow::bail!("first"),
                    1 => panic!("second"),
                    _ => Ok(()),
                }
            }
        });
        tasks.tracker.close();
        tasks.tracker.wait().await;
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn stop_reaches_a_task_that_waits() {
        let tasks = Tasks::new(Handle::current());
        tasks.spawn("waits", |stop| async move {
            stop.cancelled().await;
            Ok(())
        });
        tasks.stop().await;
    }

    #[test]
    fn delays_grow_to_the_last_and_start_again() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));
        let ranges = [(50, 100), (100, 200), (200, 400), (200, 400)];
        for (least, most) in ranges {
            let delay = backoff.next_delay();
            assert!(delay >= Duration::from_millis(least) && delay <= Duration::from_millis(most), "{delay:?}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(100));
    }
}
