//! Specs that are refused when they are applied, with a message that names the field.

use foodplatform_operator::api::FoodPlatform;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{World, shop};

#[tokio::test]
async fn bad_specs_are_refused_with_the_field_s_name() {
    let world = World::start("refuse").await;
    let cases: [(&str, Value, &str); 6] = [
        (
            "replicas beside autoscaling",
            json!({ "services": { "order": { "replicas": 2, "autoscaling": { "maxReplicas": 3 } } } }),
            "spec.services.order",
        ),
        (
            "minReplicas above maxReplicas",
            json!({ "services": { "cook": { "autoscaling": { "minReplicas": 4, "maxReplicas": 3 } } } }),
            "spec.services.cook.autoscaling",
        ),
        (
            "an access mode that one pod only can have",
            json!({ "logs": { "volume": { "accessModes": ["ReadWriteOncePod"] } } }),
            "spec.logs.volume.accessModes",
        ),
        (
            "no partitions",
            json!({ "kafka": { "topics": { "menu": { "partitions": 0 } } } }),
            "spec.kafka.topics.menu.partitions",
        ),
        ("a node port that is none", json!({ "gateway": { "nodePort": 80 } }), "spec.gateway.nodePort"),
        ("an empty tag", json!({ "image": { "tag": "" } }), "spec.image.tag"),
    ];
    for (what, over, field) in cases {
        let text = refusal(&world, "shop", shop(over)).await;
        assert!(text.contains(field), "{what}: {text}");
    }
    let mut long = shop(json!({}));
    long["metadata"]["name"] = json!("x".repeat(41));
    let text = refusal(&world, &"x".repeat(41), long).await;
    assert!(text.contains("metadata.name") || text.contains("40"), "{text}");
    world.end().await;
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_strict_clients() {
    let world = World::start("strict").await;
    let resource = kube::core::ApiResource::erase::<FoodPlatform>(&());
    let api: kube::Api<DynamicObject> = kube::Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let mut parameters = PatchParams::apply("test");
    parameters.field_validation = Some(kube::api::ValidationDirective::Strict);
    let error = api.patch("shop", &parameters, &Patch::Apply(shop(json!({ "imagge": {} })))).await.unwrap_err();
    assert!(error.to_string().contains("imagge"), "{error}");
    world.end().await;
}

/// What the API server says to the object, which it has to refuse.
async fn refusal(world: &World, name: &str, object: Value) -> String {
    let resource = kube::core::ApiResource::erase::<FoodPlatform>(&());
    let api: kube::Api<DynamicObject> = kube::Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    match api.patch(name, &PatchParams::apply("test"), &Patch::Apply(object)).await {
        Ok(_) => panic!("{name} was not refused"),
        Err(error) => error.to_string(),
    }
}
