//! Pods and what lies behind them: their metrics, their claims' directories, their images.

use std::{
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::api::core::v1::{Node, PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{ResourceExt, api::ListParams};

use super::{Cluster, Platform};
use crate::{metrics::Metrics, process::Service};

/// Where the operator is installed.
pub const OPERATOR_NAMESPACE: &str = "foodplatform-system";
/// The label selector that finds the operator's pods.
pub const OPERATOR_SELECTOR: &str = "app.kubernetes.io/name=foodplatform-operator";

impl Cluster {
    /// The metrics of each running pod with the labels of `selector`, by the pod's name.
    ///
    /// # Errors
    /// When a pod has no address or does not answer.
    pub async fn scrape(&self, namespace: &str, selector: &str, port: u16) -> Result<Vec<(String, Metrics)>, String> {
        let mut all = Vec::new();
        for pod in self.labelled::<Pod>(namespace, selector).await.into_iter().filter(is_running) {
            let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
            let address = address.ok_or_else(|| format!("{} has no address", pod.name_any()))?;
            all.push((pod.name_any(), Metrics::scrape(&format!("http://{address}:{port}/metrics")).await?));
        }
        Ok(all)
    }

    /// The size in bytes of an image as the node has it.
    ///
    /// # Panics
    /// When no node has it.
    pub async fn image_size(&self, image: &str) -> i64 {
        let nodes = self.cluster_wide::<Node>().list(&ListParams::default()).await.expect("the API server answers");
        let images = nodes.into_iter().filter_map(|node| node.status?.images).flatten();
        // The container runtime writes short names in full, such as docker.io/library/NAME.
        let is_it = |name: &String| name == image || name.ends_with(&format!("/{image}"));
        let mut found = images.filter(|candidate| candidate.names.iter().flatten().any(is_it));
        let found = found.next().unwrap_or_else(|| panic!("no node has the image {image}"));
        found.size_bytes.unwrap_or_else(|| panic!("the node does not know the size of {image}"))
    }

    /// The directory on this machine behind a claim.
    ///
    /// # Panics
    /// When the claim is not bound to a directory.
    pub async fn directory_of(&self, namespace: &str, claim: &str) -> PathBuf {
        let found = self.namespaced::<PersistentVolumeClaim>(namespace).get(claim).await;
        let found = found.unwrap_or_else(|error| panic!("claim {claim}: {error}"));
        let volume =
            found.spec.and_then(|spec| spec.volume_name).unwrap_or_else(|| panic!("claim {claim} is not bound"));
        let volume = self.cluster_wide::<PersistentVolume>().get(&volume).await.expect("the bound volume");
        let spec = volume.spec.expect("a volume has a spec");
        let path = spec.host_path.map(|host| host.path).or_else(|| spec.local.map(|local| local.path));
        path.unwrap_or_else(|| panic!("claim {claim} is not on a directory of the node")).into()
    }
}

impl Platform {
    /// The metrics of each running pod of one service, by the pod's name.
    ///
    /// # Errors
    /// When a pod has no address or does not answer.
    pub async fn scrape(&self, service: Service) -> Result<Vec<(String, Metrics)>, String> {
        const ADMIN_PORT: u16 = 9090;
        self.cluster.scrape(&self.namespace, &self.selector_of(service), ADMIN_PORT).await
    }
}

/// Not a migration that has ended, nor a pod on its way out.
fn is_running(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
}

/// Every file below a directory, such as that of a claim.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
