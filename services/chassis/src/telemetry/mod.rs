//! Logs: JSON lines on standard output and, when a directory is given, in files that roll by day and size.
//!
//! Lines are handed to writer threads through bounded queues. When a queue is full, lines are dropped and counted: a
//! full disk, a slow volume or a stalled terminal never holds up a request.

mod directory;
mod rolling;

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt::writer::BoxMakeWriter, fmt::writer::MakeWriterExt, util::SubscriberInitExt};

use crate::config::LogSettings;
use directory::Limits;
use rolling::RollingFile;

/// How many lines may wait to be written. A line is a few hundred bytes.
const QUEUED_LINES: usize = 4096;

/// The log of this process. Call [`Telemetry::finish`] at the very end.
#[derive(Debug)]
pub struct Telemetry {
    write_errors: Arc<AtomicU64>,
    dropped: Vec<ErrorCounter>,
    writers: Mutex<Vec<WorkerGuard>>,
}

impl Telemetry {
    /// Makes the process log as `settings` say.
    ///
    /// # Errors
    /// When `LOG_LEVEL` is not understood, or a log is already set up.
    pub fn start(service: &'static str, settings: &LogSettings) -> anyhow::Result<Self> {
        let filter = EnvFilter::try_new(&settings.log_level).with_context(|| {
            format!("LOG_LEVEL is {:?}: expected a level such as info, or directives", settings.log_level)
        })?;
        let mut telemetry = Self { write_errors: Arc::default(), dropped: vec![], writers: Mutex::default() };
        let stdout = telemetry.writer(io::stdout(), "log-stdout");
        let writer = match &settings.log_dir {
            None => BoxMakeWriter::new(stdout),
            Some(directory) => {
                let file = telemetry.writer(rolling_file(directory.clone(), settings), "log-file");
                BoxMakeWriter::new(stdout.and(file))
            }
        };
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_env_filter(filter)
            .with_writer(writer)
            .finish()
            .try_init()
            .with_context(|| format!("cannot set up the log of {service}"))?;
        Ok(telemetry)
    }

    fn writer(&mut self, to: impl Write + Send + 'static, thread: &str) -> NonBlocking {
        let counted = Counted { to, errors: Arc::clone(&self.write_errors) };
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(QUEUED_LINES)
            .thread_name(thread)
            .finish(counted);
        self.dropped.push(writer.error_counter());
        self.writers.get_mut().unwrap_or_else(PoisonError::into_inner).push(guard);
        writer
    }

    /// Writes what is queued; nothing is logged after that.
    ///
    /// Dropping would do as well, if it were sure to happen: tasks that outlive the runtime's end may hold this, too.
    pub fn finish(&self) {
        let writers = std::mem::take(&mut *self.writers.lock().unwrap_or_else(PoisonError::into_inner));
        drop(writers);
    }

    /// How many lines were dropped because a queue was full.
    pub fn lines_dropped(&self) -> u64 {
        self.dropped.iter().map(|counter| counter.dropped_lines() as u64).sum()
    }

    /// How many writes failed, for instance on a full disk.
    pub fn write_errors(&self) -> u64 {
        self.write_errors.load(Ordering::Relaxed)
    }
}

fn rolling_file(directory: PathBuf, settings: &LogSettings) -> RollingFile {
    let files = usize::try_from(settings.log_max_files).unwrap_or(usize::MAX);
    let limits = Limits { files, bytes: settings.log_max_total_size };
    RollingFile::new(directory, settings.pod_name(), limits)
}

/// Counts a failed write and goes on: there is nobody to tell.
struct Counted<W> {
    to: W,
    errors: Arc<AtomicU64>,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.to.write_all(line).is_err() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.to.flush().is_err() {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}
