//! A registry of container images: Debian's docker-registry, with a directory of ours. It speaks plain HTTP, for it is part of
//! one machine.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    Instance,
    program::{Account, Program},
};

/// Debian's user for it.
const ACCOUNT: &str = "docker-registry";
const PORT: u16 = 5000;

/// The settings of a registry.
pub(crate) struct Registry {
    directory: PathBuf,
    address: SocketAddr,
    account: Account,
}

/// Where the registry of an instance answers, both to the machine and to its node.
pub(crate) fn address(instance: &Instance) -> SocketAddr {
    SocketAddr::from((instance.node_address(), PORT))
}

impl Registry {
    pub(crate) fn at(directory: &Path, address: SocketAddr) -> Result<Self> {
        Ok(Self { directory: directory.to_owned(), address, account: Account::named(ACCOUNT)? })
    }

    /// Writes the configuration, and returns the program to run.
    pub(crate) fn prepare(&self) -> Result<Program> {
        self.account.own_directory(&self.directory)?;
        let file = self.directory.join("config.yml");
        // JSON is YAML.
        let text = serde_json::to_string_pretty(&self.settings())?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        let arguments = ["serve".to_owned(), file.to_string_lossy().into_owned()];
        Ok(Program::new("registry", Path::new("docker-registry"), arguments).owned_by(&self.account))
    }

    fn settings(&self) -> Value {
        json!({
            "version": 0.1,
            "log": { "accesslog": { "disabled": false }, "level": "info" },
            "storage": { "filesystem": { "rootdirectory": self.directory.join("data") } },
            "http": { "addr": self.address.to_string() },
        })
    }

    /// Whether it takes connections.
    pub(crate) fn answers(&self) -> bool {
        TcpStream::connect_timeout(&self.address, Duration::from_millis(500)).is_ok()
    }
}

/// What containerd has to be told of a registry at `address`, which it would otherwise ask for TLS: a file's place below the
/// directory of such files, and its text.
pub(crate) fn hosts_file(address: SocketAddr) -> (PathBuf, String) {
    let url = format!("http://{address}");
    let text = format!("server = \"{url}\"\n[host.\"{url}\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
    (Path::new(&address.to_string()).join("hosts.toml"), text)
}
