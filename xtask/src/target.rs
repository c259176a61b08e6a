//! The cluster that a command works on, and the programs that speak to it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use local::{Binaries, Instance, run, run_with_input};
use serde_json::Value;

/// Who owns the fields that we apply.
const FIELD_MANAGER: &str = "--field-manager=xtask";

/// A cluster and its command line clients.
pub(crate) struct Target {
    kubectl: PathBuf,
    helm: PathBuf,
    /// None: what the environment says.
    kubeconfig: Option<PathBuf>,
}

impl Target {
    /// A local cluster, with the clients that were built for it.
    pub(crate) fn local(instance: &Instance, binaries: &Binaries) -> Self {
        Self {
            kubectl: binaries.kubectl().to_owned(),
            helm: binaries.helm().to_owned(),
            kubeconfig: Some(instance.kubeconfig()),
        }
    }

    /// The current kubeconfig's cluster, with the clients on PATH.
    pub(crate) fn current() -> Result<Self> {
        let target = Self { kubectl: "kubectl".into(), helm: "helm".into(), kubeconfig: None };
        for (tool, where_from) in
            [("kubectl", "https://kubernetes.io/docs/tasks/tools"), ("helm", "https://helm.sh/docs/intro/install")]
        {
            let version = if tool == "helm" { vec!["version", "--short"] } else { vec!["version", "--client"] };
            if run(Command::new(tool).args(version)).is_err() {
                bail!("{tool} is not on PATH: install it from {where_from}");
            }
        }
        if Kubeconfig::read().is_err() {
            bail!("there is no current kubeconfig: set KUBECONFIG, or use the local cluster (--cluster local)");
        }
        Ok(target)
    }

    /// kubectl on this cluster.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Command {
        self.command(&self.kubectl, arguments)
    }

    /// Helm on this cluster.
    pub(crate) fn helm(&self, arguments: &[&str]) -> Command {
        self.command(&self.helm, arguments)
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments);
        if let Some(kubeconfig) = &self.kubeconfig {
            command.arg("--kubeconfig").arg(kubeconfig);
        }
        command
    }

    /// Applies a file, a directory of files, or a URL.
    pub(crate) fn apply_file(&self, path: &Path) -> Result<()> {
        run(&mut self.apply_command(&path.to_string_lossy())).map(drop)
    }

    /// Applies one object.
    pub(crate) fn apply(&self, object: &Value) -> Result<()> {
        run_with_input(&mut self.apply_command("-"), &serde_json::to_vec(object)?).map(drop)
    }

    fn apply_command(&self, path: &str) -> Command {
        self.kubectl(&["apply", "--server-side", "--force-conflicts", FIELD_MANAGER, "--filename", path])
    }

    /// A client of this cluster.
    pub(crate) async fn client(&self) -> Result<Client> {
        let config = match &self.kubeconfig {
            Some(path) => {
                Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &KubeConfigOptions::default()).await?
            }
            None => Config::infer().await.context("the current kubeconfig cannot be used")?,
        };
        Ok(Client::try_from(config)?)
    }
}
