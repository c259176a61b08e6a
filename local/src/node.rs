//! The one node: containerd, kubelet and kube-proxy, with their settings.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{Instance, component::Components, images::PAUSE_IMAGE, pki::Pki, program::Program, registry};

/// The directory with what containerd has to know of single registries.
const REGISTRIES: &str = "registries";

/// Settings and programs of an instance's node.
pub(crate) struct Node<'a> {
    pub(crate) instance: &'a Instance,
    pub(crate) pki: &'a Pki,
    /// The binary of the Kubernetes components.
    pub(crate) binary: &'a Path,
}

impl Node<'_> {
    /// Writes the files that the node's programs read.
    pub(crate) fn configure(&self, components: &Components<'_>) -> Result<()> {
        let cni = self.etc("cni");
        fs::create_dir_all(&cni)?;
        fs::write(cni.join("10-bridge.conflist"), serde_json::to_string_pretty(&self.cni())?)?;
        fs::write(self.etc("containerd.toml"), self.containerd_config())?;
        let (hosts, text) = registry::hosts_file(registry::address(self.instance));
        let hosts = self.etc(REGISTRIES).join(hosts);
        fs::create_dir_all(hosts.parent().unwrap_or(&hosts))?;
        fs::write(hosts, text)?;
        fs::write(self.etc("kubelet.json"), serde_json::to_string_pretty(&self.kubelet_config())?)?;
        fs::write(self.etc("proxy.json"), serde_json::to_string_pretty(&self.proxy_config(&components.kubeconfig()))?)?;
        // The machine's own may point into its /run, which the cluster does not see.
        fs::write(self.etc("resolv.conf"), format!("nameserver {}\n", self.instance.node_address()))?;
        self.pki.kubeconfig(&self.etc("kubelet.conf"), &components.server(), "kubelet")
    }

    pub(crate) fn containerd(&self) -> Program {
        let config = self.etc("containerd.toml").to_string_lossy().into_owned();
        Program::new("containerd", Path::new("containerd"), ["--config".to_owned(), config])
    }

    pub(crate) fn kubelet(&self) -> Program {
        self.program(
            "kubelet",
            [
                format!("--config={}", self.etc("kubelet.json").display()),
                format!("--kubeconfig={}", self.etc("kubelet.conf").display()),
                "--hostname-override=local".to_owned(),
                format!("--node-ip={}", self.instance.node_address()),
            ],
        )
    }

    pub(crate) fn proxy(&self) -> Program {
        self.program(
            "kube-proxy",
            [format!("--config={}", self.etc("proxy.json").display()), "--hostname-override=local".to_owned()],
        )
    }

    fn program(&self, name: &str, arguments: impl IntoIterator<Item = String>) -> Program {
        Program::new(name, self.binary, std::iter::once(name.to_owned()).chain(arguments))
    }

    fn etc(&self, file: &str) -> PathBuf {
        self.instance.etc().join(file)
    }

    fn containerd_config(&self) -> String {
        let (state, socket) = (self.instance.state(), self.instance.containerd_socket());
        let (cni, registries) = (self.etc("cni"), self.etc(REGISTRIES));
        format!(
            r#"version = 2
root = "{state}/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Some machines lack CAP_SYS_RESOURCE: a pod's score must not be set below containerd's own.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{registries}"
"#,
            state = state.display(),
            socket = socket.display(),
            cni = cni.display(),
            registries = registries.display(),
        )
    }

    fn cni(&self) -> Value {
        json!({
            "cniVersion": "0.4.0",
            "name": "local",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "fp0",
                    "isGateway": true,
                    "hairpinMode": true,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": "/run/cni-ipam",
                        "ranges": [[{"subnet": self.instance.network(), "rangeStart": self.instance.first_pod_address()}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": true}},
            ],
        })
    }

    fn kubelet_config(&self) -> Value {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": false,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", self.instance.cgroup()),
            "enforceNodeAllocatable": [],
            "authentication": {
                "anonymous": {"enabled": false},
                "webhook": {"enabled": true},
                "x509": {"clientCAFile": self.pki.certificate("ca")},
            },
            "authorization": {"mode": "Webhook"},
            "clusterDomain": "cluster.local",
            "clusterDNS": [self.instance.node_address()],
            "resolvConf": self.etc("resolv.conf"),
            "containerRuntimeEndpoint": format!("unix://{}", self.instance.containerd_socket().display()),
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "tlsCertFile": self.pki.certificate("kubelet"),
            "tlsPrivateKeyFile": self.pki.key("kubelet"),
            "failSwapOn": false,
            // The disk is shared with everything else on the machine and may be fairly full.
            "evictionHard": {"imagefs.available": "1%", "nodefs.available": "1%", "nodefs.inodesFree": "1%"},
            "imageGCHighThresholdPercent": 100,
        })
    }

    fn proxy_config(&self, kubeconfig: &Path) -> Value {
        json!({
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": kubeconfig},
            "clusterCIDR": self.instance.network(),
            "nodePortAddresses": ["127.0.0.0/8", self.instance.network()],
            "conntrack": {"maxPerCore": 0},
            // Without the bridge's packets passing iptables, an answer from a pod on the same bridge would not be translated back.
            "iptables": {"masqueradeAll": !Path::new("/proc/sys/net/bridge").exists()},
        })
    }
}
