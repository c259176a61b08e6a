//! The short form of each checkpoint, a test each, on the cluster that the environment names: `cargo xtask test cluster`.
//!
//! They share a platform, so they run one at a time (`--test-threads=1`); each leaves it as it was.

use std::process::ExitCode;

use checkpoints::{ALL, Checkpoint, Length, Stage, run};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let trials = ALL.iter().map(|checkpoint| Trial::test(checkpoint.name, move || short(checkpoint))).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn short(checkpoint: &'static Checkpoint) -> Result<(), Failed> {
    let row = Runtime::new()?.block_on(async { run(&Stage::connect(Length::Short).await, checkpoint).await });
    let seconds = row.took.as_secs_f64();
    let outcome = row.outcome.map_err(|missed| Failed::from(missed.why))?;
    println!("{} ({seconds:.0} s): {}", checkpoint.name, outcome.seen);
    Ok(())
}
