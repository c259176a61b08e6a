//! What belongs to somebody else is never taken, whatever kind it is of.

use std::collections::BTreeMap;

use foodplatform_operator::{
    api::{
        FoodPlatform,
        condition::{READY, STALLED},
    },
    build::{self, Child, Dereferenced, Platform},
    controller::decisions::known_databases,
};
use futures::future::join_all;
use k8s_openapi::{
    api::core::v1::Secret, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    ways_in::{self, HTTP_ROUTES},
    world::{World, eventually, is, message, shop},
};

/// A spec that asks for every kind that there is.
fn everything() -> Value {
    json!({
        "mesh": "Istio",
        "logs": { "volume": { "size": "64Mi" } },
        "services": { "order": { "autoscaling": { "maxReplicas": 3 } } },
        "gateway": {
            "ingress": { "host": "shop.example.com" },
            "httpRoute": { "parentRefs": [{ "name": "web" }] },
        },
    })
}

/// One child of each kind: of the kinds that pods need cook's, so that the other services go on to theirs.
async fn children(world: &World) -> BTreeMap<String, Child> {
    let mut resource: FoodPlatform = serde_json::from_value(shop(everything())).unwrap();
    resource.metadata.namespace = Some(world.namespace.clone());
    resource.metadata.uid = Some("somebody".to_owned());
    let platform = Platform::new(&resource).unwrap();
    let secrets = BTreeMap::from([("database".to_owned(), world.get::<Secret>("database").await.unwrap())]);
    let databases = known_databases(&platform, &secrets).map_err(|obstacle| obstacle.message).unwrap();
    let children = build::children(&platform, &Dereferenced { databases, kafka_checksum: None });
    let of = |children: &[Child], services: &[&str]| -> Vec<Child> {
        children.iter().filter(|child| services.contains(&child.service.as_str())).cloned().collect()
    };
    [
        of(&children.foundations, &["cook"]),
        of(&children.migrations, &["delivery"]),
        of(&children.workloads, &["order"]),
        of(&children.workloads, &["gateway"]).into_iter().filter(|child| child.kind() != "Deployment").collect(),
    ]
    .concat()
    .into_iter()
    .map(|child| (child.kind().to_owned(), child))
    .collect()
}

/// Somebody else's objects of these kinds, under the names that the platform wants them to have.
async fn are_left_alone(kinds: &[String]) {
    let world = World::start("foreign").await;
    let children = children(&world).await;
    let api =
        |child: &Child| Api::<DynamicObject>::namespaced_with(world.client.clone(), &world.namespace, &child.resource);
    let mut theirs = Vec::new();
    for kind in kinds {
        let child = &children[kind];
        let mut object = child.object.clone();
        object.metadata = ObjectMeta { name: Some(child.name()), ..ObjectMeta::default() };
        // Without pods, which would look like the platform's.
        match kind.as_str() {
            "Deployment" => object.data["spec"]["replicas"] = json!(0),
            "Job" => {
                object.data["spec"]["suspend"] = json!(true);
                // A Job without labels gets those of its pods.
                object.data["spec"]["template"]["metadata"] = json!({ "labels": { "somebody": "else" } });
            }
            _ => {}
        }
        let made = eventually(&format!("somebody's {kind}"), || async {
            match api(child).patch(&child.name(), &PatchParams::apply("somebody"), &Patch::Apply(&object)).await {
                Ok(made) => Some(made),
                // A kind that has just come.
                Err(kube::Error::Api(answer)) if answer.code == 404 => None,
                Err(error) => panic!("somebody's {kind}: {error}"),
            }
        })
        .await;
        theirs.push((child, made));
    }
    world.shop(everything()).await;
    let told = |(child, _): &(&Child, DynamicObject)| {
        let (kind, name) = (child.kind(), child.name());
        format!("{kind} {}/{name} belongs to somebody else and is left alone", world.namespace)
    };
    let shop = world
        .shop_when("in conflict about all of them", |shop| {
            is(shop, READY, "False", "NameConflict")
                && theirs.iter().all(|one| message(shop, READY).contains(&told(one)))
        })
        .await;
    assert!(is(&shop, STALLED, "True", "NameConflict"));
    for (child, made) in &theirs {
        let live = api(child).get(&child.name()).await.unwrap();
        let named = format!("{} {}", child.kind(), child.name());
        assert_eq!((live.uid(), live.metadata.deletion_timestamp.is_none()), (made.uid(), true), "{named}");
        assert_eq!((live.labels(), live.owner_references()), (made.labels(), made.owner_references()), "{named}");
        let ours = |entry: &str| entry.starts_with("foodplatform-operator");
        let managers = live.managed_fields().iter().filter_map(|entry| entry.manager.as_deref());
        assert_eq!(managers.filter(|manager| ours(manager)).count(), 0, "{named}: {:?}", live.managed_fields());
    }
    world.end().await;
}

#[tokio::test]
async fn objects_of_every_kind_that_are_somebody_else_s_are_left_alone() {
    /// So many are told of in one message.
    const AT_ONCE: usize = 6;
    let _alone = HTTP_ROUTES.lock().await;
    let world = World::unattended("every-kind").await;
    ways_in::install_destination_rules(&world.client).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let routes = ways_in::definition("gateway.networking.k8s.io", "httproutes", "HTTPRoute");
    definitions.create(&PostParams::default(), &routes).await.unwrap();
    for kind in build::optional_kinds() {
        ways_in::served(&world.client, &kind).await;
    }

    let kinds: Vec<_> = children(&world).await.into_keys().collect();
    let mut all: Vec<_> = build::kinds().into_iter().chain(build::optional_kinds()).map(|kind| kind.kind).collect();
    all.sort();
    assert_eq!(kinds, all);
    join_all(kinds.chunks(AT_ONCE).map(are_left_alone)).await;
    definitions.delete(&routes.name_any(), &DeleteParams::default()).await.unwrap();
    world.end().await;
}
