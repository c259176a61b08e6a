//! `kubectl foodplatform pause`, `resume` and `rollback`.

use foodplatform_operator::api::{FoodPlatform, FoodService, condition::STALLED};
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{
    kubelet::Fate,
    world::{World, is, message},
};

async fn spec(world: &World) -> Value {
    let shop = world.get::<FoodPlatform>("shop").await.unwrap();
    serde_json::to_value(shop.spec).unwrap()
}

async fn version(world: &World) -> Option<String> {
    world.get::<FoodPlatform>("shop").await.unwrap().resource_version()
}

#[tokio::test]
async fn a_platform_is_paused_and_resumed() {
    let world = World::start("pause").await;
    world.shop(json!({})).await;
    world.ready().await;

    let said = world.plugin(&["pause", "shop"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("/shop paused: it runs on"), "{}", said.out);
    assert_eq!(spec(&world).await["paused"], true);
    world.shop_when("paused", |shop| is(shop, "Paused", "True", "Paused")).await;

    let before = version(&world).await;
    let said = world.plugin(&["pause", "shop"]).await;
    assert_eq!(said.code, 0);
    assert!(said.out.contains("is paused already"), "{}", said.out);
    assert_eq!(version(&world).await, before, "nothing is written twice");

    let said = world.plugin(&["resume", "shop"]).await;
    assert_eq!(said.code, 0);
    assert!(said.out.contains("/shop resumed"), "{}", said.out);
    assert_eq!(spec(&world).await.get("paused"), None, "nothing is left of it");
    world.ready().await;
    let said = world.plugin(&["resume", "shop"]).await;
    assert_eq!(said.code, 0);
    assert!(said.out.contains("is not paused"), "{}", said.out);
    world.end().await;
}

#[tokio::test]
async fn services_go_back_to_the_images_that_were_last_ready() {
    let world = World::start("rollback").await;
    world.pods(Fate::Nothing);
    world.shop(json!({})).await;
    world.shop_when("being looked at", |shop| is(shop, "Ready", "False", "Progressing")).await;
    let said = world.plugin(&["rollback", "shop"]).await;
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("there is no image to go back to: no service of"), "{}", said.err);
    world.pods(Fate::Work);
    world.ready().await;
    let said = world.plugin(&["rollback", "shop"]).await;
    assert!(said.code == 0 && said.out.contains("asks for these images already"), "{said:?}");

    world.pods(Fate::NoImage(":2.0.0"));
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "image": { "tag": "2.0.0" } } })).await;
    let stuck = |shop: &FoodPlatform| message(shop, STALLED).contains("gateway:2.0.0");
    world.shop_when("stalled", stuck).await;
    let before = spec(&world).await;
    let said = world.plugin(&["rollback", "shop", "--dry-run"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    assert!(said.out.contains("would be rolled back"), "{}", said.out);
    let line = "  order: registry.test/food/order:2.0.0 → registry.test/food/order:1.0.0\n";
    assert!(said.out.contains(line), "{}", said.out);
    let said = world.plugin(&["rollback", "shop", "--dry-run", "-o", "json"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    let change = |service: FoodService| {
        let image = |tag: &str| format!("registry.test/food/{service}:{tag}");
        json!({ "service": service, "from": image("2.0.0"), "to": image("1.0.0") })
    };
    let expected = json!({
        "namespace": world.namespace, "name": "shop", "dryRun": true, "notes": [],
        "changes": FoodService::ALL.map(change),
    });
    assert_eq!(serde_json::from_str::<Value>(&said.out).unwrap(), expected);
    assert_eq!(spec(&world).await, before, "nothing is written");

    let said = world.plugin(&["rollback", "shop", "--service", "gateway"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(spec(&world).await["services"], json!({ "gateway": { "image": "registry.test/food/gateway:1.0.0" } }));
    let said = world.plugin(&["rollback", "shop"]).await;
    assert!(said.code == 0 && said.out.contains(line) && !said.out.contains("gateway"), "{said:?}");
    world.ready().await;

    // Forward again, by name; the spec's own tag needs no image of a service's own.
    world.pods(Fate::Work);
    let said = world.plugin(&["rollback", "shop", "--to-tag", "2.0.0"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let services = spec(&world).await["services"].take();
    let images = services.as_object().into_iter().flat_map(|services| services.values());
    assert!(images.clone().count() > 0 && images.clone().all(|service| service.get("image").is_none()), "{services}");
    world.ready().await;
    world.end().await;
}
