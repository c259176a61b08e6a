//! Many platforms: what is asked for, what a raw client applies for them, and when all of it is there.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use foodplatform_operator::{
    api::FoodPlatform,
    build::{self, Children, Database, Dereferenced, Platform},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::{apps::v1::Deployment, batch::v1::Job};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use kube_runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use tokio::time::sleep;

use crate::tally::Times;

/// Platforms that the raw client is at work on at the same time, as many as the operator; more made it no faster.
const AT_ONCE: usize = 8;
/// FoodPlatforms that are created at the same time.
const CREATED_AT_ONCE: usize = 8;
/// Between two looks whether everything is there, at least and at most. Each costs the API server something, so there are
/// few while much is missing.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long that may take for one platform, at the least speed that makes sense.
const PATIENCE: Duration = Duration::from_millis(500);
/// For one change to reach its child.
const CHANGE_PATIENCE: Duration = Duration::from_secs(30);
/// How many pods a change asks for.
const CHANGED: i32 = 3;

/// The servers that every platform names.
#[derive(Debug, Clone)]
pub(crate) struct Dependencies {
    pub(crate) kafka: String,
    /// What the names of the topics begin with: all platforms look at the same ones.
    pub(crate) prefix: String,
}

/// The name of a platform.
fn name(number: usize) -> String {
    format!("p{number:04}")
}

/// One of the platforms.
fn platform(dependencies: &Dependencies, number: usize) -> Result<FoodPlatform> {
    let object = json!({
        "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
        "metadata": { "name": name(number) },
        "spec": {
            "image": { "registry": "registry.test/food", "tag": "1.0.0" },
            "kafka": {
                "bootstrapServers": dependencies.kafka, "topicPrefix": dependencies.prefix,
                "topicManagement": "External", "topicDefaults": { "partitions": 1 },
            },
            "database": { "secretRef": { "name": "database" } },
            "gateway": { "type": "ClusterIP" },
        },
    });
    Ok(serde_json::from_value(object)?)
}

/// The platform as an API server gives it back.
fn taken_in(mut platform: FoodPlatform) -> FoodPlatform {
    platform.metadata.namespace = Some("any".to_owned());
    platform.metadata.uid = Some("00000000-0000-4000-8000-000000000000".to_owned());
    platform
}

/// What is built for a platform.
fn children(platform: &FoodPlatform) -> Result<Children> {
    let platform = Platform::new(platform)?;
    let database = Database { checksum: "0123456789abcdef".to_owned(), port: Some(5432) };
    Ok(build::children(&platform, &Dereferenced::of(&database)))
}

/// How many children a platform has, by kind.
pub(crate) fn kinds(dependencies: &Dependencies) -> Result<Vec<(ApiResource, usize)>> {
    let mut kinds: BTreeMap<String, (ApiResource, usize)> = BTreeMap::new();
    for child in children(&taken_in(platform(dependencies, 0)?))?.iter() {
        kinds.entry(child.kind().to_owned()).or_insert_with(|| (child.resource.clone(), 0)).1 += 1;
    }
    Ok(kinds.into_values().collect())
}

/// Creates platforms, and waits until every child of them exists. Gives how long that took, from the first creation on.
///
/// # Errors
/// When the API server refuses, or they don't come.
pub(crate) async fn create(
    client: &Client,
    namespace: &str,
    dependencies: &Dependencies,
    count: usize,
) -> Result<Duration> {
    let platforms: Api<FoodPlatform> = Api::namespaced(client.clone(), namespace);
    let started = Instant::now();
    let creations = stream::iter(0..count).map(|number| {
        let platforms = &platforms;
        async move {
            platforms.create(&PostParams::default(), &platform(dependencies, number)?).await?;
            anyhow::Ok(())
        }
    });
    creations.buffer_unordered(CREATED_AT_ONCE).try_collect::<()>().await?;
    until_there(client, namespace, &kinds(dependencies)?, count).await?;
    Ok(started.elapsed())
}

/// What a client does that has nothing to look after: it creates the same platforms, which own their children, and applies
/// the same children, one after the other, for some platforms at a time. Gives how long that took.
///
/// # Errors
/// When the API server refuses.
pub(crate) async fn apply(
    client: &Client,
    namespace: &str,
    dependencies: &Dependencies,
    count: usize,
) -> Result<Duration> {
    let platforms: Api<FoodPlatform> = Api::namespaced(client.clone(), namespace);
    let started = Instant::now();
    // As the operator does it: by default the API server reads each object once more, to check its fields.
    let parameters = &PatchParams::apply("raw").force().validation_ignore();
    let applied = stream::iter(0..count).map(|number| {
        let platforms = &platforms;
        async move {
            let owner = platforms.create(&PostParams::default(), &platform(dependencies, number)?).await?;
            for child in children(&owner)?.iter() {
                let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &child.resource);
                api.patch(&child.name(), parameters, &Patch::Apply(&child.object)).await?;
            }
            anyhow::Ok(())
        }
    });
    applied.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    until_there(client, namespace, &kinds(dependencies)?, count).await?;
    Ok(started.elapsed())
}

