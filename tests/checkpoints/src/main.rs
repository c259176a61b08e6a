//! Runs checkpoints on the cluster that the environment names: `cargo xtask checkpoints`.

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use checkpoints::{ALL, Checkpoint, Length, Row, Stage, report, run};
use clap::Parser;

/// Shows that a platform stands up to what happens to it
#[derive(Debug, Parser)]
#[command(name = "checkpoints")]
struct Arguments {
    /// Only these; all of them by default
    names: Vec<String>,
    /// Where the page and the table go
    #[arg(long, value_name = "DIRECTORY")]
    out: PathBuf,
    /// The short form of each
    #[arg(long)]
    short: bool,
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.context("no runtime").and_then(|runtime| runtime.block_on(work(&Arguments::parse())));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether all of them passed.
async fn work(arguments: &Arguments) -> Result<bool> {
    let chosen = chosen(&arguments.names)?;
    let stage = Stage::connect(if arguments.short { Length::Short } else { Length::Full }).await;
    let mut rows = vec![];
    for checkpoint in chosen {
        println!("… {:>2} {}: {}", checkpoint.number, checkpoint.name, checkpoint.claim);
        let row = run(&stage, checkpoint).await;
        tell(&row);
        rows.push(row);
    }
    fs::create_dir_all(&arguments.out).with_context(|| format!("cannot make {}", arguments.out.display()))?;
    let took = rows.iter().map(|row| row.took).sum::<Duration>();
    let about = format!("On a cluster of one node, in {:.0} s.", took.as_secs_f64());
    for (name, text) in [("checkpoints.md", report::table(&rows)), ("checkpoints.html", report::page(&rows, &about)?)] {
        let file = arguments.out.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(rows.iter().all(|row| row.outcome.is_ok()))
}

/// Those of the names, in the order of their numbers.
fn chosen(names: &[String]) -> Result<Vec<&'static Checkpoint>> {
    let known = || ALL.iter().map(|checkpoint| checkpoint.name).collect::<Vec<_>>().join(", ");
    for name in names {
        if !ALL.iter().any(|checkpoint| checkpoint.name == name) {
            bail!("no checkpoint is called {name}; there are {}", known());
        }
    }
    Ok(ALL.iter().filter(|checkpoint| names.is_empty() || names.iter().any(|name| name == checkpoint.name)).collect())
}

fn tell(row: &Row) {
    let seconds = row.took.as_secs_f64();
    match &row.outcome {
        Ok(outcome) => {
            println!("✓ {:>2} {} ({seconds:.0} s): {}", row.checkpoint.number, row.checkpoint.name, outcome.seen)
        }
        Err(missed) => println!("✗ {:>2} {} ({seconds:.0} s): {missed}", row.checkpoint.number, row.checkpoint.name),
    }
}
