//! A platform that lives as a git repository says.

use std::{
    collections::BTreeSet,
    env,
    time::{Duration, Instant},
};

use ::tests::{
    api::Api,
    cluster::{Cluster, Platform, Throwaway},
    kafka::{Kafka, topic_names},
    measure::Measurement,
    process::Service,
    servers, wait,
};
use checkpoints::{Length, Load, PAGES, Rate, Stage};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api as KubeApi, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::{Value, json};

use crate::{
    application::{Application, State},
    argo_cd::{Argo, kubectl, read},
    by_helm::{OPERATOR, helm, install},
    repository::Repository,
};

/// How long Argo CD is watched while nothing happens, in seconds; `TEST_REST_SECONDS` says otherwise.
const REST: u64 = 45;
/// Long enough for nobody to be turned away unnoticed.
const RATE: Rate = Rate { orders: 3, reads: 20 };
/// After that long a rollout that doesn't come to its end is told of.
const DEADLINE: &str = "20s";
/// What Argo CD notes on what it has made.
const TRACKING: &str = "argocd.argoproj.io/";

/// A kind by its group, its version and its name.
type Kind = (&'static str, &'static str, &'static str);

const SERVICE: Kind = ("", "v1", "Service");
const AUTOSCALER: Kind = ("autoscaling", "v2", "HorizontalPodAutoscaler");
/// The kinds of a platform's children, whoever made them.
const KINDS: [Kind; 10] = [
    ("", "v1", "ConfigMap"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "Pod"),
    ("", "v1", "Secret"),
    SERVICE,
    ("", "v1", "ServiceAccount"),
    ("apps", "v1", "Deployment"),
    AUTOSCALER,
    ("batch", "v1", "Job"),
    ("networking.k8s.io", "v1", "NetworkPolicy"),
];

/// A platform, the repository that it is in, and who makes it so.
struct Scene {
    throwaway: Throwaway,
    repository: Repository,
    application: Application,
}

impl Scene {
    async fn start(cluster: &Cluster, argo: &Argo) -> (Self, String) {
        let mut throwaway = Throwaway::new(cluster).await;
        throwaway.create_secret().await;
        let spec = &mut throwaway.spec;
        spec["services"]["order"] = json!({ "autoscaling": { "minReplicas": 1, "maxReplicas": 2 } });
        spec["gateway"] = json!({ "type": "NodePort" });
        spec["rollout"] = json!({ "progressDeadline": DEADLINE });
        spec["kafka"]["deletionPolicy"] = json!("Delete");
        let (repository, url) = argo.repository("platforms");
        let scene = Self { application: argo.application(&throwaway.platform.namespace), throwaway, repository };
        let commit = scene.commit("A platform");
        scene.application.create(&url, ".", &scene.throwaway.platform.namespace).await;
        (scene, commit)
    }

    /// Commits the platform with its spec as it is now.
    fn commit(&self, message: &str) -> String {
        let platform = json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": self.throwaway.platform.name },
            "spec": self.throwaway.spec,
        });
        self.repository.write("platform.json", &platform.to_string());
        self.repository.commit(message)
    }

    /// Commits another tag of the images.
    fn commit_tag(&mut self, tag: &str) -> String {
        self.throwaway.spec["image"]["tag"] = json!(tag);
        self.commit(&format!("Tag {tag}"))
    }

    /// The names of all pods that serve.
    async fn pods(&self) -> BTreeSet<String> {
        let platform = &self.throwaway.platform;
        let selector = format!("{},foodplatform.dev/role=serve", platform.selector());
        platform.cluster.names::<Pod>(&platform.namespace, &selector).await.unwrap().into_iter().collect()
    }

    async fn objects(&self, kind: Kind) -> Vec<DynamicObject> {
        let platform = &self.throwaway.platform;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(kind.0, kind.1, kind.2));
        let api: KubeApi<DynamicObject> = platform.cluster.dynamic(&platform.namespace, &resource);
        api.list(&ListParams::default().labels(&platform.selector())).await.unwrap().items
    }

    /// A stage for loads on the platform.
    async fn stage(&self) -> Stage {
        let platform = &self.throwaway.platform;
        let name = platform.child(Service::Gateway);
        let services = self.objects(SERVICE).await;
        let port = services.iter().find(|service| service.name_any() == name);
        let port = port.and_then(|service| service.data.pointer("/spec/ports/0/nodePort")?.as_u64()).unwrap();
        let gateway = servers::gateway();
        let host = gateway.rsplit_once(':').unwrap().0;
        Stage::of(platform.clone(), Api::new(format!("{host}:{port}")), Length::Short)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_lives_as_its_repository_says() {
    let cluster = Cluster::connect().await;
    let argo = Argo::start(&cluster).await;
    let (mut scene, first) = Scene::start(&cluster, &argo).await;
    let (application, platform) = (scene.application.clone(), scene.throwaway.platform.clone());

    application.until_done(&first).await;
    platform.until_ready().await;
    let stage = scene.stage().await;
    let load = Load::start(&stage, RATE, PAGES, &[]).await;
    load.answers(50).await;

    rests(&scene).await;

    // Another version.
    let watch = application.watch();
    let tag = servers::next_image_tag();
    let before = scene.throwaway.spec["image"]["tag"].as_str().unwrap().to_owned();
    let next = scene.commit_tag(&tag);
    application.refresh().await;
    application.until_done(&next).await;
    for service in Service::ALL {
        stage.until_image(service, |image| image.ends_with(&tag)).await;
    }
    let healths: Vec<_> =
        watch.seen().into_iter().filter(|state| state.revision == next).map(|state| state.health).collect();
    assert!(healths.iter().any(|health| health == "Progressing"), "{healths:?}");
    assert!(!healths.iter().any(|health| health == "Degraded"), "{healths:?}");

    // A version that nobody has.
    let pods = scene.pods().await;
    let bad = scene.commit_tag("there-is-none");
    application.refresh().await;
    let degraded = application
        .until("Degraded, with the reason", |state| {
            state.revision == bad
                && state.health == "Degraded"
                && state.messages.iter().any(|said| said.contains("there-is-none"))
        })
        .await;
    assert_eq!(degraded.sync, "Synced", "{degraded:?}");
    assert!(scene.pods().await.is_superset(&pods), "running pods are left alone");
    let ready = stage.ready_names().await.unwrap();
    assert!(ready.is_superset(&pods), "{pods:?} were ready, {ready:?} are");

    let reverted = scene.repository.revert();
    scene.throwaway.spec["image"]["tag"] = json!(tag);
    application.refresh().await;
    application.until_done(&reverted).await;
    assert_eq!(scene.pods().await, pods, "the same pods serve");
    assert_ne!(before, tag);

    by_hand(&scene).await;

    let traffic = load.stop().await;
    let answered = traffic.without_deferral().unwrap_or_else(|missed| panic!("{missed}"));
    println!("{answered} requests and none failed");

    untracked(&scene).await;
    deleted(&scene).await;
    argo.end().await;
}

/// The example as it is, but for where the repository and the images are: the operator comes first, then the platform, and they go
/// the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_and_a_platform_come_from_an_app_of_apps() {
    let cluster = Cluster::connect().await;
    let quickstart = cluster.quickstart().await;
    let image = quickstart.get().await["spec"]["image"].take();
    let (registry, tag) = (image["registry"].as_str().unwrap(), image["tag"].as_str().unwrap());
    let values: Value = serde_json::from_str(&helm(&["get", "values", OPERATOR, "--output", "json"])).unwrap();
    let operator_tag = values["image"]["tag"].as_str().unwrap();
    let argo = Argo::start(&cluster).await;
    let (repository, url) = argo.repository("apps");
    repository.copy(&local::repository().join("charts"), "charts");
    let here = |file: &str| {
        let tag = if file.ends_with("operator.yaml") { operator_tag } else { tag };
        read(format!("examples/argocd/{file}"))
            .replace("https://git.example.com/foodplatform.git", &url)
            .replace("ghcr.io/example/foodplatform", registry)
            .replace("tag: 0.1.0", &format!("tag: {tag}"))
    };
    for file in ["apps/operator.yaml", "apps/platform.yaml", "platform/shop.yaml"] {
        repository.write(&format!("examples/argocd/{file}"), &here(file));
    }
    let commit = repository.commit("An operator and a platform");
    kubectl(&["apply", "--filename", "-"], &here("root.yaml"));
    let root = argo.application("foodplatform");
    root.until_done(&commit).await;
    let operator = argo.application("foodplatform-operator");
    operator.until_done(&commit).await;
    argo.application("foodplatform-shop").until_done(&commit).await;
    let shop = Platform::new(cluster.clone(), &quickstart.namespace, "shop");
    shop.until_ready().await;

    root.delete().await;
    wait::until("no platform", ::tests::cluster::READY, async || match shop.try_get().await {
        Ok(_) => Err("it is there".to_owned()),
        Err(_) => Ok(()),
    })
    .await;
    root.until_gone().await;
    operator.until_gone().await;
    // Others' platforms stay, and their definition.
    quickstart.try_get().await.unwrap();
    argo.end().await;
    install(&values);
    quickstart.until_ready().await;
}

