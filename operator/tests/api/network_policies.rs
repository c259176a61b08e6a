//! NetworkPolicies come, change and go; and nobody is cut off who still runs.

use foodplatform_operator::api::{FoodPlatform, FoodService, condition::READY};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{ResourceExt as _, api::ListParams};
use serde_json::{Value, json};
use url::Url;

use crate::{
    door::Door,
    kubelet::Fate,
    world::{World, database_url, eventually, message},
};

/// The policies of a service's pods with a role.
async fn policies(world: &World, service: &str, role: &str) -> Vec<NetworkPolicy> {
    let all = world.api::<NetworkPolicy>().list(&ListParams::default()).await.unwrap().items;
    let name = format!("shop-{service}-{role}-");
    all.into_iter().filter(|policy| policy.name_any().starts_with(&name)).collect()
}

/// The ports at which such pods reach the outside, but for DNS; those of several policies one after the other.
async fn ports(world: &World, service: &str, role: &str) -> Vec<i64> {
    let mut ports = Vec::new();
    for policy in policies(world, service, role).await {
        let spec = serde_json::to_value(policy.spec.unwrap()).unwrap();
        let outside = spec["egress"].as_array().unwrap().last().unwrap().clone();
        ports.extend(outside["ports"].as_array().unwrap().iter().map(|port| port["port"].as_i64().unwrap()));
    }
    ports
}

async fn patch(world: &World, network_policy: Value) {
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "networkPolicy": network_policy } })).await;
}

#[tokio::test]
async fn they_come_change_and_go() {
    let world = World::start("policies").await;
    world.shop(json!({})).await;
    world.ready().await;
    for service in FoodService::ALL {
        let service = service.as_str();
        let serving = policies(&world, service, "serve").await;
        assert_eq!(serving.len(), 1, "{service}");
        assert_eq!(serving[0].owner_references().len(), 1);
        assert_eq!(policies(&world, service, "migrate").await.len(), usize::from(service != "gateway"), "{service}");
    }
    let database: Url = database_url().parse().unwrap();
    let database_port = i64::from(database.port().unwrap_or(5432));
    assert_eq!(ports(&world, "order", "migrate").await, [database_port]);

    patch(&world, json!({ "metricsFrom": [{ "podLabels": { "app": "prometheus" } }] })).await;
    eventually("the metrics' reader", || async {
        let ingress = policies(&world, "cook", "serve").await.pop()?.spec?.ingress?;
        let from = serde_json::to_value(ingress.get(1)?.from.as_ref()?).unwrap();
        (from == json!([{ "podSelector": { "matchLabels": { "app": "prometheus" } } }])).then_some(())
    })
    .await;

    let before = policies(&world, "cook", "serve").await[0].name_any();
    patch(&world, json!({ "egress": [{ "cidr": "10.0.0.0/8", "ports": [9092, 5432] }] })).await;
    eventually("the new way outside alone", || async {
        let policies = policies(&world, "cook", "serve").await;
        (policies.len() == 1 && policies[0].name_any() != before).then_some(())
    })
    .await;
    assert_eq!(ports(&world, "cook", "serve").await, [9092, 5432]);
    world.ready().await;

    patch(&world, json!({ "enabled": false })).await;
    eventually("them to be gone", || async { world.versions::<NetworkPolicy>().await.is_empty().then_some(()) }).await;
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn they_let_through_nothing_more_than_was_asked_for() {
    let world = World::start("narrow").await;
    let pods = json!({ "app": "prometheus" });
    let anywhere = json!([{ "namespaceLabels": { "team": "monitoring" }, "podLabels": pods }]);
    world.shop(json!({ "networkPolicy": { "metricsFrom": anywhere } })).await;
    world.ready().await;
    patch(&world, json!({ "metricsFrom": [{ "podLabels": pods }] })).await;
    world.ready().await;
    let policy = || async { policies(&world, "cook", "serve").await.pop().unwrap() };
    let ingress = || async { json!(policy().await.spec.unwrap().ingress) };
    let narrow = ingress().await;
    assert_eq!(narrow[1]["from"], json!([{ "podSelector": { "matchLabels": pods } }]));

    let (mut any_namespace, mut any_port) = (narrow.clone(), narrow.clone());
    any_namespace[0]["from"][0]["namespaceSelector"] = json!({});
    any_port[0]["ports"].as_array_mut().unwrap().push(json!({ "port": 5432, "protocol": "TCP" }));
    for wide in [any_namespace, any_port] {
        let widened = json!({ "spec": { "ingress": wide } });
        let patched: NetworkPolicy = world.patch(&policy().await.name_any(), widened).await;
        assert_ne!(json!(patched.spec.unwrap().ingress), narrow);
        eventually("it to be narrow again", || async { (ingress().await == narrow).then_some(()) }).await;
    }
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn the_way_to_the_former_database_stays_until_nobody_uses_it() {
    let mut url: Url = database_url().parse().unwrap();
    let former = i64::from(url.port().unwrap_or(5432));
    let mut door = Door::shut_before(format!("{}:{former}", url.host_str().unwrap()));
    door.open();
    let moved = i64::from(door.address().port());
    let world = World::start("moved").await;
    world.shop(json!({})).await;
    world.ready().await;
    // They take their time to drain.
    world.hold_pods().await;

    // The migrations for the new place don't come to an end: what runs goes on with the former one.
    world.pods(Fate::Nothing);
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(door.address().port())).unwrap();
    world.secret_with("url", url.as_str()).await;
    eventually("both ways", || async {
        let ports = ports(&world, "order", "serve").await;
        (ports.contains(&moved) && ports.contains(&former)).then_some(())
    })
    .await;
    world
        .shop_when("waiting for its migrations", |shop| message(shop, READY).contains("waits for its migration"))
        .await;
    assert!(ports(&world, "order", "serve").await.contains(&former));

    world.pods(Fate::Work);
    world.ready().await;
    assert!(ports(&world, "order", "serve").await.contains(&former), "pods that drain still use it");

    world.release_pods().await;
    for role in ["serve", "migrate"] {
        eventually("the former way to be gone", || async {
            let ports = ports(&world, "order", role).await;
            (ports.contains(&moved) && !ports.contains(&former)).then_some(())
        })
        .await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_platform_that_can_not_become_ready_is_freed_of_them_at_once() {
    let world = World::start("freed").await;
    world.pods(Fate::Nothing);
    world.shop(json!({})).await;
    eventually("the policies", || async { (world.versions::<NetworkPolicy>().await.len() == 9).then_some(()) }).await;
    patch(&world, json!({ "enabled": false })).await;
    eventually("them to be gone", || async { world.versions::<NetworkPolicy>().await.is_empty().then_some(()) }).await;
    world.end().await;
}
