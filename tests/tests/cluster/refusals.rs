//! Specs that are refused at `kubectl apply`, with a message that names the field.

use serde_json::{Value, json};
use tests::cluster::{Cluster, Platform, Throwaway};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_spec_is_refused_and_the_field_named() {
    let throwaway = Throwaway::new(&Cluster::connect().await).await;
    let with = |pointer: &str, value: Value| {
        let mut spec = throwaway.spec.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a pointer");
        spec.pointer_mut(parent).expect("the parent is there")[field] = value;
        spec
    };
    let both = json!({ "replicas": 2, "autoscaling": { "maxReplicas": 3 } });
    let wrong = [
        (with("/services/order", both), ["spec.services.order", "replicas and autoscaling exclude each other"]),
        (
            with("/services/cook/config/cookingTime", json!("soon")),
            ["spec.services.cook.config.cookingTime", "a range from the shorter to the longer such as 1s..3s"],
        ),
        (with("/kafka/bootstrapServers", json!("kafka")), ["spec.kafka.bootstrapServers", "host:port"]),
        (with("/gateway/nodePort", json!(30080)), ["spec.gateway", "nodePort is for type NodePort only"]),
        (
            with("/logs", json!({ "volume": { "accessModes": ["ReadWriteOncePod"] } })),
            ["spec.logs.volume.accessModes", "ReadWriteMany or ReadWriteOnce"],
        ),
    ];
    for (spec, expected) in wrong {
        let message = throwaway.platform.apply(&spec).await.expect_err("a wrong spec");
        for part in expected {
            assert!(message.contains(part), "{part:?} in {message:?}");
        }
    }

    let Platform { cluster, namespace, .. } = &throwaway.platform;
    let long = Platform::new(cluster.clone(), namespace, "p".repeat(41));
    let message = long.apply(&throwaway.spec).await.expect_err("too long a name");
    assert!(message.contains("metadata.name: at most 40"), "{message}");

    assert!(throwaway.platform.try_get().await.is_err(), "nothing of this was kept");
}
