//! The short form of each checkpoint, a test each, on the cluster that the environment names: `cargo xtask test cluster`.
//!
//! They share a platform, so they run one at a time (`--test-threads=1`); each leaves it as it was.

use std::{env, io, process::ExitCode};

use checkpoints::{ALL, Checkpoint, Length, Stage, prepared, run};
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{runtime::Runtime, task::block_in_place};

fn main() -> io::Result<ExitCode> {
    // As libtest does: several names, of which one is enough.
    let (names, options): (Vec<_>, Vec<_>) = env::args().skip(1).partition(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| name.contains(wanted));
    let wanted = ALL.iter().filter(|checkpoint| is_wanted(checkpoint.name));
    let trials: Vec<_> = wanted.map(|checkpoint| Trial::test(checkpoint.name, move || short(checkpoint))).collect();
    let arguments = Arguments::from_iter(["cluster".to_owned()].into_iter().chain(options));
    if arguments.list || trials.is_empty() {
        return Ok(libtest_mimic::run(&arguments, trials).exit_code());
    }
    let done = Runtime::new()?.block_on(async {
        let stage = Stage::connect(Length::Short).await;
        // Each test has a runtime of its own.
        let all = async { block_in_place(|| libtest_mimic::run(&arguments, trials)) };
        prepared(&stage, all).await
    });
    Ok(done.map_err(io::Error::other)?.exit_code())
}

fn short(checkpoint: &'static Checkpoint) -> Result<(), Failed> {
    let row = Runtime::new()?.block_on(async { run(&Stage::connect(Length::Short).await, checkpoint).await });
    let seconds = row.took.as_secs_f64();
    let outcome = row.outcome.map_err(|missed| Failed::from(missed.why))?;
    println!("{} ({seconds:.0} s): {}", checkpoint.name, outcome.seen);
    Ok(())
}
