//! The one entry of a service's binary: `serve` (also without an argument), `migrate` and `openapi`.

use std::{ffi::OsString, future::Future, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Args, FromArgMatches, Subcommand};
use serde_json::Value;
use sqlx::migrate::Migrator;
use tokio::runtime::{Builder, Runtime};
use tracing::{error, info};

use crate::{
    commands::{self, Command},
    config::LogSettings,
    db, dead_letters, http, lifecycle,
    platform::Platform,
    slice,
    telemetry::Telemetry,
};

/// A service of the platform: its name, its own settings, and the parts that it is made of.
pub trait Service {
    /// The name: of the image, in logs, metrics and the events' source.
    const NAME: &'static str;

    /// Its own settings, from the environment; [`NoSettings`] when it has none.
    type Settings: Args;

    /// Its own commands beside those that every service has; [`NoTools`] when it has none.
    type Tool: Tool;

    /// Its migrations (`sqlx::migrate!()`), numbered from 1000 and run after the chassis' own; `None` for a service
    /// without a database.
    fn migrations() -> Option<&'static Migrator>;

    /// What it answers to: an OpenAPI document, most often made by [`http::openapi::document`].
    fn openapi() -> Value;

    /// Puts the service's parts on the platform. It runs inside the runtime, but no I/O happens here: connections are
    /// made when first used.
    ///
    /// # Errors
    /// When a setting does not make sense; the process then ends with that message.
    fn build(platform: &mut Platform, settings: Self::Settings) -> anyhow::Result<()>;
}

/// For a service without settings of its own.
#[derive(Debug, Clone, Args)]
pub struct NoSettings {}

/// Commands of one service, each of which does its work and ends.
pub trait Tool: Subcommand {
    /// Does the work.
    ///
    /// # Errors
    /// What kept it from doing so; the process then ends with that message.
    fn run(self) -> impl Future<Output = anyhow::Result<()>>;
}

/// For a service without commands of its own.
#[derive(Debug, Clone, Subcommand)]
pub enum NoTools {}

impl Tool for NoTools {
    async fn run(self) -> anyhow::Result<()> {
        match self {}
    }
}

/// Runs the service `S`, built from that version: reads arguments and environment, serves or migrates, and says how it went.
pub fn run<S: Service>(version: &'static str) -> ExitCode {
    // The allocator asks for huge pages, which makes a process that uses 4 MB resident with 15. Where the kernel does
    // not know the call, that is all that happens.
    let _ = nix::sys::prctl::set_thp_disable(true);
    #[cfg(feature = "fail-points")]
    let _armed = crate::crash::arm();
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.len() <= 1 {
        arguments = vec![S::NAME.into(), "serve".into()];
    }
    let command = commands::line::<S>(version)
        .try_get_matches_from(arguments)
        .and_then(|matches| Command::<S::Settings, S::Tool>::from_arg_matches(&matches))
        .unwrap_or_else(|error| error.exit());
    let (logs, is_for_people) = match &command {
        Command::Serve { common, .. } => (common.logs.clone(), false),
        Command::Migrate { logs, .. } => (LogSettings { log_dir: None, ..logs.clone() }, false),
        // What they print is for a person, or for a pipe.
        Command::DeadLetters { .. } | Command::Own(_) | Command::Openapi => (LogSettings::quiet(), true),
    };
    let telemetry = match Telemetry::start(S::NAME, &logs) {
        Ok(telemetry) => Arc::new(telemetry),
        Err(error) => {
            // Nothing else can be told where there is no log yet.
            say(&error);
            return ExitCode::FAILURE;
        }
    };
    let code = match execute::<S>(command, version, Arc::clone(&telemetry)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_for_people => {
            say(&error);
            ExitCode::FAILURE
        }
        Err(error) => {
            error!(error = format!("{error:#}"), "the service ends");
            ExitCode::FAILURE
        }
    };
    telemetry.finish();
    code
}

/// Tells a person what went wrong.
#[expect(clippy::print_stderr, reason = "it is not for the log")]
fn say(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

/// What the service answers to, as that version of it.
fn openapi<S: Service>(version: &str) -> Value {
    let mut document = S::openapi();
    document["info"]["version"] = version.into();
    document
}

fn execute<S: Service>(
    command: Command<S::Settings, S::Tool>,
    version: &'static str,
    telemetry: Arc<Telemetry>,
) -> anyhow::Result<()> {
    let runtime = self::runtime(|builder| builder.thread_name(S::NAME).on_thread_start(slice::shorten))?;
    // Who waits for an answer is not to wait for a batch of events that keeps a thread busy.
    let background = self::runtime(|builder| builder.thread_name(format!("{}-background", S::NAME)).worker_threads(1))?;
    let outcome = runtime.block_on(async {
        match command {
            Command::Serve { common, own } => {
                info!(service = S::NAME, version, "starting");
                let build = |platform: &mut Platform| {
                    metrics::gauge!("build_info", "version" => version).set(1.0);
                    platform.serve(http::openapi::route(&openapi::<S>(version)));
                    S::build(platform, own)
                };
                let background = background.handle().clone();
                lifecycle::serve(S::NAME, *common, S::migrations(), telemetry, background, build).await
            }
            Command::Migrate { database, .. } => {
                let own = S::migrations().context("this service has no database to migrate")?;
                db::migrate(S::NAME, &database, own).await
            }
            Command::DeadLetters { kafka, action } => dead_letters::run(kafka, action).await,
            Command::Own(tool) => tool.run().await,
            Command::Openapi => {
                println!("{:#}", openapi::<S>(version));
                Ok(())
            }
        }
    });
    // A blocking call that never returns must not hold up the exit.
    runtime.shutdown_background();
    background.shutdown_background();
    outcome
}

fn runtime(set: impl FnOnce(&mut Builder) -> &mut Builder) -> anyhow::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    // Blocking threads are for looking up names and for waiting on librdkafka: few at a time.
    set(builder.enable_all().max_blocking_threads(4)).build().context("cannot start the runtime")
}