/// Nothing is made anew and nothing differs while nobody changes anything, though an autoscaler is at work.
async fn rests(scene: &Scene) {
    let seconds = env::var("TEST_REST_SECONDS").ok().map_or(REST, |text| text.parse().unwrap());
    let before = scene.application.state().await.unwrap();
    let object = async || scene.throwaway.platform.api().get(&scene.throwaway.platform.name).await;
    let version = object().await.unwrap().resource_version();
    let autoscalers = scene.objects(AUTOSCALER).await;
    assert!(!autoscalers.is_empty());
    let watch = scene.application.watch();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (seen, after) = (watch.seen(), object().await.unwrap());
    let strays: Vec<_> = seen.iter().filter(|state| **state != before).collect();
    assert!(!seen.is_empty(), "nothing was seen of it for {seconds} s");
    assert_eq!(after.resource_version(), version, "somebody wrote the platform: {:?}", after.metadata.managed_fields);
    let name = format!("differences that Argo CD saw, and syncs, at rest in {seconds} s");
    let count = f64::from(u32::try_from(strays.len()).unwrap());
    let held = Measurement { name: &name, value: count, unit: "times", limit: 0.0 }.check();
    held.unwrap_or_else(|error| panic!("{error}: {strays:?} after {before:?}"));
}

