//! What is looked at during a soak, and how much more of it there may be at the end.

use std::{collections::BTreeMap, fmt};

use ::tests::{platform::Platform, process::Service};
use anyhow::Result;

use super::verdict::{Allowed, Point};
use crate::{
    backlog::{Looker, PUBLISHERS},
    usage,
};

/// What can grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Memory,
    Threads,
    Descriptors,
    OutboxRows,
    OutboxSize,
    OutboxDead,
    Connections,
    Lag,
    Backlog,
}

/// What can grow, and whose; nobody's when it is the whole platform's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Thing {
    pub(crate) kind: Kind,
    pub(crate) of: Option<Service>,
}

/// By thing, what was seen of it.
pub(crate) type Series = BTreeMap<Thing, Vec<Point>>;

impl Kind {
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Memory | Self::OutboxSize => " MB",
            _ => "",
        }
    }

    /// How much may be gained between two quarters, when so many orders are placed in a second.
    pub(crate) fn allowed(self, rate: f64) -> Allowed {
        let (absolute, share) = match self {
            Self::Memory => (1.0, 0.05),
            Self::Threads | Self::Connections => (2.0, 0.05),
            // Pools keep what the last burst needed, for a while.
            Self::Descriptors => (10.0, 0.1),
            // A second's events: these are what is under way at the moment of a look, and not committed yet.
            Self::OutboxRows | Self::Lag | Self::Backlog => (EVENTS_PER_ORDER * rate, 0.05),
            // Rows live for milliseconds. The dead ones go when autovacuum comes, once a minute: a minute's worth.
            Self::OutboxDead => (ROWS_PER_ORDER * rate * 60.0, 0.05),
            // Their place is used again, so it settles at what was needed between two visits, which are not even.
            Self::OutboxSize => (4.0, 0.25),
        };
        Allowed { absolute, share }
    }
}

/// About how many events an order makes, with a cancellation now and then.
const EVENTS_PER_ORDER: f64 = 8.0;
/// The most that one outbox has of an order's events.
const ROWS_PER_ORDER: f64 = 3.0;

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Memory => "resident memory",
            Kind::Threads => "threads",
            Kind::Descriptors => "open descriptors",
            Kind::OutboxRows => "outbox, rows",
            Kind::OutboxSize => "outbox, size on disk",
            Kind::OutboxDead => "outbox, dead rows",
            Kind::Connections => "connections to PostgreSQL",
            Kind::Lag => "messages not yet read",
            Kind::Backlog => "rows and messages left to do",
        };
        match self.of {
            Some(service) => write!(f, "{service}: {what}"),
            None => f.write_str(what),
        }
    }
}

/// Who looks.
pub(crate) struct Sampler {
    looker: Looker,
    processes: Vec<(Service, u32)>,
    /// What was seen.
    pub(crate) series: Series,
}

impl Sampler {
    /// # Errors
    /// When Kafka does not answer.
    pub(crate) fn new(platform: &mut Platform) -> Result<Self> {
        let looker = Looker::new(platform.quiet())?;
        let processes = platform.processes().iter().map(|process| (process.plan().service, process.pid())).collect();
        Ok(Self { looker, processes, series: Series::new() })
    }

    /// Looks at everything once. Gives what is left to do.
    ///
    /// # Errors
    /// When a process is gone, or a server does not answer.
    pub(crate) async fn sample(&mut self) -> Result<i64> {
        let look = self.looker.look().await?;
        let mut seen: Vec<(Kind, Option<Service>, f64)> = vec![];
        for (service, pid) in &self.processes {
            let held = usage::held(*pid)?;
            seen.push((Kind::Memory, Some(*service), held.memory));
            seen.push((Kind::Threads, Some(*service), held.threads));
            seen.push((Kind::Descriptors, Some(*service), held.descriptors));
        }
        for service in PUBLISHERS {
            let size = self.looker.outbox(service, |table| format!("SELECT pg_total_relation_size('{table}')")).await?;
            let dead = |table: &str| format!("SELECT pg_stat_get_dead_tuples('{table}'::regclass)");
            let dead = self.looker.outbox(service, dead).await?;
            seen.push((Kind::OutboxSize, Some(service), size as f64 / 1e6));
            seen.push((Kind::OutboxDead, Some(service), dead as f64));
        }
        seen.extend(look.outboxes.iter().map(|(service, rows)| (Kind::OutboxRows, Some(*service), *rows as f64)));
        seen.extend(look.lags.iter().map(|(service, lag)| (Kind::Lag, Some(*service), *lag as f64)));
        seen.push((Kind::Backlog, None, look.total() as f64));
        let connections = self.looker.number(CONNECTIONS).await?;
        seen.push((Kind::Connections, None, connections as f64));
        for (kind, of, value) in seen {
            self.series.entry(Thing { kind, of }).or_default().push((look.at.as_secs_f64(), value));
        }
        Ok(look.total())
    }
}

/// All but the one that asks.
const CONNECTIONS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
