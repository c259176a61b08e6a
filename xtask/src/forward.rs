//! Reaching a Service of a cluster whose network this machine is not part of.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
};

use anyhow::{Context, Result};

use crate::target::Target;

/// A running `kubectl port-forward`. It ends when this is dropped.
pub(crate) struct Forward {
    child: Child,
    address: String,
}

impl Forward {
    /// Forwards a free port of loopback to `port` of a Service.
    pub(crate) fn start(target: &Target, namespace: &str, service: &str, port: u16) -> Result<Self> {
        let (service, ports) = (format!("service/{service}"), format!(":{port}"));
        let mut command = target.kubectl(&["port-forward", "--namespace", namespace, &service, &ports]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start kubectl")?;
        let stdout = child.stdout.take().context("standard output is not piped")?;
        let mut forward = Self { child, address: String::new() };
        // "Forwarding from 127.0.0.1:40123 -> 8080"
        let first = BufReader::new(stdout).lines().next().transpose()?.unwrap_or_default();
        let address = first.split_whitespace().find(|word| word.starts_with("127.0.0.1:"));
        forward.address =
            format!("http://{}", address.with_context(|| format!("kubectl port-forward to {service} failed"))?);
        Ok(forward)
    }

    /// The base URL.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
