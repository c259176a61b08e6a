//! Deleting a platform, and making it again.

use std::fmt::Debug;

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        autoscaling::v2::HorizontalPodAutoscaler,
        batch::v1::Job,
        core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret, Service as KubeService, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use tests::{
    cluster::{Cluster, Platform, Throwaway},
    process::Service,
    wait,
};

async fn gone<K>(platform: &Platform)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    wait::until(&format!("every {} gone", K::kind(&())), wait::SOON, async || {
        let names = platform.cluster.names::<K>(&platform.namespace, &platform.selector()).await?;
        wait::equals(names, Vec::new())
    })
    .await;
}

async fn claims(platform: &Platform) -> Vec<(String, Option<String>)> {
    let claims = platform.cluster.labelled::<PersistentVolumeClaim>(&platform.namespace, &platform.selector()).await;
    let mut claims: Vec<_> = claims.iter().map(|claim| (claim.name_any(), claim.uid())).collect();
    claims.sort();
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_platform_leaves_its_claims_and_takes_them_up_again() {
    let mut throwaway = Throwaway::new(&Cluster::connect().await).await;
    throwaway.spec["services"]["order"] = json!({ "autoscaling": { "maxReplicas": 2 } });
    assert!(throwaway.spec["logs"]["volume"].is_object(), "the quickstart's log volumes: {}", throwaway.spec);
    throwaway.create_secret().await;
    throwaway.apply().await;
    let platform = &throwaway.platform;
    platform.until_ready().await;
    let before = claims(platform).await;
    let names: Vec<_> = before.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, platform.children(&Service::ALL, "-logs"));

    throwaway.delete().await;
    gone::<Deployment>(platform).await;
    gone::<HorizontalPodAutoscaler>(platform).await;
    gone::<PodDisruptionBudget>(platform).await;
    gone::<NetworkPolicy>(platform).await;
    gone::<KubeService>(platform).await;
    gone::<Secret>(platform).await;
    gone::<ServiceAccount>(platform).await;
    gone::<Job>(platform).await;
    gone::<Pod>(platform).await;
    assert_eq!(claims(platform).await, before, "retained claims stay");
    let kept = platform.cluster.names::<ConfigMap>(&platform.namespace, &platform.selector()).await;
    assert_eq!(kept, Ok(vec![format!("{}-topics", platform.name)]), "the record of retained topics stays alone");

    throwaway.apply().await;
    platform.until_ready().await;
    assert_eq!(claims(platform).await, before, "the same claims, taken up again");
}