/// What is changed by hand is changed back: the FoodPlatform by Argo CD, its children by the operator, and both are at peace then.
async fn by_hand(scene: &Scene) {
    let (platform, started) = (&scene.throwaway.platform, Instant::now());
    let before = scene.application.state().await.unwrap();
    let spec = platform.get().await["spec"].take();
    let namespace = &platform.namespace;
    let patch = json!({ "spec": { "services": { "delivery": { "config": { "deliveryTime": "1s" } } } } }).to_string();
    let name = &platform.name;
    kubectl(&["-n", namespace, "patch", "foodplatform", name, "--type=merge", "--patch", &patch], "");
    wait::until("the FoodPlatform as it was", ::tests::cluster::READY, async || {
        wait::equals(platform.try_get().await?["spec"].take(), spec.clone())
    })
    .await;
    let deployment = platform.child(Service::Delivery);
    let patch = json!({ "spec": { "template": { "spec": { "terminationGracePeriodSeconds": 7 } } } }).to_string();
    let grace = "jsonpath={.spec.template.spec.terminationGracePeriodSeconds}";
    let get = || kubectl(&["-n", namespace, "get", "deployment", &deployment, "-o", grace], "");
    let original = get();
    kubectl(&["-n", namespace, "patch", "deployment", &deployment, "--type=merge", "--patch", &patch], "");
    wait::until("the Deployment as it was", wait::SOON, async || wait::equals(get(), original.clone())).await;
    platform.until_ready().await;
    let healed = scene
        .application
        .until("healed once", |state| state.is_done(&before.revision) && state.operation.0 != before.operation.0)
        .await;
    let generation =
        || kubectl(&["-n", namespace, "get", "foodplatform", name, "-o", "jsonpath={.metadata.generation}"], "");
    let settled = generation();
    wait::throughout("peace", Duration::from_secs(10), async || {
        let state = scene.application.state().await?;
        wait::equals((state.operation, generation()), (healed.operation.clone(), settled.clone()))?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        Ok(())
    })
    .await;
    println!("healed within {:.0} s", started.elapsed().as_secs_f64() - 10.0);
}

