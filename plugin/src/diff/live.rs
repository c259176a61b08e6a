//! What lives of a platform.

use anyhow::{Result, anyhow};
use foodplatform_operator::{
    build::{self, Child, Platform, labels},
    controller::decisions::{is_served, words},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
};

use super::CONCURRENCY;
use crate::cluster::Cluster;

/// Everything that carries the platform's labels.
pub(super) struct Live {
    objects: Vec<(ApiResource, DynamicObject)>,
    /// Kinds that the operator may build and this cluster doesn't have.
    missing: Vec<ApiResource>,
}

impl Live {
    /// Reads it.
    pub(super) async fn read(cluster: &Cluster, platform: &Platform) -> Result<Self> {
        let mut kinds = build::kinds();
        let mut missing = Vec::new();
        for kind in build::optional_kinds() {
            let is_served = is_served(&cluster.client, &kind).await;
            let is_served = is_served.map_err(|error| anyhow!("looking for {}: {}", kind.kind, words(&error)))?;
            if is_served { kinds.push(kind) } else { missing.push(kind) }
        }
        let lists = stream::iter(kinds).map(|kind| list(cluster, platform, kind)).buffered(CONCURRENCY);
        let objects: Vec<Vec<_>> = lists.try_collect().await?;
        Ok(Self { objects: objects.into_iter().flatten().collect(), missing })
    }

    /// All of it, each with its kind.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ApiResource, &DynamicObject)> {
        self.objects.iter().map(|(resource, object)| (resource, object))
    }

    /// The live object of the child's kind and name.
    pub(super) fn find(&self, child: &Child) -> Option<&DynamicObject> {
        let name = child.name();
        self.iter()
            .find(|(kind, object)| kind.kind == child.kind() && object.name_any() == name)
            .map(|(_, found)| found)
    }

    /// Whether this cluster doesn't have the child's kind.
    pub(super) fn lacks_kind_of(&self, child: &Child) -> bool {
        self.missing.iter().any(|kind| kind.kind == child.kind())
    }
}

/// The API of a kind that is only known at run time.
pub(super) fn api(cluster: &Cluster, resource: &ApiResource) -> Api<DynamicObject> {
    Api::namespaced_with(cluster.client.clone(), &cluster.namespace, resource)
}

async fn list(cluster: &Cluster, platform: &Platform, kind: ApiResource) -> Result<Vec<(ApiResource, DynamicObject)>> {
    let (managed_by, instance) = (labels::MANAGED_BY, labels::INSTANCE);
    let ours = format!("{managed_by}={},{instance}={}", labels::MANAGER, platform.name);
    let list = api(cluster, &kind).list(&ListParams::default().labels(&ours)).await;
    let list = list.map_err(|error| anyhow!("listing {}s: {}", kind.kind, words(&error)))?;
    Ok(list.items.into_iter().map(|object| (kind.clone(), object)).collect())
}
