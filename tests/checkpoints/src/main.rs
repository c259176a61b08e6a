//! Runs checkpoints on the cluster that the environment names: `cargo xtask checkpoints`.

use std::{
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use checkpoints::{ALL, Checkpoint, Length, Outcome, Row, Stage, prepared, report, run};
use clap::Parser;

/// What all of them may take in their short form, and in their full one.
const SHORT_LIMIT: Duration = Duration::from_secs(10 * 60);
const FULL_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Shows that a platform stands up to what happens to it
#[derive(Debug, Parser)]
#[command(name = "checkpoints")]
struct Arguments {
    /// Only these; all of them by default
    names: Vec<String>,
    /// Where the page, the table and the plots go
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
    let (started, mut rows) = (Instant::now(), vec![]);
    let prepared = prepared(&stage, async {
        for checkpoint in chosen {
            println!("… {:>2} {}: {}", checkpoint.number, checkpoint.name, checkpoint.claim);
            let row = run(&stage, checkpoint).await;
            tell(&row);
            rows.push(row);
        }
    });
    let prepared = prepared.await;
    let took = started.elapsed();
    fs::create_dir_all(&arguments.out).with_context(|| format!("cannot make {}", arguments.out.display()))?;
    let about = format!("On a cluster of one node, in {:.0} s.", took.as_secs_f64());
    let mut files = vec![
        ("checkpoints.md".to_owned(), report::table(&rows)),
        ("checkpoints.html".to_owned(), report::page(&rows, &about)?),
    ];
    for row in &rows {
        if let Ok(Outcome { timeline: Some(timeline), .. }) = &row.outcome {
            files.push((format!("{}.svg", row.checkpoint.name), report::plot(timeline)?));
        }
    }
    for (name, text) in files {
        let file = arguments.out.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
    }
    let limit = stage.length.pick(SHORT_LIMIT, FULL_LIMIT);
    let is_in_time = !arguments.names.is_empty() || took <= limit;
    if !is_in_time {
        println!("✗ all of them took {:.0} s, more than {:.0} s", took.as_secs_f64(), limit.as_secs_f64());
    }
    prepared.map_err(|why| anyhow!(why))?;
    Ok(is_in_time && rows.iter().all(|row| row.outcome.is_ok()))
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
    let (checkpoint, seconds) = (row.checkpoint, row.took.as_secs_f64());
    match &row.outcome {
        Ok(Outcome { done, seen, figure, .. }) => println!(
            "✓ {:>2} {} ({seconds:.0} s): {figure}\n     done: {done}\n     seen: {seen}",
            checkpoint.number, checkpoint.name
        ),
        Err(missed) => println!("✗ {:>2} {} ({seconds:.0} s): {}", checkpoint.number, checkpoint.name, missed.why),
    }
}
