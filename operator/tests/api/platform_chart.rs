//! The chart of a platform, with Helm 3 and 4.

use std::fs;

use foodplatform_operator::api::FoodPlatform;
use serde_json::{Value, json};

use crate::{
    helm::{Helm, PLATFORM},
    world::{World, eventually, is, is_current, shop},
};

/// The spec of the tests' platform as a file of values.
fn values(directory: &std::path::Path, over: Value) -> String {
    let path = directory.join("values.yaml");
    fs::write(&path, json!({ "spec": shop(over)["spec"] }).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_release_is_a_platform_that_follows_its_values() {
    let world = World::start("platform-chart").await;
    let directory = tempfile::tempdir().unwrap();
    for helm in Helm::both(&world.namespace) {
        let file = values(directory.path(), json!({}));
        let notes = helm.does(&["install", "shop", PLATFORM, "--values", &file, "--set", "labels.team=food"]).await;
        let next = format!("kubectl -n {} wait fp/shop --for=condition=Ready", world.namespace);
        assert!(notes.contains(&next), "{notes}");
        let installed = world.get::<FoodPlatform>("shop").await.unwrap();
        assert_eq!(installed.metadata.labels.unwrap()["team"], "food");
        assert_eq!(serde_json::to_value(installed.spec).unwrap(), shop(json!({}))["spec"]);
        world.ready().await;

        let mut upgrade = vec!["upgrade", "shop", PLATFORM, "--reuse-values", "--set", "spec.services.cook.replicas=2"];
        if helm.major == 4 {
            // It knows by the conditions when the platform is as asked for.
            upgrade.extend(["--wait", "--timeout", "60s"]);
        }
        helm.does(&upgrade).await;
        let grown = world.get::<FoodPlatform>("shop").await.unwrap();
        if helm.major == 4 {
            assert!(is_current(&grown) && is(&grown, "Ready", "True", "Ready"), "{:?}", grown.status);
        }
        assert_eq!(serde_json::to_value(grown.spec).unwrap()["services"]["cook"]["replicas"], 2);
        world.ready().await;
        helm.does(&["rollback", "shop", "1"]).await;
        let spec = serde_json::to_value(world.get::<FoodPlatform>("shop").await.unwrap().spec).unwrap();
        assert_eq!(spec.pointer("/services/cook/replicas"), None);
        helm.does(&["uninstall", "shop"]).await;
        world.gone().await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_wrong_value_is_refused_with_its_path_and_what_only_the_api_server_can_tell_by_it() {
    let world = World::unattended("platform-values").await;
    let directory = tempfile::tempdir().unwrap();
    let file = values(directory.path(), json!({}));
    for helm in Helm::both(&world.namespace) {
        let refused = async |release: &str, set: &str| {
            let arguments = ["install", release, PLATFORM, "--values", &file, "--dry-run=server", "--set", set];
            helm.run(&arguments).await.expect_err(set)
        };
        for (set, path) in [
            ("spec.services.cook.replicas=many", "spec/services/cook/replicas"),
            ("spec.services.order.replica=2", "spec/services/order"),
            ("spec.kafka.deletionPolicy=Keep", "spec/kafka/deletionPolicy"),
            ("spec.database=null", "spec/database"),
            ("spec.kafka.sasl.password=secret", "spec/kafka/sasl"),
            ("platform=shop", ""),
        ] {
            let error = refused("shop", set).await;
            assert!(
                error.contains(&format!("'/{path}'")) || path.is_empty() && error.contains("at ''"),
                "Helm {} says of {set}: {error}",
                helm.major
            );
        }
        let error = refused(&"a".repeat(41), "labels.a=b").await;
        assert!(error.contains("at most 40 lower-case letters"), "{error}");
        // What fails leaves a release behind.
        let release = format!("soon-{}", helm.major);
        let arguments = ["install", &release, PLATFORM, "--values", &file, "--set", "spec.deletionTimeout=soon"];
        let error = helm.run(&arguments).await.unwrap_err();
        assert!(error.contains("spec.deletionTimeout") && error.contains("a time above 0"), "{error}");

        for entry in fs::read_dir(format!("{PLATFORM}/ci")).unwrap() {
            let path = entry.unwrap().path();
            let values = path.to_str().unwrap();
            helm.does(&["install", "trial", PLATFORM, "--values", values]).await;
            let name = if values.contains("production") { "shop" } else { "trial" };
            assert!(world.get::<FoodPlatform>(name).await.is_some(), "{values}");
            helm.does(&["uninstall", "trial"]).await;
            let kept = world.get::<FoodPlatform>(name).await;
            assert_eq!(kept.is_some(), values.contains("production"), "helm.sh/resource-policy of {values}");
            if kept.is_some() {
                world.delete::<FoodPlatform>(name).await;
                eventually("the kept one to be gone", || async {
                    world.get::<FoodPlatform>(name).await.is_none().then_some(())
                })
                .await;
            }
        }
    }
    world.end().await;
}
