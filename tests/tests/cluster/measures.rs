//! The numbers that the project promises, measured on the running cluster.

use std::{env, fmt::Debug, time::Duration};

use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Pod, Service as KubeService},
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{
    Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::json;
use tests::{
    api::Api,
    cluster::{AuditLog, Cluster, OPERATOR_NAMESPACE, OPERATOR_SELECTOR, Platform},
    measure::Measurement,
    process::Service,
    servers, wait,
};

const MEGABYTE: f64 = 1_000_000.0;
/// Between two times when others write, at rest.
const OTHERS: Duration = Duration::from_secs(5);
/// Where the operator shows its metrics.
const OPERATOR_PORT: u16 = 8080;

fn within_limits(checks: impl IntoIterator<Item = Result<(), String>>) {
    let over: Vec<_> = checks.into_iter().filter_map(Result::err).collect();
    assert!(over.is_empty(), "{over:#?}");
}

/// Some orders to their end, so that every service has worked.
async fn orders() {
    let api = Api::new(servers::gateway());
    let menu = api.menu_with_stock(20).await;
    let mut placed = Vec::new();
    for _ in 0..20 {
        placed.push(api.place_one(&menu, 1).await);
    }
    for order in placed {
        api.follow(&order, "DELIVERED").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_small_after_orders() {
    let cluster = Cluster::connect().await;
    let platform = cluster.quickstart().await;
    platform.until_ready().await;
    orders().await;
    let mut checks = Vec::new();
    for service in Service::ALL {
        for (_, metrics) in platform.scrape(service).await.unwrap_or_else(|error| panic!("{service}: {error}")) {
            let name = format!("resident memory after orders, {service}");
            let value = metrics.get("process_resident_memory_bytes") / MEGABYTE;
            checks.push(Measurement { name: &name, value, unit: "MB", limit: 20.0 }.check());
        }
    }
    let operator = cluster.scrape(OPERATOR_NAMESPACE, OPERATOR_SELECTOR, OPERATOR_PORT).await;
    for (_, metrics) in operator.unwrap_or_else(|error| panic!("operator: {error}")) {
        let value = metrics.get("process_resident_memory_bytes") / MEGABYTE;
        checks.push(Measurement { name: "resident memory, operator", value, unit: "MB", limit: 40.0 }.check());
    }
    within_limits(checks);
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_ready_soon_after_their_start() {
    let platform = Cluster::connect().await.quickstart().await;
    platform.until_ready().await;
    let mut checks = Vec::new();
    for service in Service::ALL {
        // The quickest of some starts shows what the service needs: in others the machine may have been busy.
        let mut seconds = f64::INFINITY;
        for _ in 0..3 {
            seconds = seconds.min(restart(&platform, service).await);
        }
        let name = format!("start to ready, {service}");
        checks.push(Measurement { name: &name, value: seconds * 1000.0, unit: "ms", limit: 200.0 }.check());
    }
    platform.until_ready().await;
    within_limits(checks);
}

/// Deletes a service's pods and gives the time in seconds from the start of the first new process to its readiness.
async fn restart(platform: &Platform, service: Service) -> f64 {
    let pods = platform.cluster.namespaced::<Pod>(&platform.namespace);
    let before: Vec<_> = platform.scrape(service).await.unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    for name in &before {
        pods.delete(name, &DeleteParams::default()).await.expect("the deletion");
    }
    wait::until(&format!("a new and ready pod of {service}"), Duration::from_secs(60), async || {
        let now = platform.scrape(service).await?;
        let new = now.into_iter().filter(|(name, _)| !before.contains(name));
        let ready = new.filter_map(|(_, metrics)| metrics.sum("ready_seconds"));
        ready.reduce(f64::min).ok_or_else(|| "none yet".to_owned())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_small() {
    let cluster = Cluster::connect().await;
    let platform = cluster.quickstart().await;
    let mut checks = Vec::new();
    for service in Service::ALL {
        let deployments = cluster.labelled::<Deployment>(&platform.namespace, &platform.selector_of(service)).await;
        let pod = deployments.into_iter().next().and_then(|deployment| deployment.spec?.template.spec);
        let image = pod.and_then(|pod| pod.containers.into_iter().next()?.image).expect("a Deployment's image");
        let bytes = cluster.image_size(&image).await;
        let bytes = f64::from(u32::try_from(bytes).expect("less than 4 GB"));
        let name = format!("image size as a registry has it, {service}");
        checks.push(Measurement { name: &name, value: bytes / MEGABYTE, unit: "MB", limit: 15.0 }.check());
    }
    within_limits(checks);
}

/// Writes a field of somebody else's into a child.
async fn touch<K>(platform: &Platform, name: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    mark::<K>(platform.cluster.namespaced(&platform.namespace), name, "example.com/seen").await;
}

async fn mark<K: Clone + Debug + DeserializeOwned>(api: kube::Api<K>, name: &str, annotation: &str) {
    let now = format!("{:?}", std::time::SystemTime::now());
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { annotation: now } } }));
    api.patch(name, &PatchParams::default(), &patch).await.unwrap_or_else(|error| panic!("{name}: {error}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_rest_the_operator_writes_nothing() {
    let seconds = env::var("TEST_REST_SECONDS").map_or(60, |text| text.parse().expect("TEST_REST_SECONDS: seconds"));
    let platform = Cluster::connect().await.quickstart().await;
    platform.until_ready().await;
    // What earlier tests left to do (autoscalers settle, pods end) is not rest yet: it begins when the platform and its
    // Deployments have not changed for a while.
    let mut last = String::new();
    let mut quiet = std::time::Instant::now();
    wait::until("the platform at rest", Duration::from_secs(300), async || {
        let deployments = platform.cluster.labelled::<Deployment>(&platform.namespace, &platform.selector()).await;
        let mut versions: Vec<_> = deployments.iter().filter_map(ResourceExt::resource_version).collect();
        versions
            .extend(platform.api().get(&platform.name).await.map_err(|error| error.to_string())?.resource_version());
        let now = versions.join(" ");
        if now != last {
            last = now;
            quiet = std::time::Instant::now();
        }
        if quiet.elapsed() > Duration::from_secs(15) {
            Ok(())
        } else {
            Err(format!("changed {:?} ago", quiet.elapsed()))
        }
    })
    .await;

    let log = AuditLog::from_now();
    // This is the time over which the writes are counted. Others go on meanwhile: autoscalers, whose status changes every
    // few seconds, and whoever marks objects with what is theirs, as Argo CD does with the platform.
    let rest = Duration::from_secs(seconds);
    let started = std::time::Instant::now();
    while started.elapsed() < rest {
        touch::<Deployment>(&platform, "quickstart-order").await;
        touch::<KubeService>(&platform, "quickstart-order").await;
        touch::<ConfigMap>(&platform, "quickstart-order").await;
        touch::<PodDisruptionBudget>(&platform, "quickstart-order").await;
        mark(platform.api(), &platform.name, "argocd.argoproj.io/tracking-id").await;
        tokio::time::sleep(OTHERS.min(rest.saturating_sub(started.elapsed()))).await;
    }
    let (leases, others) = log.operator_writes();
    assert!(!leases.is_empty(), "the audit log shows the operator's Lease renewals, else it shows nothing at all");
    let name = format!("the operator's writes at rest in {seconds} s");
    let value = f64::from(u32::try_from(others.len()).expect("few"));
    let check = Measurement { name: &name, value, unit: "requests", limit: 0.0 }.check();
    check.unwrap_or_else(|error| panic!("{error}: {others:#?}"));
}
