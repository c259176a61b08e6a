//! `kubectl foodplatform diff`.

use foodplatform_operator::{api::FoodPlatform, build};
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{ConfigMap, PersistentVolumeClaim, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
};
use serde_json::{Value, json};

use crate::{
    kubelet::Fate,
    world::{World, eventually, is, message},
};

/// The versions of everything that the operator writes.
async fn versions(world: &World) -> Vec<(String, String)> {
    let mut versions = world.versions::<ConfigMap>().await;
    versions.extend(world.versions::<ServiceAccount>().await);
    versions.extend(world.versions::<Service>().await);
    versions.extend(world.versions::<PersistentVolumeClaim>().await);
    versions.extend(world.versions::<PodDisruptionBudget>().await);
    versions.extend(world.versions::<Job>().await);
    versions.extend(world.versions::<Deployment>().await);
    versions.extend(world.versions::<FoodPlatform>().await);
    versions
}

/// A platform with everything that is compared in a way of its own.
fn fullest() -> Value {
    json!({
        "logs": { "volume": { "size": "64Mi", "retention": "Delete" } },
        "services": { "order": { "autoscaling": { "maxReplicas": 3 } }, "cook": { "replicas": 2 } },
    })
}

/// The platform at rest, which nobody changes any more.
async fn at_rest(world: &World) {
    world.shop(fullest()).await;
    world.ready().await;
    // The autoscaler has found its Deployment: it writes its own status, which tells nothing of the operator.
    let current = |autoscaler: HorizontalPodAutoscaler| autoscaler.status?.current_replicas;
    eventually("the autoscaler", || async { world.get("shop-order").await.and_then(current) }).await;
}

/// The names of what a diff is about, each with the names of its two sides.
fn headers(diff: &str) -> Vec<(&str, &str)> {
    let lines: Vec<_> = diff.lines().collect();
    let pairs =
        lines.windows(2).filter_map(|pair| Some((pair[0].strip_prefix("--- ")?, pair[1].strip_prefix("+++ ")?)));
    pairs.collect()
}

/// What the command says to machines, and nothing to people.
async fn json_of(world: &World) -> Value {
    let said = world.plugin(&["diff", "shop", "-o", "json"]).await;
    let told: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    let is_different = told["changes"].as_array().is_some_and(|changes| !changes.is_empty());
    assert_eq!((said.code, said.err.as_str()), (i32::from(is_different), ""));
    told
}

#[tokio::test]
async fn at_rest_nothing_differs() {
    let world = World::start("diffrest").await;
    at_rest(&world).await;
    let said = world.plugin(&["diff", "shop"]).await;
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert_eq!(said.err, "note: nothing would be changed\n");
    let told = json_of(&world).await;
    assert_eq!(told, json!({ "namespace": world.namespace, "name": "shop", "changes": [], "notes": [] }));
    // The autoscaler's replicas are its own affair.
    world.patch::<Deployment>("shop-order", json!({ "spec": { "replicas": 3 } })).await;
    let said = world.plugin(&["diff", "shop"]).await;
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    world.end().await;
}

