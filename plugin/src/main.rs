//! `kubectl foodplatform`: looks after food-delivery platforms from the command line.

mod cli;
mod cluster;
mod completion;
mod diff;
mod logs;
mod paint;
mod pause;
mod rollback;
mod status;

use std::{io, process::ExitCode};

use anyhow::Result;
use clap::Parser as _;

use crate::{
    cli::{Arguments, Command},
    cluster::Cluster,
};

/// What a command ends with when it could not do its work.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    completion::answer();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(run(Arguments::parse())));
    match outcome {
        Ok(code) => code,
        // Whoever read the output has seen enough, as `head` has.
        Err(error) if is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("{}: {}", paint::bad("error"), told(&error));
            ExitCode::from(FAILED)
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let cluster = async || Cluster::connect(&arguments.connection).await;
    match arguments.command {
        Command::Status(wanted) => status::run(&cluster().await?, &wanted).await,
        Command::Diff(wanted) => diff::run(&cluster().await?, &wanted).await,
        Command::Pause { name } => pause::run(&cluster().await?, &name, true).await,
        Command::Resume { name } => pause::run(&cluster().await?, &name, false).await,
        Command::Rollback(wanted) => rollback::run(&cluster().await?, &wanted).await,
        Command::Logs(wanted) => logs::run(&cluster().await?, &wanted).await,
        Command::Completion { asker } => completion::run(asker),
    }
}

/// The error with its causes, but for those that it tells itself.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        told if told.contains(&cause) => told.to_owned(),
        told => format!("{told}: {cause}"),
    })
}

fn is_closed(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = io::Error::other("no such file");
        let error = anyhow::Error::new(cause).context("reading k: no such file").context("no cluster");
        assert_eq!(told(&error), "no cluster: reading k: no such file");
    }
}
