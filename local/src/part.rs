//! What of a cluster may fail and come back: on a real machine the init system, or people, would start it again.

use anyhow::{Context, Result, bail};

use crate::{
    Cluster,
    cluster::{LIMIT, containerd_answers, kafka_address},
    kafka,
    sandbox::Sandbox,
    wait,
};

/// A server of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The node's container runtime. Containers live on without it.
    Containerd,
    /// The broker.
    Kafka,
    /// The database.
    Postgresql,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Kafka => "kafka",
            Self::Postgresql => "postgresql",
        }
    }
}

impl Cluster {
    /// Stops a server in good order, and waits until it has ended. What it has on disk stays.
    ///
    /// # Errors
    /// When it does not run, or does not end.
    pub fn stop(&self, part: Part) -> Result<()> {
        self.sandbox()?.stop_named(part.name())
    }

    /// Starts a server as it was started first, with what it has on disk, and waits until it answers.
    ///
    /// # Errors
    /// When it does not, with the end of its log.
    pub fn start(&self, part: Part) -> Result<()> {
        let (sandbox, name) = (self.sandbox()?, part.name());
        sandbox.start_again(name)?;
        let ready = wait::until(&format!("{name} ready"), LIMIT, || {
            if !sandbox.is_running_named(name) {
                bail!("{name} ended while starting");
            }
            Ok(self.answers(part))
        });
        ready.with_context(|| format!("the log of {name} ends with: {}", sandbox.last_lines(name)))
    }

    fn answers(&self, part: Part) -> bool {
        match part {
            Part::Containerd => containerd_answers(self.instance()),
            Part::Kafka => kafka::answers(kafka_address(self.instance())),
            Part::Postgresql => self.database().answers(),
        }
    }

    /// A command that runs within the cluster: it sees the node's mounts, network and processes.
    ///
    /// # Errors
    /// When the cluster does not run.
    pub fn command(&self, program: &str) -> Result<std::process::Command> {
        Ok(self.sandbox()?.command(program))
    }

    fn sandbox(&self) -> Result<Sandbox> {
        Sandbox::find(self.instance())?.context("the local cluster is not up")
    }
}
