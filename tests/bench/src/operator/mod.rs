//! What the operator makes of many platforms: how fast, at what cost, and how a client compares that has nothing to do but
//! to apply the same objects. Creating the platforms is part of both, for their children need them as owners.
//!
//! Each size has two control planes, one after the other, for the raw client and for the operator, without controllers:
//! there are no pods, and nobody but these two and this measurement writes. The raw client has the operator's account, so
//! that the API server does the same for both. Migrations are said to be done as soon as they are there.

mod fleet;
mod plane;
mod requests;

use std::{
    env, thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use local::{Binaries, Cache, Progress};
use tokio::time::sleep;

use self::{
    fleet::Dependencies,
    plane::{NAMESPACE, Plane},
    requests::Requests,
};
use crate::{
    report::{Limit, Report},
    servers::Servers,
    tally::Times,
    usage,
};

/// At this size, or at the greatest below it, more is measured than how long it takes; the limits are about it.
const LOOKED_AT: u64 = 1_000;
/// How many of the platforms are changed, one after the other.
const CHANGES: usize = 200;
/// So long without a write is rest.
const QUIET: Duration = Duration::from_secs(10);
/// Over this time it is measured what rest costs.
const REST: Duration = Duration::from_secs(60);

/// What was measured with so many platforms.
pub(crate) struct Size {
    platforms: usize,
    /// Of each platform.
    children: usize,
    raw: Duration,
    operator: Duration,
    requests: Requests,
    /// The operator's processor time for it, and how often it has reconciled in it.
    cpu: Duration,
    reconciliations: f64,
    /// Resident, in MB: at most, and at rest.
    memory: (f64, f64),
    looks: Option<Looks>,
}

/// What else was measured at one size.
struct Looks {
    changes: Times,
    /// Processor time in a minute of rest, and what was asked of the API server in it.
    rest: (Duration, Requests),
    restart: Restart,
}

struct Restart {
    /// Until the caches were filled, and until every platform had been looked at.
    ready: Duration,
    all: Duration,
    requests: Requests,
    /// Resident, in MB, after it.
    memory: f64,
}

/// Measures one size after the other.
pub(crate) async fn measure(servers: &Servers, sizes: &[u64], progress: &Progress) -> Result<Vec<Size>> {
    let binaries = Binaries::build(&Cache::open()?, progress)?;
    let dependencies = Dependencies { kafka: servers.kafka.bootstrap_servers(), prefix: servers.topics().await };
    let looked_at = sizes.iter().filter(|size| **size <= LOOKED_AT).max();
    let mut measured = Vec::new();
    for platforms in sizes {
        let step = progress.step(&format!("{platforms} platforms"));
        let is_looked_at = looked_at == Some(platforms);
        let platforms = usize::try_from(*platforms)?;
        let size = measure_size(&binaries, servers, &dependencies, platforms, is_looked_at).await?;
        step.done(&format!("{:.1} s, {:.0} % of a raw client's speed", size.operator.as_secs_f64(), size.speed()));
        measured.push(size);
    }
    Ok(measured)
}

async fn measure_size(
    binaries: &Binaries,
    servers: &Servers,
    dependencies: &Dependencies,
    platforms: usize,
    is_looked_at: bool,
) -> Result<Size> {
    let raw = {
        let plane = Plane::start(binaries, servers.postgres.url()).await?;
        let client = plane.raw_client().await?;
        completing(&plane, fleet::apply(&client, NAMESPACE, dependencies, platforms)).await?
    };
    let plane = Plane::start(binaries, servers.postgres.url()).await?;
    let (operator, _) = plane.operator().await?;
    let before = usage::cpu(operator.pid())?;
    let took = completing(&plane, fleet::create(&plane.client, NAMESPACE, dependencies, platforms)).await?;
    plane.until_quiet(QUIET).await?;
    let cpu = usage::cpu(operator.pid())?.saturating_sub(before);
    let (requests, peak) = (plane.requests()?, usage::peak(operator.pid())?);
    let reconciliations = operator.reconciliations().await?;
    let looks = if is_looked_at { Some(look(&plane, operator, platforms).await?) } else { None };
    let memory = (peak.most, peak.now);
    let children = fleet::kinds(dependencies)?.iter().map(|(_, each)| each).sum();
    Ok(Size { platforms, children, raw, operator: took, requests, cpu, reconciliations, memory, looks })
}

/// Does the work with somebody beside it who says of migrations that they are done.
async fn completing(plane: &Plane, work: impl Future<Output = Result<Duration>>) -> Result<Duration> {
    tokio::select! {
        took = work => took,
        failed = fleet::complete_jobs(&plane.client, NAMESPACE) => {
            failed?;
            bail!("nobody completes Jobs any more")
        }
    }
}

async fn look(plane: &Plane, operator: plane::Operator, platforms: usize) -> Result<Looks> {
    let place = plane.place()?;
    let before = usage::cpu(operator.pid())?;
    sleep(REST).await;
    let rest = (usage::cpu(operator.pid())?.saturating_sub(before), plane.requests_since(place)?);

    let changes = fleet::change(&plane.client, NAMESPACE, CHANGES.min(platforms)).await?;
    plane.until_quiet(QUIET).await?;

    operator.stop()?;
    let place = plane.place()?;
    let started = Instant::now();
    let (operator, ready) = plane.operator().await?;
    while operator.reconciliations().await? < platforms as f64 {
        sleep(Duration::from_millis(20)).await;
    }
    let all = started.elapsed();
    sleep(QUIET).await;
    let memory = usage::peak(operator.pid())?.now;
    let restart = Restart { ready, all, requests: plane.requests_since(place)?, memory };
    operator.stop()?;
    Ok(Looks { changes, rest, restart })
}

impl Size {
    /// In percent of the raw client's.
    fn speed(&self) -> f64 {
        self.raw.as_secs_f64() / self.operator.as_secs_f64() * 100.0
    }

    fn children(&self) -> f64 {
        (self.children * self.platforms) as f64
    }
}

/// The whole as tables.
pub(crate) fn report(sizes: &[Size]) -> Report {
    let mut report = Report::new(notes(sizes));
    for size in sizes {
        let name = |what: &str| format!("{} platforms: {what}", size.platforms);
        report.row(name("until every child exists"), size.operator.as_secs_f64(), "s", None);
        report.row(name("a raw client that applies the same objects"), size.raw.as_secs_f64(), "s", None);
        report.row(name("speed against the raw client"), size.speed(), "%", Some(Limit::AtLeast(80.0)));
        report.row(name("children made in a second"), size.children() / size.operator.as_secs_f64(), "/s", None);
        report.row(
            name("the operator's processor time for a child"),
            size.cpu.as_secs_f64() * 1e3 / size.children(),
            "ms",
            None,
        );
        let each = size.reconciliations / size.platforms as f64;
        report.row(name("reconciliations of a platform"), each, "", None);
        report.row(name("writes per child"), size.requests.writes as f64 / size.children(), "", None);
        report.row(name("reads per child"), size.requests.reads as f64 / size.children(), "", None);
        let limit = size.looks.is_some().then_some(Limit::AtMost(100.0));
        report.row(name("resident memory, at most"), size.memory.0, "MB", limit);
        report.row(name("resident memory, at rest"), size.memory.1, "MB", limit);
        if let Some(looks) = &size.looks {
            rows_of_looks(&mut report, &name, looks);
        }
    }
    if let [.., half, whole] = sizes {
        let growth = |of: &dyn Fn(&Size) -> Duration| of(whole).as_secs_f64() / of(half).as_secs_f64();
        let linear = whole.platforms as f64 / half.platforms as f64;
        let name = format!("time for {} platforms against {}", whole.platforms, half.platforms);
        let limit = Limit::AtMost((linear * 12.0).round() / 10.0);
        report.row(format!("{name}, a raw client"), growth(&|size| size.raw), "times", None);
        report.row(name, growth(&|size| size.operator), "times", Some(limit));
    }
    report
}

fn rows_of_looks(report: &mut Report, name: &dyn Fn(&str) -> String, looks: &Looks) {
    report.percentiles(&name("from a change to its child"), &looks.changes, (None, Some(Limit::AtMost(200.0))));
    let (cpu, requests) = &looks.rest;
    let share = cpu.as_secs_f64() / REST.as_secs_f64() * 100.0;
    report.row(name("processor at rest"), share, "% of a core", None);
    report.row(name("writes in a minute of rest"), requests.writes as f64, "", Some(Limit::AtMost(0.0)));
    report.row(name("reads in a minute of rest"), requests.reads as f64, "", None);
    let restart = &looks.restart;
    report.row(name("restart until the caches are filled"), restart.ready.as_secs_f64(), "s", None);
    report.row(name("restart until each was looked at"), restart.all.as_secs_f64(), "s", None);
    report.row(name("writes after a restart"), restart.requests.writes as f64, "", Some(Limit::AtMost(0.0)));
    report.row(name("reads after a restart"), restart.requests.reads as f64, "", None);
    report.row(name("resident memory after a restart"), restart.memory, "MB", None);
}

fn notes(sizes: &[Size]) -> Vec<String> {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let each = sizes.first().map_or(0, |size| size.children);
    let mut notes = vec![
        format!(
            "On {cores} cores, {}, which etcd, the API server, Kafka, PostgreSQL, the operator and the measurement share. A \
             platform has {each} children.",
            env::consts::ARCH
        ),
        "Each size has control planes of its own, one for the raw client and one for the operator, without controllers and \
         pods; both are the same account to it. Both create the FoodPlatforms, too. Migrations are said to be done as soon \
         as they are there. Topics are External, so that Kafka is asked and has no more of them with each platform."
            .to_owned(),
    ];
    let written = sizes.iter().find(|size| size.looks.is_some()).map(|size| {
        let each =
            |(resource, count): (&String, &u64)| format!("{resource} {:.1}", *count as f64 / size.platforms as f64);
        let all: Vec<_> = size.requests.by_resource.iter().map(each).collect();
        format!("Writes for a platform, of {}: {}.", size.platforms, all.join(", "))
    });
    notes.extend(written);
    notes
}

/// Lines over the number of platforms: seconds, and MB.
pub(crate) fn lines(sizes: &[Size]) -> [Vec<crate::plot::Line>; 2] {
    let line = |name: &str, value: &dyn Fn(&Size) -> f64| {
        let points = sizes.iter().map(|size| (size.platforms as f64, value(size)));
        (name.to_owned(), std::iter::once((0.0, 0.0)).chain(points).collect())
    };
    let times = vec![
        line("the operator", &|size| size.operator.as_secs_f64()),
        line("a raw client", &|size| size.raw.as_secs_f64()),
    ];
    let memory = sizes.iter().map(|size| (size.platforms as f64, size.memory.0));
    let rest = sizes.iter().map(|size| (size.platforms as f64, size.memory.1));
    [times, vec![("at most".to_owned(), memory.collect()), ("at rest".to_owned(), rest.collect())]]
}
