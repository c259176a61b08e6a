//! The load: an open loop, which keeps its rate whatever the answers, and a closed one, which finds out how much goes
//! through. Both are bounded in count and time.

use std::{
    net::SocketAddr,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use http_body_util::Full;
use tokio::sync::{
    Mutex,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

use crate::{connection::Connection, tally::Tally};

/// How long after its end an open loop waits for the requests that are late.
const GRACE: Duration = Duration::from_secs(10);

/// Makes the next request. It is told when that should be sent.
pub(crate) type Make = Arc<dyn Fn(Instant) -> Request<Full<Bytes>> + Send + Sync>;

/// Where a load goes, over how many connections, and what it asks.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) target: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) make: Make,
}

impl Load {
    /// Each connection asks again as soon as it was answered. That finds the highest rate, but not how long one waits at
    /// it: a slow answer holds back the questions that would have waited, too.
    pub(crate) async fn closed(&self, lasting: Duration) -> Tally {
        let start = Instant::now();
        let workers = (0..self.connections).map(|_| {
            let Self { target, make, .. } = self.clone();
            tokio::spawn(async move {
                let (mut connection, mut tally) = (Connection::new(target), Tally::default());
                while start.elapsed() < lasting {
                    let now = Instant::now();
                    let answer = connection.send(make(now)).await;
                    tally.answered(start, now, answer);
                }
                tally
            })
        });
        gather(workers, start).await
    }

    /// Asks `rate` times a second, evenly. Times count from when a request should have been sent: when all connections are
    /// busy, that is before it is sent (no coordinated omission).
    pub(crate) async fn open(&self, rate: f64, lasting: Duration) -> Tally {
        let start = Instant::now();
        let deadline = start + lasting + GRACE;
        let (ticks, due) = unbounded_channel();
        let clock = thread::spawn(move || tick(start, rate, lasting, &ticks));
        let due = Arc::new(Mutex::new(due));
        let workers = (0..self.connections).map(|_| {
            let (Self { target, make, .. }, due) = (self.clone(), Arc::clone(&due));
            tokio::spawn(async move {
                let (mut connection, mut tally) = (Connection::new(target), Tally::default());
                while let Some(intended) = next(&due, deadline).await {
                    let answer = connection.send(make(intended)).await;
                    tally.answered(start, intended, answer);
                }
                tally
            })
        });
        let mut tally = gather(workers, start).await;
        let mut due = due.lock().await;
        due.close();
        while let Ok(intended) = due.try_recv() {
            tally.unsent += 1;
            tally.latency.record(deadline - intended);
        }
        // Its channel is closed, so it ends with its next tick.
        drop(clock);
        tally
    }
}

/// Says when requests are due. A thread of its own: the runtime's timers know milliseconds alone.
fn tick(start: Instant, rate: f64, lasting: Duration, ticks: &UnboundedSender<Instant>) {
    for intended in (0_u32..).map(|number| due_at(rate, number)).take_while(|due| *due < lasting).map(|due| start + due)
    {
        thread::sleep(intended.saturating_duration_since(Instant::now()));
        if ticks.send(intended).is_err() {
            return;
        }
    }
}

/// When the request of that number is due, from the start.
fn due_at(rate: f64, number: u32) -> Duration {
    Duration::from_secs_f64(f64::from(number) / rate)
}

/// When the next request is due, once it is; `None` when there is none any more, or the time is over.
async fn next(due: &Mutex<UnboundedReceiver<Instant>>, deadline: Instant) -> Option<Instant> {
    let next = async { due.lock().await.recv().await };
    tokio::time::timeout_at(deadline.into(), next).await.ok()?
}

async fn gather(workers: impl Iterator<Item = tokio::task::JoinHandle<Tally>>, start: Instant) -> Tally {
    let mut sum = Tally::default();
    // All are spawned first: the iterator is lazy.
    for worker in join_all(workers).await {
        match worker {
            Ok(tally) => sum.merge(tally),
            // A worker's panic is ours: a tally without it would be wrong.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    sum.took = start.elapsed();
    sum
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers each request after `delay`.
    async fn server(delay: Duration) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    // Requests are small and one at a time: each comes in one piece.
                    while stream.read(&mut buffer).await.unwrap_or_default() > 0 {
                        tokio::time::sleep(delay).await;
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                    }
                });
            }
        });
        address
    }

    fn load(target: SocketAddr, connections: usize) -> Load {
        let make: Make = Arc::new(|_| Request::get("/").header("host", "test").body(Full::default()).unwrap());
        Load { target, connections, make }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_open_loop_keeps_its_rate_and_counts_the_wait_for_a_connection() {
        let load = load(server(Duration::from_millis(20)).await, 1);
        // One connection does 50 a second: of 200 a second, each waits longer than the one before.
        let tally = load.open(200.0, Duration::from_millis(500)).await;
        assert_eq!(tally.successes(), 100);
        assert!(tally.latency.max() >= 1000.0, "{}", tally.latency.max());
        assert_eq!(tally.troubles(), None);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_closed_loop_sends_when_it_was_answered() {
        let load = load(server(Duration::from_millis(20)).await, 4);
        let tally = load.closed(Duration::from_millis(500)).await;
        assert!((4..=104).contains(&tally.successes()), "{tally:?}");
        assert!(tally.latency.percentile(0.0) >= 19.0);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_server_that_is_away_is_counted() {
        let tally = load(([127, 0, 0, 1], 1).into(), 1).open(100.0, Duration::from_millis(50)).await;
        assert_eq!((tally.successes(), tally.failures), (0, 5));
        assert!(tally.troubles().unwrap().contains("connecting to 127.0.0.1:1"));
    }

    #[test]
    fn requests_are_due_evenly() {
        assert_eq!([0, 1, 200].map(|number| due_at(200.0, number).as_millis()), [0, 5, 1000]);
    }
}
