//! What people change by hand comes back; what is not the operator's stays.

use std::time::Duration;

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Service as KubeService},
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{
    Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tests::{
    cluster::{Cluster, Platform},
    process::Service,
    wait,
};

/// How long the operator may take to undo a change.
const RESTORED: Duration = Duration::from_secs(30);

/// Changes a child as `kubectl edit` does, and waits until it is as it was.
async fn edited_is_restored<K>(platform: &Platform, name: &str, change: Value, pointer: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + serde::Serialize,
{
    let api = platform.cluster.namespaced::<K>(&platform.namespace);
    let at = |object: &K| serde_json::to_value(object).expect("JSON").pointer(pointer).cloned();
    let before = api.get(name).await.expect("the child");
    let edited = api.patch(name, &PatchParams::default(), &Patch::Merge(&change)).await.expect("the edit");
    assert_ne!(at(&edited), at(&before), "the edit changes {pointer} of {name}");
    let restored = wait::until(&format!("{pointer} of {name} restored"), RESTORED, async || {
        let now = api.get(name).await.map_err(|error| error.to_string())?;
        wait::equals(at(&now), at(&before))?;
        Ok(now)
    })
    .await;
    assert_eq!(restored.uid(), before.uid(), "changed back, not made anew");
}

/// Deletes a child, and waits until there is another of the same name.
async fn deleted_is_restored<K>(platform: &Platform, name: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let api = platform.cluster.namespaced::<K>(&platform.namespace);
    let before = api.get(name).await.expect("the child").uid();
    api.delete(name, &DeleteParams::default()).await.expect("the deletion");
    wait::until(&format!("another {} {name}", K::kind(&())), RESTORED, async || {
        let now = api.get(name).await.map_err(|error| error.to_string())?;
        if now.uid() == before { Err("still the old one".to_owned()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_edited_by_hand_is_restored() {
    let platform = Cluster::connect().await.quickstart().await;
    platform.until_ready().await;
    let name = platform.child(Service::Delivery);
    let level = json!({ "data": { "LOG_LEVEL": "trace" } });
    edited_is_restored::<ConfigMap>(&platform, &name, level, "/data/LOG_LEVEL").await;
    let budget = json!({ "spec": { "maxUnavailable": 7 } });
    edited_is_restored::<PodDisruptionBudget>(&platform, &name, budget, "/spec/maxUnavailable").await;
    let label = json!({ "metadata": { "labels": { "app.kubernetes.io/part-of": "somebody" } } });
    edited_is_restored::<KubeService>(&platform, &name, label, "/metadata/labels").await;
    let grace = json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 90 } } } });
    edited_is_restored::<Deployment>(&platform, &name, grace, "/spec/template/spec/terminationGracePeriodSeconds")
        .await;
    platform.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_operators_stays() {
    let platform = Cluster::connect().await.quickstart().await;
    platform.until_ready().await;
    let name = platform.child(Service::Delivery);
    let api = platform.cluster.namespaced::<ConfigMap>(&platform.namespace);
    let both = json!({
        "metadata": { "annotations": { "example.com/owner": "team-a" } },
        "data": { "LOG_LEVEL": "trace" },
    });
    let before = api.get(&name).await.expect("the child");
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&both)).await.expect("the edit");
    let restored = wait::until("LOG_LEVEL restored", RESTORED, async || {
        let now = api.get(&name).await.map_err(|error| error.to_string())?;
        wait::equals(&now.data, &before.data)?;
        Ok(now)
    })
    .await;
    assert_eq!(restored.annotations().get("example.com/owner").map(String::as_str), Some("team-a"));
    let away = json!({ "metadata": { "annotations": { "example.com/owner": null } } });
    api.patch(&name, &PatchParams::default(), &Patch::Merge(&away)).await.expect("the annotation is ours to remove");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_deleted_by_hand_is_restored() {
    let platform = Cluster::connect().await.quickstart().await;
    platform.until_ready().await;
    let name = platform.child(Service::Mypage);
    deleted_is_restored::<PodDisruptionBudget>(&platform, &name).await;
    deleted_is_restored::<ConfigMap>(&platform, &name).await;
    deleted_is_restored::<KubeService>(&platform, &name).await;
    deleted_is_restored::<Deployment>(&platform, &name).await;
    platform.until_ready().await;
}
