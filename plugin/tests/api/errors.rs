//! What goes wrong is told, and ends with 2.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::{
    plugin::{command, kubeconfig, run},
    world::World,
};

/// Every command, about a platform.
const COMMANDS: [&[&str]; 6] = [
    &["status", "shop"],
    &["diff", "shop"],
    &["pause", "shop"],
    &["resume", "shop"],
    &["rollback", "shop"],
    &["logs", "shop"],
];

#[tokio::test]
async fn a_platform_that_is_not_there_is_told() {
    let world = World::start("missing").await;
    for arguments in COMMANDS {
        let said = world.plugin(arguments).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
        let expected = format!("error: there is no FoodPlatform shop in namespace {}", world.namespace);
        assert!(said.err.starts_with(&expected), "{arguments:?}: {}", said.err);
    }
    world.end().await;
}

#[tokio::test]
async fn a_right_that_is_missing_is_told() {
    let world = World::start("norights").await;
    world.shop(json!({})).await;
    world.ready().await;
    let (_directory, somebody) = world.somebody(json!([])).await;
    for arguments in COMMANDS {
        let said = world.plugin_as(&somebody, arguments).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
        for part in ["reading FoodPlatform", "is forbidden", "somebody", "cannot get resource"] {
            assert!(said.err.contains(part), "{part:?} in {}", said.err);
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_child_that_somebody_else_owns_is_told_and_no_difference() {
    let world = World::without_secret("foreign").await;
    let mine = json!({ "metadata": { "name": "shop-cook" }, "data": { "mine": "yes" } });
    world.create::<ConfigMap>(mine).await;
    world.secret("url").await;
    world.shop(json!({})).await;
    world.shop_when("in conflict", |shop| crate::world::is(shop, "Stalled", "True", "NameConflict")).await;
    let said = world.plugin(&["diff", "shop"]).await;
    assert!(
        said.err.contains(&format!("ConfigMap {}/shop-cook belongs to somebody else", world.namespace)),
        "{said:?}"
    );
    assert!(!said.out.contains("ConfigMap/shop-cook"), "{}", said.out);
    world.end().await;
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_told() {
    let said = async |arguments: &[&str]| {
        let said = run(command(arguments)).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{arguments:?}");
        said.err
    };
    let path = kubeconfig().display().to_string();
    let no_context = said(&["status", "shop", "--kubeconfig", &path, "--context", "nowhere"]).await;
    assert!(no_context.contains("nowhere"), "{no_context}");
    let no_file = said(&["status", "shop", "--kubeconfig", "/nowhere/config"]).await;
    assert!(no_file.contains("/nowhere/config"), "{no_file}");
    let no_service = said(&["logs", "shop", "chef"]).await;
    assert!(no_service.contains("the services are order, cook, delivery, mypage, gateway"), "{no_service}");
}
