//! `kubectl foodplatform logs`, as far as there is something to log without a node.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn the_log_of_a_pod_with_two_containers_is_given_out() {
    let world = World::start("sidecar").await;
    world.shop(json!({})).await;
    world.ready().await;
    let containers = ["istio-proxy", "order"];
    let pod = json!({
        "metadata": {
            "name": "shop-order-meshed",
            "labels": {
                "app.kubernetes.io/managed-by": "foodplatform-operator", "app.kubernetes.io/part-of": "shop",
                "app.kubernetes.io/name": "order",
            },
        },
        "spec": {
            "serviceAccountName": "shop-order",
            "containers": containers.map(|name| json!({ "name": name, "image": "registry.test/image" })),
        },
    });
    world.create::<Pod>(pod).await;
    let statuses = containers.map(|name| {
        json!({
            "name": name, "image": "registry.test/image", "imageID": "", "ready": true, "restartCount": 0,
            "containerID": format!("containerd://{name}"), "state": { "running": {} },
        })
    });
    let patch = Patch::Merge(json!({ "status": { "containerStatuses": statuses } }));
    world.api::<Pod>().patch_status("shop-order-meshed", &PatchParams::default(), &patch).await.unwrap();
    // Of a pod without a node the API server gives out an empty log, once it knows of which container.
    let said = world.plugin(&["logs", "shop", "order"]).await;
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
    world.end().await;
}