async fn until_there(client: &Client, namespace: &str, kinds: &[(ApiResource, usize)], count: usize) -> Result<()> {
    let started = Instant::now();
    let deadline = started + PATIENCE * u32::try_from(count)? + Duration::from_secs(30);
    for (kind, each) in kinds.iter().rev() {
        loop {
            let there = number_of(client, namespace, kind).await?;
            if there >= each * count {
                break;
            }
            if Instant::now() > deadline {
                bail!("{there} {} of {} are there", kind.plural, each * count);
            }
            // Half of the time that the rest will take.
            let missing = (each * count - there) as f64 / there.max(1) as f64;
            sleep(started.elapsed().mul_f64(missing / 2.0).clamp(LOOK.0, LOOK.1)).await;
        }
    }
    Ok(())
}

/// How many objects of a kind there are, without asking for all of them.
async fn number_of(client: &Client, namespace: &str, kind: &ApiResource) -> Result<usize> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, kind);
    let some = api.list_metadata(&ListParams::default().limit(1)).await?;
    let rest = some.metadata.remaining_item_count.unwrap_or_default();
    Ok(some.items.len() + usize::try_from(rest)?)
}

/// Says of each Job that it has done its work, as soon as it is there. Goes on until it is dropped.
///
/// # Errors
/// When the API server refuses.
pub(crate) async fn complete_jobs(client: &Client, namespace: &str) -> Result<()> {
    let jobs: Api<Job> = Api::namespaced(client.clone(), namespace);
    let now = "2026-01-01T00:00:00Z";
    let condition = |type_: &str| json!({ "type": type_, "status": "True", "lastTransitionTime": now });
    let status = json!({ "status": {
        "succeeded": 1, "startTime": now, "completionTime": now,
        "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
    } });
    let events = watcher(jobs.clone(), watcher::Config::default()).default_backoff().applied_objects();
    let open = events.try_filter(|job| {
        let is_open = job.status.as_ref().is_none_or(|status| status.completion_time.is_none());
        std::future::ready(is_open)
    });
    let patch = Patch::Merge(&status);
    open.map_err(anyhow::Error::from)
        .try_for_each_concurrent(CREATED_AT_ONCE, |job| {
            let (jobs, patch) = (&jobs, &patch);
            async move {
                jobs.patch_status(&job.name_any(), &PatchParams::default(), patch).await?;
                Ok(())
            }
        })
        .await
}

/// Changes one platform after the other, and takes the time from asking until the Deployment in question has changed.
///
/// # Errors
/// When the API server refuses, or a change doesn't come.
pub(crate) async fn change(client: &Client, namespace: &str, count: usize) -> Result<Times> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let platforms: Api<FoodPlatform> = Api::namespaced(client.clone(), namespace);
    let config = watcher::Config::default().labels("app.kubernetes.io/name=cook");
    let mut events = watcher(deployments, config).default_backoff().boxed();
    while !matches!(events.try_next().await?.context("the watch ended")?, watcher::Event::InitDone) {}
    let mut times = Times::default();
    for number in 0..count {
        let patch = json!({ "spec": { "services": { "cook": { "replicas": CHANGED } } } });
        let asked = Instant::now();
        platforms.patch(&name(number), &PatchParams::default(), &Patch::Merge(patch)).await?;
        let wanted = format!("{}-cook", name(number));
        let changed = async {
            loop {
                let watcher::Event::Apply(deployment) = events.try_next().await?.context("the watch ended")? else {
                    continue;
                };
                if deployment.name_any() == wanted && deployment.spec.and_then(|spec| spec.replicas) == Some(CHANGED) {
                    return anyhow::Ok(asked.elapsed());
                }
            }
        };
        let took =
            tokio::time::timeout(CHANGE_PATIENCE, changed).await.with_context(|| format!("{wanted} is as it was"))?;
        times.record(took?);
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_names_of_its_own_and_the_same_kinds() {
        let dependencies = Dependencies { kafka: "k:9092".to_owned(), prefix: "all.".to_owned() };
        let kinds = kinds(&dependencies).unwrap();
        let of = |kind: &str| kinds.iter().find(|(resource, _)| resource.kind == kind).map(|(_, each)| *each);
        assert_eq!((of("Deployment"), of("Job"), of("Service")), (Some(5), Some(4), Some(5)));
        let names = |number| -> Vec<String> {
            let platform = taken_in(platform(&dependencies, number).unwrap());
            children(&platform).unwrap().iter().map(|child| child.name()).collect()
        };
        assert!(names(1).iter().all(|name| name.starts_with("p0001-") && !names(2).contains(name)));
    }
}
