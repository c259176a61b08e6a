//! A control plane without nodes, on loopback.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use crate::{
    Binaries, Server,
    component::{Components, Ports},
    exec,
    pki::Pki,
    process::free_port,
};

/// etcd, kube-apiserver and kube-controller-manager on free ports of 127.0.0.1. Objects behave, pods never run.
/// All of it ends when this is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    kubeconfig: PathBuf,
    audit_log: PathBuf,
    // Dropped in this order.
    _controller_manager: Option<Server>,
    _apiserver: Server,
    _etcd: Server,
}

impl ControlPlane {
    /// Starts it with all that it writes in `directory`, and waits until it is ready: some 5 s.
    ///
    /// # Errors
    /// When a component does not start, with the end of its log.
    pub fn start(binaries: &Binaries, directory: &Path) -> Result<Self> {
        Self::start_with(true, binaries, directory)
    }

    /// The same without kube-controller-manager, for measuring: what its clients make of objects is all that becomes of
    /// them. Namespaces get no ServiceAccount and owners' children are not collected.
    ///
    /// # Errors
    /// When a component does not start, with the end of its log.
    pub fn start_without_controllers(binaries: &Binaries, directory: &Path) -> Result<Self> {
        Self::start_with(false, binaries, directory)
    }

    fn start_with(controllers: bool, binaries: &Binaries, directory: &Path) -> Result<Self> {
        let (etc, logs) = (directory.join("etc"), directory.join("log"));
        fs::create_dir_all(&etc)?;
        fs::create_dir_all(&logs)?;
        let pki = Pki::ensure(&directory.join("pki"), Ipv4Addr::LOCALHOST.into())?;
        let components = Components {
            binary: &binaries.kubernetes,
            pki: &pki,
            etc,
            data: directory.join("etcd"),
            logs: logs.clone(),
            address: Ipv4Addr::LOCALHOST,
            ports: Ports { etcd: free_port()?, etcd_peers: free_port()?, api: free_port()? },
        };
        components.configure()?;
        let kubeconfig = components.kubeconfig();
        let etcd = Server::start(&components.etcd(), &logs)?;
        let mut apiserver = Server::start(&components.apiserver(), &logs)?;
        apiserver.wait_ready(Duration::from_secs(60), |_| is_ready(binaries, &kubeconfig))?;
        let controller_manager =
            controllers.then(|| Server::start(&components.controller_manager(), &logs)).transpose()?;
        let audit_log = logs.join("audit.log");
        Ok(Self { kubeconfig, audit_log, _controller_manager: controller_manager, _apiserver: apiserver, _etcd: etcd })
    }

    /// What service accounts have asked the API server for.
    pub fn audit_log(&self) -> &Path {
        &self.audit_log
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

/// Whether the API server of `kubeconfig` says that it is ready.
pub(crate) fn is_ready(binaries: &Binaries, kubeconfig: &Path) -> bool {
    let mut command = Command::new(binaries.kubectl());
    command.arg("--kubeconfig").arg(kubeconfig).args(["get", "--raw", "/readyz", "--request-timeout=2s"]);
    exec::run(&mut command).is_ok()
}
