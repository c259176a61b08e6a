//! Measures the services on this machine: release builds as processes, with a real Kafka and a real PostgreSQL.
//!
//! `cargo xtask bench` builds everything and runs it: [`services`] is about how much goes through, [`soak`] about
//! whether anything grows meanwhile, [`operator`] about the operator.

mod alone;
mod arrivals;
mod backlog;
mod connection;
mod floor;
mod load;
mod operator;
mod orders;
mod pages;
mod pipeline;
mod plot;
mod report;
mod servers;
mod services;
mod soak;
mod sustained;
mod tally;
mod usage;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, value_parser};
use local::Progress;
use tokio::runtime::Runtime;

use crate::{servers::Servers, soak::Course};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the services under load; prints tables, and writes them and a plot
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// Where tables and plots go, each with the name of its part
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// How much goes through, how fast, and at what cost
    Services {
        /// How long each load lasts
        #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = value_parser!(u64).range(2..=600))]
        seconds: u64,
    },
    /// What the operator makes of many platforms: how fast, and at what cost
    Operator {
        /// How many platforms, one measurement after the other
        #[arg(long, value_name = "PLATFORMS", value_delimiter = ',', default_values_t = [100, 1000, 2000],
              value_parser = value_parser!(u64).range(10..=5000))]
        platforms: Vec<u64>,
    },
    /// Whether anything grows at a constant rate; fails when something does
    Soak {
        /// How long it lasts
        #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = value_parser!(u64).range(20..=7200))]
        seconds: u64,
        /// Orders in a second
        #[arg(long, value_name = "ORDERS", default_value_t = 200, value_parser = value_parser!(u32).range(1..=5000))]
        rate: u32,
    },
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(Arguments { out, part }: &Arguments) -> Result<()> {
    let progress = Progress::new();
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let step = progress.step("start Kafka and PostgreSQL");
    // On this thread, which lives to the end: servers end with the thread that started them.
    let servers = Servers::start(&progress)?;
    step.done("");
    match part {
        Part::Services { seconds } => {
            let lasting = Duration::from_secs(*seconds);
            let (report, plots) = unless_interrupted(services::measure(&servers, lasting, &progress))?;
            let plot = write(out, "services", &report.markdown())?;
            plot::draw(&plot, &plots, &report.costs)
        }
        Part::Operator { platforms } => {
            let sizes = unless_interrupted(operator::measure(&servers, platforms, &progress))?;
            let plot = write(out, "operator", &operator::report(&sizes).markdown())?;
            let [times, memory] = operator::lines(&sizes);
            plot::draw_operator(&plot, &times, &memory)
        }
        Part::Soak { seconds, rate } => {
            let course = Course { rate: (*rate).into(), lasting: Duration::from_secs(*seconds) };
            let outcome = unless_interrupted(soak::measure(&servers, course, &progress))?;
            let plot = write(out, "soak", &outcome.markdown())?;
            let [memory, backlog] = outcome.lines();
            plot::draw_soak(&plot, &memory, &backlog)?;
            outcome.failure().map_or(Ok(()), |failure| bail!(failure))
        }
    }
}

/// Measures to the end, or until Ctrl-C.
fn unless_interrupted<T>(measuring: impl Future<Output = Result<T>>) -> Result<T> {
    Runtime::new()?.block_on(async {
        tokio::select! {
            measured = measuring => measured,
            // Not ended at once: what was started has to go, too.
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                bail!("interrupted")
            }
        }
    })
}

/// Prints the tables and writes them. Gives where the plot goes.
fn write(out: &Path, name: &str, text: &str) -> Result<PathBuf> {
    print!("\n{text}");
    fs::write(out.join(name).with_extension("md"), text)?;
    let plot = out.join(name).with_extension("png");
    println!("\nplot: {}", plot.display());
    Ok(plot)
}
