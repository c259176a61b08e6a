//! The command lines of etcd, kube-apiserver and kube-controller-manager, the same alone and in the whole cluster.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::json;

use crate::{pki::Pki, program::Program};

/// Services get their addresses from here. It exists only within the cluster, so instances may share it.
pub(crate) const SERVICE_NETWORK: &str = "10.96.0.0/16";

/// What the three components are told.
pub(crate) struct Components<'a> {
    pub(crate) binary: &'a Path,
    pub(crate) pki: &'a Pki,
    /// Configuration files.
    pub(crate) etc: PathBuf,
    /// etcd's data.
    pub(crate) data: PathBuf,
    pub(crate) logs: PathBuf,
    /// Where the API server answers; loopback when there are no pods to reach it.
    pub(crate) address: Ipv4Addr,
    pub(crate) ports: Ports,
}

/// TCP ports.
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) etcd_peers: u16,
    pub(crate) api: u16,
}

impl Components<'_> {
    /// Writes the files that the components read.
    pub(crate) fn configure(&self) -> Result<()> {
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            // Operators are service accounts; tests count what they write. Kubernetes' own would fill the log.
            "rules": [
                {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
                {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
                {"level": "None"},
            ],
        });
        fs::write(self.audit_policy(), serde_json::to_string_pretty(&policy)?)?;
        self.pki.kubeconfig(&self.kubeconfig(), &self.server(), "admin")
    }

    pub(crate) fn server(&self) -> String {
        format!("https://{}:{}", self.address, self.ports.api)
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.etc.join("admin.conf")
    }

    fn audit_policy(&self) -> PathBuf {
        self.etc.join("audit-policy.yaml")
    }

    fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.etcd)
    }

    pub(crate) fn etcd(&self) -> Program {
        let clients = self.etcd_url();
        let peers = format!("http://127.0.0.1:{}", self.ports.etcd_peers);
        self.program(
            "etcd",
            [
                format!("--data-dir={}", self.data.display()),
                format!("--listen-client-urls={clients}"),
                format!("--advertise-client-urls={clients}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=default={peers}"),
                // The data needs to outlive a process, not a power cut.
                "--unsafe-no-fsync".to_owned(),
                "--log-level=warn".to_owned(),
            ],
        )
    }

    pub(crate) fn apiserver(&self) -> Program {
        let pki = self.pki;
        let mut arguments = vec![
            format!("--etcd-servers={}", self.etcd_url()),
            format!("--secure-port={}", self.ports.api),
            format!("--service-cluster-ip-range={SERVICE_NETWORK}"),
            format!("--tls-cert-file={}", pki.certificate("apiserver")),
            format!("--tls-private-key-file={}", pki.key("apiserver")),
            format!("--client-ca-file={}", pki.certificate("ca")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", pki.certificate("service-accounts")),
            format!("--service-account-signing-key-file={}", pki.key("service-accounts")),
            "--authorization-mode=Node,RBAC".to_owned(),
            // The second is what makes an operator need its right to finalizers, as on clusters that guard them.
            "--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement".to_owned(),
            "--allow-privileged".to_owned(),
            format!("--kubelet-certificate-authority={}", pki.certificate("ca")),
            format!("--kubelet-client-certificate={}", pki.certificate("admin")),
            format!("--kubelet-client-key={}", pki.key("admin")),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            format!("--requestheader-client-ca-file={}", pki.certificate("ca")),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            format!("--proxy-client-cert-file={}", pki.certificate("front-proxy")),
            format!("--proxy-client-key-file={}", pki.key("front-proxy")),
            "--enable-aggregator-routing".to_owned(),
            format!("--audit-policy-file={}", self.audit_policy().display()),
            format!("--audit-log-path={}", self.logs.join("audit.log").display()),
            // Who counts requests in it has to find all of them. In megabytes; the default is 100.
            "--audit-log-maxsize=100000".to_owned(),
        ];
        if IpAddr::from(self.address).is_loopback() {
            arguments.push(format!("--bind-address={}", self.address));
            // Loopback is no valid endpoint of the Service `kubernetes`, and no pod is there to use it.
            arguments.push("--endpoint-reconciler-type=none".to_owned());
        } else {
            arguments.push(format!("--advertise-address={}", self.address));
        }
        self.program("kube-apiserver", arguments)
    }

    pub(crate) fn controller_manager(&self) -> Program {
        let pki = self.pki;
        self.program(
            "kube-controller-manager",
            [
                format!("--kubeconfig={}", self.kubeconfig().display()),
                format!("--service-account-private-key-file={}", pki.key("service-accounts")),
                format!("--root-ca-file={}", pki.certificate("ca")),
                format!("--cluster-signing-cert-file={}", pki.certificate("ca")),
                format!("--cluster-signing-key-file={}", pki.key("ca")),
                "--use-service-account-credentials".to_owned(),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
                "--controllers=*,-node-route-controller".to_owned(),
                "--allocate-node-cidrs=false".to_owned(),
                // More often than metrics-server has something new, so that autoscalers wait for that alone.
                "--horizontal-pod-autoscaler-sync-period=5s".to_owned(),
            ],
        )
    }

    pub(crate) fn scheduler(&self) -> Program {
        self.program(
            "kube-scheduler",
            [
                format!("--kubeconfig={}", self.kubeconfig().display()),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
            ],
        )
    }

    fn program(&self, name: &str, arguments: impl IntoIterator<Item = String>) -> Program {
        Program::new(name, self.binary, std::iter::once(name.to_owned()).chain(arguments))
    }
}
