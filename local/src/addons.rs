//! What runs beside the node's own programs: CoreDNS, metrics-server, and the provisioner of volumes.

use std::{fs, path::Path};

use anyhow::Result;

use crate::{Instance, component::Components, pki::Pki, program::Program};

/// Where metrics-server answers, on the node's address.
pub(crate) const METRICS_PORT: u16 = 4443;

pub(crate) struct Addons<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) pki: &'a Pki,
    pub(crate) binary: &'a Path,
}

impl Addons<'_> {
    /// Writes the files that the add-ons read.
    pub(crate) fn configure(&self, components: &Components<'_>) -> Result<()> {
        let (node, kubeconfig) = (self.instance.node_address(), components.kubeconfig());
        let corefile = format!(
            ".:53 {{\n bind {node}\n errors\n health {node}:8099\n ready {node}:8181\n kubernetes cluster.local in-addr.arpa {{\n  \
             kubeconfig {}\n  ttl 5\n }}\n cache 5\n}}\n",
            kubeconfig.display()
        );
        fs::write(self.instance.etc().join("Corefile"), corefile)?;
        Ok(())
    }

    pub(crate) fn coredns(&self) -> Program {
        let corefile = self.instance.etc().join("Corefile").to_string_lossy().into_owned();
        Program::new("coredns", self.binary, ["coredns".to_owned(), "-conf".to_owned(), corefile])
    }

    pub(crate) fn metrics_server(&self, components: &Components<'_>) -> Program {
        let kubeconfig = components.kubeconfig();
        let kubeconfig = kubeconfig.display();
        Program::new(
            "metrics-server",
            self.binary,
            [
                "metrics-server".to_owned(),
                format!("--kubeconfig={kubeconfig}"),
                format!("--authentication-kubeconfig={kubeconfig}"),
                format!("--authorization-kubeconfig={kubeconfig}"),
                format!("--secure-port={METRICS_PORT}"),
                format!("--bind-address={}", self.instance.node_address()),
                "--cert-dir=/run/metrics-server".to_owned(),
                "--kubelet-preferred-address-types=InternalIP".to_owned(),
                format!("--kubelet-certificate-authority={}", self.pki.certificate("ca")),
                "--metric-resolution=10s".to_owned(),
                // Must be less than the resolution.
                "--kubelet-request-timeout=5s".to_owned(),
            ],
        )
    }

    /// `binary` is the program that runs [`crate::provision`] when its first argument is `provision`.
    pub(crate) fn provisioner(&self, components: &Components<'_>, binary: &Path) -> Program {
        Program::new(
            "provisioner",
            binary,
            [
                "provision".to_owned(),
                format!("--kubeconfig={}", components.kubeconfig().display()),
                format!("--volumes={}", self.instance.volumes().display()),
            ],
        )
    }
}
