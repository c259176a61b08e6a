//! The whole platform at a rate that it bears, for long: whether anything grows ([`verdict`] says what that is).

mod life;
mod sample;
mod table;
mod verdict;

use std::time::Duration;

use ::tests::{
    platform::{Platform, Setup},
    process::Service,
};
use anyhow::{Context, Result};
use local::Progress;
use tokio::time::{MissedTickBehavior, interval};

pub(crate) use self::table::Outcome;
use self::{
    life::{COOKING_TIME, DELIVERY_TIME},
    sample::{Sampler, Series},
    table::Row,
};
use crate::{backlog, orders::Orders, servers::Servers};

/// Between two samples; less in a short run, so that a quarter of it has some.
const INTERVAL: Duration = Duration::from_secs(10);
const LEAST_SAMPLES: u32 = 40;
/// How long what is left at the end may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How it goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    /// Orders in a second.
    pub(crate) rate: f64,
    pub(crate) lasting: Duration,
}

impl Course {
    /// Between two samples.
    fn interval(self) -> Duration {
        INTERVAL.min(self.lasting / LEAST_SAMPLES)
    }
}

/// Runs it.
///
/// # Errors
/// When something fails that the soak does not look for.
pub(crate) async fn measure(servers: &Servers, course: Course, progress: &Progress) -> Result<Outcome> {
    let Course { rate, lasting } = course;
    let step = progress.step("start the platform");
    let setup = Setup { cooking_time: COOKING_TIME, delivery_time: DELIVERY_TIME, ..Setup::default() };
    let mut platform = servers.platform_with(setup).await;
    let orders = Orders::stock_up(&platform.api, (rate * lasting.as_secs_f64()).ceil() as u64).await?;
    step.done("");

    let step = progress.step(&format!("soak at {rate} orders/s"));
    let plan = platform.process(Service::Gateway).plan();
    let gateway = (plan.address, plan.port).into();
    let sampling = sample(&mut platform, course, |at, left| {
        step.message(&format!("{:.0} of {} s, {left} left to do", at.as_secs_f64(), lasting.as_secs()));
    });
    let (series, life) = tokio::try_join!(sampling, life::live(&orders, gateway, course))?;
    step.done(&format!("{} orders", life.orders.successes()));

    let step = progress.step("do what is left");
    let drained = backlog::drain(platform.quiet(), PATIENCE).await?.drained;
    step.done("");
    let rows = series.iter().map(|(thing, points)| {
        let verdict = verdict::judge(points, thing.kind.allowed(rate));
        Ok(Row { thing: *thing, verdict: verdict.with_context(|| format!("too few samples of {thing}"))? })
    });
    let rows = rows.collect::<Result<_>>()?;
    Ok(Outcome { notes: table::notes(&life, course, drained), faults: life.faults(), rows, series })
}

/// Looks at everything at the beginning and then each time that the interval has passed. Says when, and what was left
/// to do.
async fn sample(platform: &mut Platform, course: Course, said: impl Fn(Duration, i64)) -> Result<Series> {
    let mut sampler = Sampler::new(platform)?;
    let mut ticks = interval(course.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let start = ticks.tick().await;
    loop {
        let left = sampler.sample().await?;
        said(start.elapsed(), left);
        // The next would be when the load is over.
        if start.elapsed() + course.interval() > course.lasting {
            return Ok(sampler.series);
        }
        ticks.tick().await;
    }
}
