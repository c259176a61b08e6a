//! How much goes through the services, how fast, and at what cost.
//!
//! The parts run one after another, each on what the one before has left: the order service alone and pgbench
//! ([`alone`]), then the whole platform ([`crate::pipeline`]).

use std::{env, thread, time::Duration};

use anyhow::Result;
use local::Progress;

use crate::{
    alone::{self, Alone},
    pipeline::{self, Paths, Pipeline, Saturation},
    plot::Plots,
    report::{Cost, Limit, Report},
    servers::Servers,
    sustained::{STEP, Step, WITHIN_A_SECOND},
    tally::Tally,
};

/// Measures one part after the other.
pub(crate) async fn measure(servers: &Servers, lasting: Duration, progress: &Progress) -> Result<(Report, Plots)> {
    let (mut report, mut plots) = (Report::new(notes(lasting)), Plots::default());

    let step = progress.step("order alone, and pgbench");
    let alone = alone::measure(servers, lasting).await?;
    step.done(&format!("{:.0} orders/s, {:.0} commits/s", alone.order.rate(), alone.floor()));

    let step = progress.step("start the platform");
    let mut pipeline = Pipeline::start(servers, lasting).await?;
    step.done("");
    let step = progress.step("find saturation");
    let connections = pipeline.ramp().await?;
    step.done(&format!("with {connections} connections"));
    let step = progress.step("orders through the gateway");
    let saturation = pipeline.saturate().await?;
    step.done(&said(&saturation.tally));
    let step = progress.step("orders straight to order");
    let straight = pipeline.straight().await?;
    step.done(&said(&straight));
    let step = progress.step("reads while orders saturate");
    let (beside, reads) = pipeline.read().await?;
    step.done(&format!("{}; beside {}", said(&reads), said(&beside)));
    let step = progress.step("find the sustained rate");
    let sustained = pipeline.sustain(&saturation, |step| progress.line(&format!("    {step}"))).await?;
    step.done(&format!("{:.0} orders/s", sustained.rate));
    let half = sustained.rate / 2.0;
    let step = progress.step(&format!("{half:.0} orders/s"));
    let (steady, left) = pipeline.constant(half).await?;
    step.done(&said(&steady));
    let step = progress.step("from order to delivery");
    let paths = pipeline.paths().await?;
    step.done(&said(&paths.tally));

    rows_of_sustained(&mut report, &sustained);
    rows_of_saturation(&mut report, &saturation, &straight, connections);
    rows_of_order_alone(&mut report, &alone);
    let name = format!("answer at half of the sustained rate ({half:.0} orders/s)");
    report.percentiles(&name, &steady.latency, (None, Some(Limit::AtMost(20.0))));
    report.row("left to do after it", left as f64, "rows and messages", None);
    rows_of_paths(&mut report, &paths);
    report.percentiles("GET /mypages/{id} while orders saturate", &reads.latency, (None, Some(Limit::AtMost(10.0))));
    let tallies = [&saturation.tally, &straight, &steady, &paths.tally, &reads, &beside];
    troubles(&mut report, &tallies);

    report.orders = saturation.tally.successes();
    let memory = pipeline.finish().await?;
    report.costs = costs(saturation.cpu, &memory);
    plots.rates =
        vec![("through the gateway", saturation.tally.per_second), ("straight to order", straight.per_second)];
    plots.backlog = saturation.backlog;
    plots.times = vec![
        ("answer at half of the sustained rate", steady.latency),
        ("order to delivery started, at 200/s", paths.delivery),
        ("order to MyPage, at 200/s", paths.page),
        ("reads while orders saturate", reads.latency),
    ];
    Ok((report, plots))
}

/// A constant rate at which readers and outboxes keep up.
fn rows_of_sustained(report: &mut Report, step: &Step) {
    let name = "orders sustained through the gateway, every lag bounded";
    report.row(name, step.rate, "orders/s", Some(Limit::AtLeast(1500.0)));
    let bound = Some(Limit::AtMost(step.bound().floor()));
    report.row("left to do after that", step.left, "rows and messages", bound);
    report.row("left to do at most during that", step.largest as f64, "rows and messages", None);
}

fn rows_of_saturation(report: &mut Report, found: &Saturation, straight: &Tally, connections: usize) {
    let Saturation { tally, backlog, .. } = found;
    let name = format!("orders taken through the gateway at saturation, {connections} connections");
    report.row(name, tally.rate(), "orders/s", None);
    report.row("orders taken straight by order", straight.rate(), "orders/s", None);
    report.row("orders through the whole pipeline, until delivered", found.through(), "orders/s", None);
    report.row("left to do when saturation ended", backlog.at_end(tally.took) as f64, "rows and messages", None);
    report.row("left to do at most", backlog.largest() as f64, "rows and messages", None);
    report.row("until nothing was left", backlog.drained.as_secs_f64(), "s", None);
}

fn rows_of_order_alone(report: &mut Report, alone: &Alone) {
    report.row("order alone, 16 connections", alone.order.rate(), "orders/s", None);
    report.row("pgbench, an order and its event per transaction, 16 clients", alone.floor(), "commits/s", None);
    let [before, after] = alone.floors;
    report.row("pgbench, before and after differ by", (after / before - 1.0).abs() * 100.0, "%", None);
    let ratio = alone.order.rate() / alone.floor() * 100.0;
    report.row("order alone against pgbench", ratio, "%", Some(Limit::AtLeast(50.0)));
}

fn rows_of_paths(report: &mut Report, paths: &Paths) {
    let limits = (Some(Limit::AtMost(15.0)), Some(Limit::AtMost(50.0)));
    report.percentiles("order to delivery started, at 200 orders/s", &paths.delivery, limits);
    report.percentiles("order to MyPage, at 200 orders/s", &paths.page, (None, None));
}

/// What was not answered as it should have been, in all loads; numbers above must not be taken without it.
fn troubles(report: &mut Report, tallies: &[&Tally]) {
    let all: Vec<_> = tallies.iter().filter_map(|tally| tally.troubles()).collect();
    report.notes.extend((!all.is_empty()).then(|| format!("Not all went well: {}.", all.join("; "))));
}

fn costs(cpu: Vec<(String, Duration)>, memory: &[(::tests::process::Service, f64, f64)]) -> Vec<Cost> {
    let of =
        |name: &str| memory.iter().find(|(service, ..)| service.name() == name).map(|(_, idle, now)| (*idle, *now));
    cpu.into_iter().map(|(name, cpu)| Cost { memory: of(&name), name, cpu }).collect()
}

fn said(tally: &Tally) -> String {
    let troubles = tally.troubles().map(|troubles| format!(" ({troubles})")).unwrap_or_default();
    format!("{:.0}/s{troubles}", tally.rate())
}

/// What the machine is, and how it was measured.
fn notes(lasting: Duration) -> Vec<String> {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    vec![
        format!(
            "On {cores} cores, {}, which services, Kafka, PostgreSQL and the load share; each load lasts {} s, but {} s \
             where it saturates again.",
            env::consts::ARCH,
            lasting.as_secs(),
            pipeline::half_of(lasting).as_secs()
        ),
        "PostgreSQL is durable (fsync and synchronous_commit on), for the services and for pgbench.".to_owned(),
        "Saturation is a closed loop's rate; all times are an open loop's, from when a request was due.".to_owned(),
        format!(
            "The sustained rate is the highest constant one of an open loop that leaves no more to do after {} s than a \
             second's messages, {WITHIN_A_SECOND} for each order.",
            STEP.as_secs()
        ),
    ]
}
