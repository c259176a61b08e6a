//! The cluster, and the platform that a command is about.

use anyhow::{Context as _, Result, anyhow};
use foodplatform_operator::{api::FoodPlatform, client, controller::decisions::words};
use k8s_openapi::NamespaceResourceScope;
use kube::{
    Api, Client, Config, Resource,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

use crate::cli::Connection;

/// The field manager of what people change by these commands.
const FIELD_MANAGER: &str = "kubectl-foodplatform";

/// A namespace of a cluster.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

impl Cluster {
    /// The namespace that was asked for, of the cluster that kubectl would take.
    pub(crate) async fn connect(wanted: &Connection) -> Result<Self> {
        let config = config(wanted).await?;
        let namespace = wanted.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        Ok(Self { client: client::client(config)?, namespace })
    }

    /// Objects of one kind in the namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The platform of that name.
    pub(crate) async fn platform(&self, name: &str) -> Result<FoodPlatform> {
        let namespace = &self.namespace;
        self.api::<FoodPlatform>().get(name).await.map_err(|error| match &error {
            kube::Error::Api(answer) if answer.code == 404 => match &answer.details {
                Some(details) if details.name == name => anyhow!(
                    "there is no FoodPlatform {name} in namespace {namespace}: kubectl get foodplatforms -A lists all"
                ),
                _ => anyhow!("the cluster knows no FoodPlatforms: install the operator first"),
            },
            kube::Error::SerdeError(cause) => anyhow!(
                "FoodPlatform {namespace}/{name} can't be read: {cause}; use the plugin of the operator's version"
            ),
            _ => anyhow!("reading FoodPlatform {namespace}/{name}: {}", words(&error)),
        })
    }

    /// Changes the platform of that name by a merge patch.
    pub(crate) async fn change(&self, name: &str, patch: Value) -> Result<()> {
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
        let changed = self.api::<FoodPlatform>().patch(name, &parameters, &Patch::Merge(patch)).await;
        changed.map_err(|error| anyhow!("changing FoodPlatform {}/{name}: {}", self.namespace, words(&error)))?;
        Ok(())
    }
}

async fn config(wanted: &Connection) -> Result<Config> {
    let Connection { context, kubeconfig, .. } = wanted;
    if context.is_none() && kubeconfig.is_none() {
        return Config::infer().await.context("no cluster is configured here: name one by --kubeconfig or $KUBECONFIG");
    }
    let file = match kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let options = KubeConfigOptions { context: context.clone(), ..Default::default() };
    Config::from_custom_kubeconfig(file?, &options).await.context("the kubeconfig can't be used")
}
