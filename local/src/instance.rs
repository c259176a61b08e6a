//! Which local cluster: its name, its addresses and its places on disk.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

/// One local cluster. Several can stand beside each other, each in a subnet of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    name: &'static str,
    subnet: u8,
}

impl Instance {
    /// The cluster that people work with: 10.213.0.0/16, which neither container engines nor most networks use.
    pub const fn dev() -> Self {
        Self { name: "dev", subnet: 213 }
    }

    /// The cluster of the tests: 10.214.0.0/16.
    pub const fn test() -> Self {
        Self { name: "test", subnet: 214 }
    }

    /// The one of that name, if there is such a one.
    pub fn named(name: &str) -> Option<Self> {
        [Self::dev(), Self::test()].into_iter().find(|instance| instance.name == name)
    }

    /// The name, of at most 10 characters: it is part of a network interface's name.
    pub fn name(&self) -> &str {
        self.name
    }

    /// The node's address: the API server, NodePorts, Kafka and PostgreSQL answer there.
    pub fn node_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.subnet, 0, 1)
    }

    /// This machine's own address in the cluster's network.
    pub(crate) fn host_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.subnet, 0, 2)
    }

    /// The first address that a pod may get: those before belong to the node and the machine.
    pub(crate) fn first_pod_address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, self.subnet, 1, 0)
    }

    /// The network of the node and the pods.
    pub(crate) fn network(&self) -> String {
        format!("10.{}.0.0/16", self.subnet)
    }

    /// This machine's end of the link into the cluster's network.
    pub(crate) fn host_interface(&self) -> String {
        format!("fp-{}", self.name)
    }

    /// The root of the pods' cgroups in every hierarchy.
    pub(crate) fn cgroup(&self) -> String {
        format!("foodplatform-{}", self.name)
    }

    /// Everything that the cluster writes to disk.
    pub fn state(&self) -> PathBuf {
        Path::new("/var/lib/foodplatform").join(self.name)
    }

    /// The log files of all components, the audit log, and the pods' logs as the kubelet keeps them.
    pub fn logs(&self) -> PathBuf {
        self.state().join("log")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.etc().join("admin.conf")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.state().join("pki")
    }

    pub(crate) fn etc(&self) -> PathBuf {
        self.state().join("etc")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.state().join("run")
    }

    /// Directories behind PersistentVolumes.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.state().join("volumes")
    }

    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.run().join("containerd.sock")
    }
}