/// What Argo CD notes is on the FoodPlatform, and on nothing that the operator makes of it: it would prune that.
async fn untracked(scene: &Scene) {
    let platform = &scene.throwaway.platform;
    let is_tracking = |object: &DynamicObject| {
        let mut keys = object.annotations().keys().chain(object.labels().keys());
        keys.any(|key| key.starts_with(TRACKING))
    };
    let own = platform.api().get(&platform.name).await.unwrap();
    assert!(is_tracking(&own), "{:?}", own.metadata);
    for kind in KINDS {
        let objects = scene.objects(kind).await;
        assert!(!objects.is_empty(), "{}", kind.2);
        for object in objects {
            assert!(!is_tracking(&object), "{} {}: {:?}", kind.2, object.name_any(), object.metadata);
        }
    }
}

/// With the Application all goes that it has made: first what runs, then the topics, which wait for the last pod.
async fn deleted(scene: &Scene) {
    let platform = &scene.throwaway.platform;
    let topics = topic_names(&platform.prefix(&scene.throwaway.spec));
    let kafka = Kafka::new(servers::kafka());
    let left = async || join_all(topics.iter().map(|topic| kafka.describe(topic))).await.into_iter().flatten().count();
    assert_eq!(left().await, topics.len());
    let started = Instant::now();
    scene.application.delete().await;
    // Nobody deletes a topic from under a pod that reads it.
    wait::until("no pod of the platform", ::tests::cluster::READY, async || {
        let (left, pods) = (left().await, scene.pods().await);
        assert!(pods.is_empty() || left == topics.len(), "{pods:?} are there, and of their topics {left} alone");
        wait::equals(pods, BTreeSet::new())
    })
    .await;
    scene.application.until_gone().await;
    wait::until("no topic", wait::SOON, async || wait::equals(left().await, 0)).await;
    assert!(platform.try_get().await.is_err(), "the FoodPlatform is still there");
    println!("deleted in {:.1} s", started.elapsed().as_secs_f64());
}

#[test]
fn a_state_is_read_from_what_argo_cd_says() {
    let state = State::of(&json!({
        "sync": { "revision": "abc", "status": "Synced" },
        "health": { "status": "Degraded" },
        "operationState": { "startedAt": "now", "phase": "Succeeded" },
        "resources": [
            { "health": { "status": "Healthy", "message": "fine" } },
            { "health": { "status": "Degraded", "message": "ImagePullFailed: no such tag" } },
        ],
        "history": [{ "id": 0 }, { "id": 1 }],
    }));
    assert_eq!(state.messages, ["ImagePullFailed: no such tag"]);
    assert!(!state.is_done("abc"));
    assert_eq!(state.deployments, 2);
    assert!(State { health: "Healthy".to_owned(), ..state }.is_done("abc"));
    assert_eq!(State::of(&Value::Null), State::default());
}
