//! The order service alone, and pgbench beside it.

use std::time::Duration;

use ::tests::{platform::Platform, process::Service};
use anyhow::{Result, bail};
use nix::sys::signal::Signal;

use crate::{floor, load::Load, orders::Orders, servers::Servers, tally::Tally};

/// Of the load and of pgbench.
const CLIENTS: usize = 16;
/// The schema of pgbench's own orders.
const SCHEMA: &str = "bench_floor";
/// Before what counts: connections are made, statements prepared, and Kafka, which has just started, has compiled what it
/// runs often; until then its compiler takes a sixth of this machine.
const WARM_UP: Duration = Duration::from_secs(20);

/// What was found.
pub(crate) struct Alone {
    /// What the order service did.
    pub(crate) order: Tally,
    /// The commits in a second that pgbench did, before the order service and after it.
    pub(crate) floors: [f64; 2],
}

impl Alone {
    pub(crate) fn floor(&self) -> f64 {
        self.floors.iter().sum::<f64>() / 2.0
    }
}

/// Measures both, one after the other: half of pgbench's time before the order service and half after it, so that a
/// machine that slows down or speeds up does not favour either.
pub(crate) async fn measure(servers: &Servers, lasting: Duration) -> Result<Alone> {
    let mut platform = servers.platform().await;
    stop_all_but_order(&mut platform).await;
    let mut plan = platform.process(Service::Order).plan().clone();
    plan.environment.insert("DATABASE_SCHEMA".to_owned(), SCHEMA.to_owned());
    tokio::task::block_in_place(|| plan.migrate());
    let target = (plan.address, plan.port).into();
    let load = Load { target, connections: CLIENTS, make: Orders::unstocked().place() };
    load.closed(WARM_UP).await;

    let before = floor(servers, lasting / 2).await?;
    servers.checkpoint().await?;
    let order = load.closed(lasting).await;
    if let Some(troubles) = order.troubles() {
        bail!("the order service alone: {troubles}");
    }
    platform.outboxes_drained().await;
    let after = floor(servers, lasting / 2).await?;
    Ok(Alone { order, floors: [before, after] })
}

async fn floor(servers: &Servers, lasting: Duration) -> Result<f64> {
    servers.checkpoint().await?;
    tokio::task::block_in_place(|| floor::run(servers.postgres.url(), SCHEMA, CLIENTS, lasting, servers.directory()))
}

async fn stop_all_but_order(platform: &mut Platform) {
    let others = platform.processes_mut().iter_mut().filter(|process| process.plan().service != Service::Order);
    for process in others {
        process.signal(Signal::SIGTERM);
        process.ended().await;
    }
}
