//! A server on loopback that tests may stop, kill, freeze and start again.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::{Server, program::Program};

/// How long a server may take to start or to stop.
const LIMIT: Duration = Duration::from_secs(60);

/// A server that can be started again with the data that it had.
pub struct Daemon {
    program: Program,
    logs: PathBuf,
    stop_signal: Signal,
    is_ready: Box<dyn Fn() -> bool + Send + Sync>,
    server: Option<Server>,
}

impl Daemon {
    /// Starts `program` and waits until `is_ready`. `stop_signal` asks it to stop in good order.
    pub(crate) fn start(
        program: Program,
        logs: PathBuf,
        stop_signal: Signal,
        is_ready: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut daemon = Self { program, logs, stop_signal, is_ready: Box::new(is_ready), server: None };
        daemon.restart()?;
        Ok(daemon)
    }

    /// Starts the server with the data that it had, killing it first if it runs, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready, with the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let server = self.server.insert(Server::start(&self.program, &self.logs)?);
        server.wait_ready(LIMIT, |_| (self.is_ready)())
    }

    /// Stops the server in good order.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn stop(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |mut server| server.stop(self.stop_signal, LIMIT))
    }

    /// Kills the server at once, as the loss of its machine would. The data stays.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), |mut server| server.kill())
    }

    /// The server's process id.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32> {
        Ok(self.server()?.id())
    }

    /// Freezes the server: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self) -> Result<()> {
        self.server()?.pause()
    }

    /// Undoes [`Daemon::pause`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self) -> Result<()> {
        self.server()?.resume()
    }

    fn server(&self) -> Result<&Server> {
        self.server.as_ref().with_context(|| format!("{} does not run", self.program.name))
    }
}
