//! A real cluster with the operator in it, as people see it with kubectl.

mod audit;
mod platform;
mod pods;
mod table;
mod throwaway;

use std::{fmt::Debug, time::Duration};

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::{
    Api, Client, Config, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;

pub use audit::AuditLog;
pub use platform::{Condition, Platform, READY};
pub use pods::{OPERATOR_NAMESPACE, OPERATOR_SELECTOR, files};
pub use table::Table;
pub use throwaway::{SECRET, THROWAWAY, Throwaway};

use crate::{servers, wait};

/// The platform of `examples/quickstart.yaml`.
pub const QUICKSTART: &str = "quickstart";

/// How long what was deleted may take to go; a namespace waits for its pods.
const GONE: Duration = Duration::from_secs(120);

/// A cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

impl Cluster {
    /// The cluster of `TEST_KUBECONFIG`.
    ///
    /// # Panics
    /// When there is none.
    pub async fn connect() -> Self {
        let path = servers::kubeconfig();
        let kubeconfig = Kubeconfig::read_from(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let config = config.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { client: Client::try_from(config).expect("a client") }
    }

    /// Objects of one kind in one namespace.
    pub fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Objects of a kind that is known by its name, in one namespace.
    pub fn dynamic(&self, namespace: &str, kind: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, kind)
    }

    /// Objects of one kind without a namespace.
    pub fn cluster_wide<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope>,
    {
        Api::all(self.client.clone())
    }

    /// The objects of one kind with the labels of `selector`, of which there must be at least one.
    ///
    /// # Panics
    /// When the API server does not answer, or there is none.
    pub async fn labelled<K>(&self, namespace: &str, selector: &str) -> Vec<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let objects = self.list(namespace, selector).await.unwrap_or_else(|error| panic!("{error}"));
        assert!(!objects.is_empty(), "no {} with {selector} in namespace {namespace}", K::kind(&()));
        objects
    }

    /// The names of the objects of one kind with the labels of `selector`, sorted.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn names<K>(&self, namespace: &str, selector: &str) -> Result<Vec<String>, String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let mut names: Vec<_> = self.list::<K>(namespace, selector).await?.iter().map(ResourceExt::name_any).collect();
        names.sort();
        Ok(names)
    }

    async fn list<K>(&self, namespace: &str, selector: &str) -> Result<Vec<K>, String>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let list = self.namespaced::<K>(namespace).list(&ListParams::default().labels(selector)).await;
        Ok(list.map_err(|error| error.to_string())?.items)
    }

    /// The platforms of one namespace.
    pub fn platforms(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &platform_resource())
    }

    /// The quickstart platform, wherever it is.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn quickstart(&self) -> Platform {
        let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &platform_resource());
        let list = all.list(&ListParams::default()).await.expect("the API server answers");
        let found = list.items.into_iter().find(|platform| platform.name_any() == QUICKSTART);
        let found =
            found.unwrap_or_else(|| panic!("no FoodPlatform {QUICKSTART}: is examples/quickstart.yaml applied?"));
        Platform::new(self.clone(), found.namespace().unwrap_or_default(), QUICKSTART)
    }
}

/// Waits until the object `name` is gone.
///
/// # Panics
/// When it stays.
pub async fn until_gone<K>(api: &Api<K>, name: &str)
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    wait::until(&format!("{name} gone"), GONE, async || match api.get_opt(name).await {
        Ok(None) => Ok(()),
        Ok(Some(object)) => Err(format!("{:?}", object.meta())),
        Err(error) => Err(error.to_string()),
    })
    .await;
}

/// The kind `FoodPlatform`, written out: the tests see what users see, not the operator's own types.
pub fn platform_resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("foodplatform.dev", "v1alpha1", "FoodPlatform"),
        "foodplatforms",
    )
}
