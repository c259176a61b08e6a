//! Publishes the outbox: reads the oldest rows of its shards, sends them, and removes them when Kafka has them.
//!
//! A row that becomes visible late is found whenever it becomes visible (see [`Mark`]). After any error the producer is
//! thrown away with all it holds, and the oldest rows are read again; readers see repetitions, never a gap or, within one
//! order, another sequence.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    SHARDS, announce,
    lease::{Balance, Leases, RENEW_EVERY},
    mark::Mark,
    publish::{self, Pending},
};
use crate::{
    config::KafkaSettings,
    crash,
    db::Database,
    kafka::{self, Guarded, Producer},
    tasks::{Backoff, Tasks},
};

/// How long a row of another process waits at most, when its announcement is lost, before this one looks for it.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How long it is at least from one round to the next: what comes meanwhile is published together.
const PACE: Duration = Duration::from_millis(2);
/// How often the age of the oldest row is looked at.
const OBSERVE_EVERY: Duration = Duration::from_secs(5);
/// How long a stopping relay tries to publish what is left; another replica, or the next start, publishes the rest.
const FLUSH_FOR: Duration = Duration::from_secs(5);

/// Starts the relay among `tasks`; when they stop, it publishes what is left and gives its shards back.
pub(crate) fn start(tasks: &Tasks, database: Database, kafka: &KafkaSettings, holder: String) {
    let alone = Arc::new(AtomicBool::new(false));
    announce::start(tasks, &database, &holder, &alone);
    let leases = Leases::new(database.pool().clone(), holder);
    let relay = Arc::new(Relay { leases, database, kafka: kafka.clone(), alone });
    tasks.spawn("outbox", move |stop| {
        let relay = Arc::clone(&relay);
        async move { relay.run(stop).await }
    });
}

struct Relay {
    database: Database,
    leases: Leases,
    kafka: KafkaSettings,
    /// Whether this relay holds all shards.
    alone: Arc<AtomicBool>,
}

/// What lasts from one round to the next.
struct State {
    /// None after a failure with messages under way.
    producer: Option<Guarded<Producer>>,
    balance_at: Instant,
    observe_at: Instant,
    held: usize,
    mark: Mark,
}

/// What a round has left to do.
enum Left {
    More,
    /// What there was is published; whoever writes more wakes us.
    Nothing,
}

impl Relay {
    async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        // Made ahead of the first event, so that it has found the brokers by then.
        let now = Instant::now();
        let mut state = State {
            producer: Some(self.producer()?),
            balance_at: now,
            observe_at: now,
            held: 0,
            mark: Mark::default(),
        };
        let flush_over = async {
            stop.cancelled().await;
            tokio::time::sleep(FLUSH_FOR).await;
        };
        tokio::select! {
            () = self.publish_until(&stop, &mut state) => {}
            () = flush_over => warn!("events are left in the outbox for another replica, or for the next start"),
        }
        drop(state);
        if let Err(error) = self.leases.leave().await {
            // They expire by themselves.
            warn!(%error, "cannot give back the outbox' shards");
        }
        Ok(())
    }

    /// Publishes until told to stop, and then until nothing is left.
    async fn publish_until(&self, stop: &CancellationToken, state: &mut State) {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(3));
        loop {
            let began = Instant::now();
            // Whatever writes has ended by then, so what there is in a round that begins now is all.
            let last = stop.is_cancelled();
            match self.round(state).await {
                Ok(Left::More) => backoff.reset(),
                Ok(Left::Nothing) if last => return,
                Ok(Left::Nothing) => {
                    backoff.reset();
                    tokio::select! {
                        () = async {
                            tokio::time::sleep_until(began + PACE).await;
                            self.database.relay_woken().await;
                        } => {}
                        () = tokio::time::sleep(POLL_EVERY) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Err(error) => {
                    state.mark = Mark::default();
                    let retry_in = backoff.next_delay();
                    metrics::counter!("outbox_publish_errors_total").increment(1);
                    warn!(error = format!("{error:#}"), ?retry_in, "publishing the outbox failed");
                    tokio::time::sleep(retry_in).await;
                }
            }
        }
    }

    /// Publishes what there is, or as much of it as goes at a time.
    async fn round(&self, state: &mut State) -> anyhow::Result<Left> {
        if Instant::now() >= state.balance_at {
            let Balance { held, taken } = self.leases.balance().await.context("cannot renew the outbox' leases")?;
            if taken > 0 {
                // Their rows may be older than what was published here.
                state.mark = Mark::default();
            }
            state.mark.observe(publish::snapshot(self.database.pool()).await.context("cannot read the outbox")?);
            if held != state.held {
                info!(shards = held, "publishing the outbox' shards");
                state.held = held;
            }
            self.alone.store(held == usize::from(SHARDS.unsigned_abs()), Ordering::Relaxed);
            state.balance_at = Instant::now() + RENEW_EVERY;
        }
        if Instant::now() >= state.observe_at {
            let age = publish::oldest(self.database.pool()).await.context("cannot read the outbox")?;
            metrics::gauge!("outbox_oldest_seconds").set(age);
            state.observe_at = Instant::now() + OBSERVE_EVERY;
        }
        let read = publish::read(self.database.pool(), self.leases.holder(), &state.mark);
        let read = read.await.context("cannot read the outbox")?;
        if !read.pending.is_empty() {
            self.publish(state, &read.pending).await?;
        }
        state.mark.published(read.last(), read.complete_to);
        Ok(if read.complete_to == i64::MAX { Left::Nothing } else { Left::More })
    }

    /// Sends and removes `rows`, and renews the leases as long as that takes. When it fails, or is given up, the
    /// producer goes with it.
    async fn publish(&self, state: &mut State, rows: &[Pending]) -> anyhow::Result<()> {
        let producer = match state.producer.take() {
            Some(producer) => producer,
            None => self.producer()?,
        };
        crash::point("publish.before");
        tokio::select! {
            sent = publish::send(&producer, &self.kafka.topic_prefix, rows) => sent?,
            lost = self.keep_leases(state.held) => return lost,
        }
        state.producer = Some(producer);
        crash::point("publish.after");
        publish::delete(self.database.pool(), rows).await.context("cannot remove published rows")?;
        metrics::counter!("outbox_published_total").increment(rows.len() as u64);
        Ok(())
    }

    fn producer(&self) -> anyhow::Result<Guarded<Producer>> {
        kafka::producer(&self.kafka).map(kafka::guarded).context("cannot make a Kafka producer")
    }

    /// Renews until that is not possible: then another relay may publish the same shards.
    async fn keep_leases(&self, held: usize) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval_at(Instant::now() + RENEW_EVERY, RENEW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let renewed = self.leases.renew().await.context("cannot renew the outbox' leases")?;
            if renewed < held {
                bail!("{} of {held} leases were lost while Kafka did not answer", held - renewed);
            }
        }
    }
}
