//! What leads to the gateway, and kinds that a cluster may be without.

use foodplatform_operator::{
    api::{
        FoodPlatform,
        condition::{READY, STALLED},
    },
    build,
    controller::decisions::is_served,
};
use k8s_openapi::{
    api::networking::v1::Ingress, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, PostParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    definitions,
    interference::{Interference, Plan},
    world::{World, eventually, is, message},
};

#[tokio::test]
async fn an_ingress_comes_changes_and_goes() {
    let world = World::start("ingress").await;
    world.shop(json!({ "gateway": { "type": null, "ingress": { "host": "shop.example.com" } } })).await;
    let shop = world.ready().await;
    assert_eq!(shop.status.unwrap().endpoint.as_deref(), Some("http://shop.example.com"));
    let host = |ingress: Ingress| ingress.spec?.rules?.first()?.host.clone();
    assert_eq!(world.get::<Ingress>("shop-gateway").await.and_then(host).as_deref(), Some("shop.example.com"));

    let ingress = json!({ "host": "food.example.com", "tlsSecretName": "food" });
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "gateway": { "ingress": ingress } } })).await;
    eventually("the new host", || async {
        let ingress = world.get::<Ingress>("shop-gateway").await?;
        (host(ingress).as_deref() == Some("food.example.com")).then_some(())
    })
    .await;
    world.ready().await;

    world.patch::<FoodPlatform>("shop", json!({ "spec": { "gateway": { "ingress": null } } })).await;
    eventually("it to be gone", || async { world.get::<Ingress>("shop-gateway").await.is_none().then_some(()) }).await;
    world.end().await;
}

/// Held by who needs to know whether the cluster has HTTPRoutes.
pub(crate) static HTTP_ROUTES: Mutex<()> = Mutex::const_new(());

/// Gives the cluster DestinationRules. An operator that starts afterwards finds them at once.
pub(crate) async fn install_destination_rules(client: &Client) {
    definitions::install(client, "destinationrules.networking.istio.io").await;
    let kinds = build::optional_kinds();
    let kind = kinds.iter().find(|kind| kind.kind == "DestinationRule").unwrap();
    served(client, kind).await;
}

/// Waits until the cluster has a kind: an operator that finds it missing looks again after a while only.
pub(crate) async fn served(client: &Client, kind: &ApiResource) {
    eventually("the kind to be served", || async { is_served(client, kind).await.unwrap().then_some(()) }).await;
}

/// A definition that takes any spec: what of a kind matters here is whether the cluster has it.
pub(crate) fn definition(group: &str, plural: &str, kind: &str) -> CustomResourceDefinition {
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    serde_json::from_value(json!({
        // Gateway API's names are protected unless somebody vouches for them.
        "metadata": { "name": format!("{plural}.{group}"), "annotations": { "api-approved.kubernetes.io": "unapproved" } },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
        },
    }))
    .unwrap()
}

/// Whoever takes Gateway API away just then must not find an operator that waits for its HTTPRoutes for ever.
#[tokio::test]
async fn a_kind_that_goes_while_the_operator_starts_holds_up_nothing() {
    let _alone = HTTP_ROUTES.lock().await;
    let interference = Interference::new(Plan::Refuse { call: "GET httproutes", code: 404 });
    let unattended = World::unattended("going").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(unattended.client.clone());
    let definition = definition("gateway.networking.k8s.io", "httproutes", "HTTPRoute");
    definitions.create(&PostParams::default(), &definition).await.unwrap();
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"));
    let routes: Api<DynamicObject> = Api::namespaced_with(unattended.client.clone(), &unattended.namespace, &kind);
    eventually("HTTPRoutes", || async { routes.list(&ListParams::default()).await.ok() }).await;
    let world = World::disturbed("goes", &interference).await;
    eventually("its first list", || async { (!interference.met().is_empty()).then_some(()) }).await;
    definitions.delete("httproutes.gateway.networking.k8s.io", &DeleteParams::default()).await.unwrap();
    world.shop(json!({})).await;
    world.ready().await;
    world.end().await;
    unattended.end().await;
}

#[tokio::test]
async fn a_kind_that_the_cluster_lacks_is_named_and_taken_up_when_it_comes() {
    let _alone = HTTP_ROUTES.lock().await;
    let world = World::start("kinds").await;
    let route = json!({ "parentRefs": [{ "name": "web", "sectionName": "https" }], "hostnames": ["shop.example.com"] });
    world.shop(json!({ "gateway": { "httpRoute": route } })).await;
    let shop = world.shop_when("without the kind", |shop| is(shop, STALLED, "True", "KindMissing")).await;
    let told = "this cluster has no HTTPRoute of gateway.networking.k8s.io/v1: install what brings it";
    assert!(message(&shop, READY).starts_with(told), "{}", message(&shop, READY));
    // Everything else is there.
    let served = |shop: &FoodPlatform| shop.status.as_ref().unwrap().services.iter().all(|s| s.ready == 1);
    world.shop_when("serving", |shop| is(shop, STALLED, "True", "KindMissing") && served(shop)).await;

    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let definition = definition("gateway.networking.k8s.io", "httproutes", "HTTPRoute");
    definitions.create(&PostParams::default(), &definition).await.unwrap();
    world.ready().await;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"));
    let routes: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
    let made = routes.get("shop-gateway").await.unwrap();
    let backend: &Value = &made.data["spec"]["rules"][0]["backendRefs"][0];
    assert_eq!((backend["name"].as_str(), backend["port"].as_i64()), (Some("shop-gateway"), Some(8080)));

    assert_eq!(made.data["spec"]["parentRefs"], json!([{ "name": "web", "sectionName": "https" }]));
    let route = json!({ "parentRefs": [{ "name": "web" }] });
    world.patch::<FoodPlatform>("shop", json!({ "spec": { "gateway": { "httpRoute": route } } })).await;
    world.ready().await;
    let made = routes.get("shop-gateway").await.unwrap();
    assert_eq!(made.data["spec"]["parentRefs"], json!([{ "name": "web" }]));

    world.patch::<FoodPlatform>("shop", json!({ "spec": { "gateway": { "httpRoute": null } } })).await;
    eventually("it to be gone", || async { routes.get_opt("shop-gateway").await.unwrap().is_none().then_some(()) })
        .await;
    definitions.delete("httproutes.gateway.networking.k8s.io", &DeleteParams::default()).await.unwrap();
    world.end().await;
}
