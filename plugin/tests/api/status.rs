//! `kubectl foodplatform status`.

use foodplatform_operator::api::FoodPlatform;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{
    kubelet::Fate,
    plugin::{command, kubeconfig, run},
    world::{World, eventually, message},
};

#[tokio::test]
async fn a_platform_is_shown_and_told_ready_or_not() {
    let world = World::start("status").await;
    world.pods(Fate::NoImage(":1.0.0"));
    let volume = json!({ "volume": { "size": "64Mi" } });
    let over = json!({ "logs": volume, "services": { "order": { "autoscaling": { "maxReplicas": 3 } } } });
    world.shop(over).await;
    let of_gateway = |shop: &FoodPlatform| message(shop, "Stalled").contains("gateway:1.0.0");
    world.shop_when("stalled", of_gateway).await;
    let said = world.plugin(&["status", "shop"]).await;
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    assert!(said.out.starts_with(&format!("{}/shop  not ready  0/5 services", world.namespace)), "{}", said.out);
    // The gateway has nothing to migrate: its pod is there, and so is the others' migration.
    for part in ["gateway: image registry.test/food/gateway:1.0.0 can't be pulled", "migrates", "ImagePullBackOff"] {
        assert!(said.out.contains(part), "{part:?} in {}", said.out);
    }

    world.pods(Fate::Work);
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "image": { "tag": "1.0.1" } } })).await;
    let shop = world.ready().await;
    let said = world.plugin(&["status", "shop"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let endpoint = shop.status.as_ref().unwrap().endpoint.clone().unwrap();
    assert!(said.out.contains(&format!("ready  5/5 services  {endpoint}")), "{}", said.out);
    for part in ["of 1..3 by load", "shop-cook-logs", &format!("{}.shop.menu.dlq", world.namespace), "lag ?"] {
        assert!(said.out.contains(part), "{part:?} in {}", said.out);
    }
    assert!(!said.out.contains('\u{1b}'), "no colours where there is no terminal: {:?}", said.out);

    let status = json_of(&world, "shop").await;
    assert_eq!((&status["ready"], &status["name"]), (&json!(true), &json!("shop")));
    let services = status["services"].as_array().unwrap();
    assert_eq!(services.len(), 5);
    for service in services {
        let pods = service["pods"].as_array().unwrap();
        assert_eq!(pods.len(), 1, "{service}");
        assert_eq!((&pods[0]["ready"], &pods[0]["role"]), (&json!(true), &json!("serve")));
        // No node runs them, so that none of them can tell; and the gateway reads nothing.
        let untold = service["lag"]["untold"].as_array().map(Vec::len);
        assert_eq!(untold, (service["name"] != "gateway").then_some(1), "{service}");
    }
    let claim = world.get::<PersistentVolumeClaim>("shop-order-logs").await.unwrap();
    assert!(status["volumes"].as_array().unwrap().iter().any(|volume| volume["name"] == claim.name_any()));
    assert_eq!(status["topics"].as_array().unwrap().len(), 8);
    world.end().await;
}

async fn json_of(world: &World, name: &str) -> Value {
    let said = world.plugin(&["status", name, "-o", "json"]).await;
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
}

#[tokio::test]
async fn colours_are_for_terminals_and_for_those_who_insist() {
    let world = World::start("colours").await;
    world.shop(json!({})).await;
    world.ready().await;
    let shown = async |environment: &[(&str, &str)]| {
        let mut command = command(&["status", "shop", "-n", &world.namespace]);
        command.env("KUBECONFIG", kubeconfig()).envs(environment.iter().copied());
        run(command).await.out
    };
    let plain = shown(&[("NO_COLOR", "1")]).await;
    let coloured = shown(&[("CLICOLOR_FORCE", "1")]).await;
    assert!(!plain.contains('\u{1b}') && coloured.contains("\u{1b}[32mTrue"), "{coloured:?}");
    world.end().await;
}

#[tokio::test]
async fn without_the_right_to_see_pods_the_rest_is_shown() {
    let world = World::start("nopods").await;
    world.shop(json!({})).await;
    world.ready().await;
    let (_directory, somebody) = world
        .somebody(json!([{ "apiGroups": ["foodplatform.dev"], "resources": ["foodplatforms"], "verbs": ["get"] }]))
        .await;
    // The authorizer learns of new rights by a watch.
    let said = eventually("the right to be known", || async {
        let said = world.plugin_as(&somebody, &["status", "shop"]).await;
        (!said.err.contains("reading FoodPlatform")).then_some(said)
    })
    .await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("Pods can't be listed: pods is forbidden"), "{}", said.out);
    assert!(said.out.contains("5/5 services"), "{}", said.out);
    world.end().await;
}
