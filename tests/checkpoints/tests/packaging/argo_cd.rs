//! Argo CD beside the cluster, and what it needs in it.

use std::{fs, path::Path};

use ::tests::{
    cluster::{Cluster, until_gone},
    servers, wait,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams},
};
use local::{ArgoCd, ArgoCdSettings, run_with_input};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::block_in_place;

use crate::{application::Application, repository::Repository};

/// Where its settings and its Applications are.
pub(crate) const NAMESPACE: &str = "argocd";
/// What it has to be told of FoodPlatforms.
const CUSTOMIZATIONS: &str = "examples/argocd/argocd-cm.yaml";

/// A running Argo CD, with repositories.
pub(crate) struct Argo {
    cluster: Cluster,
    server: ArgoCd,
    directory: TempDir,
}

impl Argo {
    /// Starts it as our example has people configure it.
    pub(crate) async fn start(cluster: &Cluster) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let programs = servers::argo_cd();
        let definitions = block_in_place(local::argocd_definitions).unwrap().display().to_string();
        kubectl(&["apply", "--server-side", "--kustomize", &definitions], "");
        for kind in ["Application", "AppProject"] {
            let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", kind));
            let objects: Api<DynamicObject> = cluster.dynamic(NAMESPACE, &resource);
            wait::until(&format!("{kind}s to be known"), wait::SOON, async || {
                objects.list(&ListParams::default()).await.map(drop).map_err(|error| error.to_string())
            })
            .await;
        }
        let server = block_in_place(|| {
            kubectl(&["apply", "--server-side", "--filename", "-"], &settings().to_string());
            kubectl(&["apply", "--server-side", "--filename", "-"], &read(CUSTOMIZATIONS));
            fs::create_dir(directory.path().join("repositories")).unwrap();
            ArgoCd::start(ArgoCdSettings {
                programs: &programs,
                helm: &servers::helm(),
                kubeconfig: &servers::kubeconfig(),
                namespace: NAMESPACE,
                repositories: &directory.path().join("repositories"),
                directory: directory.path(),
            })
            .unwrap()
        });
        Self { cluster: cluster.clone(), server, directory }
    }

    /// A repository, and the URL by which Argo CD has it.
    pub(crate) fn repository(&self, name: &str) -> (Repository, String) {
        let at = |place: &str| self.directory.path().join(place);
        (Repository::new(&at("repositories"), &at("work"), name), self.server.repository(name))
    }

    /// An Application by its name, which may not be there yet.
    pub(crate) fn application(&self, name: &str) -> Application {
        Application::new(&self.cluster, name)
    }

    /// Ends it, and takes away what it has in the cluster.
    pub(crate) async fn end(self) {
        drop(self.server);
        let namespaces = self.cluster.cluster_wide::<Namespace>();
        namespaces.delete(NAMESPACE, &DeleteParams::default()).await.unwrap();
        until_gone(&namespaces, NAMESPACE).await;
    }
}

/// Runs kubectl, and gives what it prints.
pub(crate) fn kubectl(arguments: &[&str], input: &str) -> String {
    let mut command = std::process::Command::new(servers::kubectl());
    command.env("KUBECONFIG", servers::kubeconfig()).args(arguments);
    block_in_place(|| run_with_input(&mut command, input.as_bytes())).unwrap_or_else(|error| panic!("{error:#}"))
}

/// What Argo CD's own manifests make, as far as its controller looks at it.
fn settings() -> Value {
    let labels = json!({ "app.kubernetes.io/part-of": "argocd" });
    let object = |kind: &str, name: &str, data: Value| {
        json!({
            "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels },
            "data": data,
        })
    };
    json!({
        "apiVersion": "v1", "kind": "List",
        "items": [
            { "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } },
            object("ConfigMap", "argocd-rbac-cm", json!({})),
            object("ConfigMap", "argocd-gpg-keys-cm", json!({})),
            object("Secret", "argocd-secret", json!({})),
            {
                "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
                "metadata": { "name": "default", "namespace": NAMESPACE },
                "spec": {
                    "sourceRepos": ["*"],
                    "destinations": [{ "namespace": "*", "server": "*" }],
                    "clusterResourceWhitelist": [{ "group": "*", "kind": "*" }],
                },
            },
        ],
    })
}

/// The text of a file of the repository.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = local::repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