#[tokio::test]
async fn what_differs_is_shown_and_nothing_is_written() {
    let world = World::start("diff").await;
    at_rest(&world).await;
    world.plugin(&["pause", "shop"]).await;
    world.shop_when("paused", |shop| is(shop, "Paused", "True", "Paused")).await;

    // By hand: a value, a label more, an object less. The label is nobody's business.
    let edit = json!({ "metadata": { "labels": { "theirs": "stays" } }, "data": { "LOG_LEVEL": "trace" } });
    world.patch::<ConfigMap>("shop-delivery", edit).await;
    world.delete::<PodDisruptionBudget>("shop-mypage").await;
    let said = world.plugin(&["diff", "shop"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("is paused"), "{}", said.err);
    let config = ("ConfigMap/shop-delivery (live)", "ConfigMap/shop-delivery (built)");
    let budget = ("/dev/null", "PodDisruptionBudget/shop-mypage (built)");
    assert_eq!(headers(&said.out), [config, budget]);
    assert!(said.out.contains("\n-  LOG_LEVEL: trace\n+  LOG_LEVEL: info\n"), "{}", said.out);
    for absent in ["theirs: stays\n+", "managedFields", "resourceVersion", "uid: \"\"", "creationTimestamp"] {
        assert!(!said.out.contains(absent), "{absent:?} in {}", said.out);
    }

    let told = json_of(&world).await;
    let [config, budget] = told["changes"].as_array().unwrap().as_slice() else { panic!("{told}") };
    let about = |change: &Value| ["action", "kind", "name"].map(|field| change[field].as_str().unwrap().to_owned());
    assert_eq!(about(config), ["update", "ConfigMap", "shop-delivery"]);
    assert_eq!(
        (&config["before"]["data"]["LOG_LEVEL"], &config["after"]["data"]["LOG_LEVEL"]),
        (&json!("trace"), &json!("info"))
    );
    assert_eq!(about(budget), ["create", "PodDisruptionBudget", "shop-mypage"]);
    assert_eq!((budget.get("before"), &budget["after"]["kind"]), (None, &json!("PodDisruptionBudget")));
    assert_eq!((&told["name"], &told["namespace"]), (&json!("shop"), &json!(world.namespace)));
    assert_eq!(told["notes"], json!(["the platform is paused: this is what would be changed after resume"]));

    // By the spec: a new image, replicas that pass to an autoscaler, claims that go, a claim that can't shrink.
    world
        .patch::<FoodPlatform>(
            "shop",
            json!({ "spec": {
                "image": { "tag": "2.0.0" },
                "services": { "order": { "autoscaling": null }, "cook": { "replicas": null, "autoscaling": { "maxReplicas": 5 } } },
                "logs": { "volume": { "size": "32Mi" } },
            } }),
        )
        .await;
    world.shop_when("seen", |shop| is(shop, "Paused", "True", "Paused")).await;
    let before = versions(&world).await;
    let said = world.plugin(&["diff", "shop"]).await;
    assert_eq!(versions(&world).await, before, "nothing is written");
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("claim shop-order-logs keeps its 64Mi"), "{}", said.err);
    let changed = headers(&said.out);
    for expected in [
        ("Deployment/shop-order (live)", "Deployment/shop-order (built)"),
        ("/dev/null", "HorizontalPodAutoscaler/shop-cook (built)"),
        ("HorizontalPodAutoscaler/shop-order (live)", "/dev/null"),
    ] {
        assert!(changed.contains(&expected), "{expected:?} in {changed:?}");
    }
    let jobs = |side: fn(&(&str, &str)) -> bool| changed.iter().filter(|header| side(header)).count();
    assert_eq!(jobs(|(live, built)| *live == "/dev/null" && built.starts_with("Job/")), 4, "{changed:?}");
    assert_eq!(jobs(|(live, built)| live.starts_with("Job/") && *built == "/dev/null"), 4, "{changed:?}");
    let image = "-        image: registry.test/food/cook:1.0.0\n+        image: registry.test/food/cook:2.0.0\n";
    assert!(said.out.contains(image), "{}", said.out);
    let cook = said.out.split("--- ").find(|part| part.starts_with("Deployment/shop-cook")).unwrap();
    assert!(!cook.contains("replicas:"), "they pass to the autoscaler as they are: {cook}");

    // What was shown is what comes.
    world.plugin(&["resume", "shop"]).await;
    world.ready().await;
    eventually("nothing to differ any more", || async {
        let said = world.plugin(&["diff", "shop"]).await;
        (said.code == 0).then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_migration_that_is_made_anew_is_shown() {
    let world = World::start("diffjob").await;
    world.pods(Fate::Nothing);
    world.shop(json!({})).await;
    world.shop_when("migrating", |shop| message(shop, "Ready").contains("order waits for its migration")).await;
    world.plugin(&["pause", "shop"]).await;
    world.shop_when("paused", |shop| is(shop, "Paused", "True", "Paused")).await;
    let jobs = |diff: &str| headers(diff).iter().filter(|(_, built)| built.starts_with("Job/shop-order-")).count();
    assert_eq!(jobs(&world.plugin(&["diff", "shop"]).await.out), 0);

    let elsewhere = json!({ "spec": { "services": { "order": { "nodeSelector": { "a": "b" } } } } });
    world.patch::<FoodPlatform>("shop", elsewhere).await;
    let said = world.plugin(&["diff", "shop"]).await;
    assert_eq!(jobs(&said.out), 1, "{}", said.out);
    assert!(said.err.contains("is deleted and made anew, for its pods are to be others"), "{}", said.err);
    world.end().await;
}

#[tokio::test]
async fn a_secret_that_may_not_be_read_is_taken_for_what_the_pods_were_started_with() {
    let world = World::start("diffsecret").await;
    at_rest(&world).await;
    // Kinds that only some clusters have, too: other tests bring their definitions.
    let kinds = build::kinds().into_iter().chain(build::optional_kinds());
    let may_read =
        |group: &str, plural: &str| json!({ "apiGroups": [group], "resources": [plural], "verbs": ["get", "list"] });
    let rights: Vec<_> = kinds.map(|kind| may_read(&kind.group, &kind.plural)).collect();
    let rights = [rights, vec![may_read("foodplatform.dev", "foodplatforms")]].concat();
    let (_directory, somebody) = world.somebody(json!(rights)).await;
    // The authorizer learns of new rights by a watch.
    let said = eventually("the right to be known", || async {
        let said = world.plugin_as(&somebody, &["diff", "shop"]).await;
        (!said.err.contains("reading FoodPlatform")).then_some(said)
    })
    .await;
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    let taken = format!(
        "you may not read Secret {}/database: it is taken for what the pods were started with",
        world.namespace
    );
    assert!(said.err.contains(&taken), "{}", said.err);

    // Where something differs, the right to ask what would become of it is missing.
    world.plugin(&["pause", "shop"]).await;
    world.shop_when("paused", |shop| is(shop, "Paused", "True", "Paused")).await;
    world.patch::<ConfigMap>("shop-cook", json!({ "data": { "LOG_LEVEL": "trace" } })).await;
    let said = world.plugin_as(&somebody, &["diff", "shop"]).await;
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{}", said.err);
    assert!(said.err.contains("asking what would become of ConfigMap"), "{}", said.err);
    assert!(said.err.contains("cannot patch resource"), "{}", said.err);
    world.end().await;
}

#[tokio::test]
async fn without_the_secret_only_what_pods_need_is_compared() {
    let world = World::without_secret("diffnosecret").await;
    world.shop(json!({})).await;
    world.shop_when("stalled", |shop| is(shop, "Stalled", "True", "SecretNotFound")).await;
    let said = world.plugin(&["diff", "shop"]).await;
    assert_eq!((said.code, said.out.as_str()), (0, ""), "{}", said.err);
    assert!(said.err.contains("database is not there: create it with key url"), "{}", said.err);
    world.end().await;
}
