//! A walk over the fields of the spec, as Acto does it ([Gu et al., SOSP 2023](https://doi.org/10.1145/3600006.3613161)):
//! from one state to another and back, with values that are good, refused, or futile.

mod bounds;
pub(crate) mod schema;
mod values;

use std::collections::BTreeMap;

use foodplatform_operator::{
    api::{FoodPlatform, FoodPlatformSpec, condition::READY},
    build::{self, Dereferenced, FIELD_MANAGER, Platform},
    controller::decisions::{difference, is_surplus, known_databases},
};
use futures::{StreamExt as _, future::join_all, stream};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::{
    Api, ResourceExt as _,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    kubelet::Fate,
    state::{self, State},
    ways_in,
    world::{World, client, database_url as url, eventually, is, message, shop},
};

/// Namespaces side by side.
const WORLDS: usize = 9;

/// The platform as it is once everything is as its spec says, and stays so.
async fn settled(world: &World) -> State {
    world.ready().await;
    eventually("the children as they are built", || async {
        let shop = world.ready().await;
        matches(world, &shop).await.ok()
    })
    .await;
    let mut state = state::settled(world).await;
    // They only grow, and the condition says so.
    state.retain(|name, _| !name.starts_with("topic ") && !name.starts_with("FoodPlatform "));
    state
}

/// Whether each child is as it is built, and there are no others.
async fn matches(world: &World, shop: &FoodPlatform) -> Result<(), String> {
    let platform = Platform::new(shop).map_err(|error| error.to_string())?;
    let mut secrets = BTreeMap::new();
    for name in shop.spec.secrets() {
        secrets.extend(world.get::<Secret>(name).await.map(|secret| (name.to_owned(), secret)));
    }
    let databases = known_databases(&platform, &secrets).map_err(|obstacle| obstacle.message)?;
    let children = build::children(&platform, &Dereferenced { databases, kafka_checksum: None });
    for child in children.iter() {
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &child.resource);
        let live = api.get_opt(&child.name()).await.unwrap();
        let live = live.ok_or_else(|| format!("no {} {}", child.kind(), child.name()))?;
        // What is made once is never brought up to date.
        if child.kind() != "Job"
            && let Some(difference) = difference(&child.object, &live, FIELD_MANAGER)
        {
            return Err(format!("{} {}: {difference:?}", child.kind(), child.name()));
        }
    }
    for kind in build::kinds().into_iter().chain(build::optional_kinds()) {
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
        let list = match api.list(&ListParams::default()).await {
            // Nothing is of a kind that the cluster doesn't have.
            Err(kube::Error::Api(answer)) if answer.code == 404 => continue,
            list => list.unwrap(),
        };
        for live in list {
            if is_surplus(&platform, &children, &kind.kind, &live) {
                return Err(format!("{} {} is nobody's", kind.kind, live.name_any()));
            }
        }
    }
    Ok(())
}

/// Puts a spec in the place of the one that is there.
async fn replace(world: &World, spec: &FoodPlatformSpec) {
    eventually("the spec to be replaced", || async {
        let mut object = world.get::<FoodPlatform>("shop").await.unwrap();
        object.spec = spec.clone();
        object.metadata.managed_fields = None;
        // Somebody may have written the status meanwhile.
        world.api::<FoodPlatform>().replace("shop", &PostParams::default(), &object).await.ok()
    })
    .await;
}

/// A namespace with a platform that is ready, the Secret that some values name, and a neighbour.
async fn start() -> World {
    ways_in::install_destination_rules(&client().await).await;
    let world = World::start("walk").await;
    let other: Value =
        json!({ "metadata": { "name": "other-database" }, "stringData": { "other": url(), "authority": "-" } });
    world.create::<Secret>(other).await;
    let mut neighbour = shop(json!({}));
    neighbour["metadata"]["name"] = json!("neighbour");
    world.create::<FoodPlatform>(neighbour).await;
    world.shop(json!({})).await;
    world.ready().await;
    eventually("the neighbour to be ready", || async {
        world.get::<FoodPlatform>("neighbour").await.filter(|neighbour| is(neighbour, "Ready", "True", "Ready"))
    })
    .await;
    world
}

/// Versions of everything of the neighbour.
async fn neighbour(world: &World) -> Vec<(String, Option<String>)> {
    let mut all = vec![("itself".to_owned(), world.get::<FoodPlatform>("neighbour").await.unwrap().resource_version())];
    let ours = ListParams::default().labels("app.kubernetes.io/instance=neighbour");
    for kind in build::kinds() {
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
        let list = api.list(&ours).await.unwrap();
        all.extend(list.iter().map(|live| (format!("{} {}", kind.kind, live.name_any()), live.resource_version())));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_again() {
    let all = values::good();
    let walks = (0..WORLDS).map(|first| all.iter().skip(first).step_by(WORLDS)).map(|patches| async move {
        let world = start().await;
        let spec = world.get::<FoodPlatform>("shop").await.unwrap().spec;
        let (before, other) = (settled(&world).await, neighbour(&world).await);
        assert!(other.len() > 20, "{other:?}");
        for patch in patches {
            world.patch::<FoodPlatform>("shop", json!({ "spec": patch })).await;
            settled(&world).await;
            replace(&world, &spec).await;
            let after = settled(&world).await;
            assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{patch}");
            for (name, object) in &after {
                assert_eq!(Some(object), before.get(name), "{patch}: {name}");
            }
        }
        assert_eq!(neighbour(&world).await, other);
        world.end().await;
    });
    join_all(walks).await;
}

#[test]
fn every_field_is_on_the_way() {
    let leaves = schema::leaves(&schema::spec());
    let set: Vec<_> = values::good().iter().flat_map(|patch| schema::set_by(patch, &leaves)).collect();
    let missing: Vec<_> = leaves
        .iter()
        .map(|leaf| &leaf.path)
        .filter(|path| !set.contains(path) && !values::is_elsewhere(path))
        .collect();
    assert!(missing.is_empty(), "no values in walk/values.rs for {missing:#?}");
    for (prefix, _) in values::ELSEWHERE {
        assert!(leaves.iter().any(|leaf| leaf.path.starts_with(prefix)), "there is no {prefix}");
    }
}

#[tokio::test]
async fn every_field_has_values_that_are_refused() {
    let world = World::start("bounds").await;
    world.shop(json!({})).await;
    let before = world.ready().await;
    let spec = schema::spec();
    let patches: Vec<_> = schema::leaves(&spec)
        .into_iter()
        .flat_map(|leaf| leaf.bad_patches(&spec).into_iter().map(move |patch| (leaf.path.clone(), patch)))
        .collect();
    assert!(patches.len() > 150, "{}", patches.len());
    let resource = kube::core::ApiResource::erase::<FoodPlatform>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
    let taken = stream::iter(&patches).map(|(path, patch)| {
        let api = &api;
        async move {
            let patch = Patch::Merge(json!({ "spec": patch }));
            match api.patch("shop", &PatchParams::default(), &patch).await {
                Ok(_) => Some(format!("{path} was taken: {patch:?}")),
                Err(error) => {
                    let name = path.replace("[]", "[0]");
                    (!error.to_string().contains(&name)).then(|| format!("{path} is not named: {error}"))
                }
            }
        }
    });
    let taken: Vec<_> = taken.buffer_unordered(8).filter_map(|found| async { found }).collect().await;
    assert!(taken.is_empty(), "{taken:#?}");
    assert_eq!(world.ready().await.metadata.generation, before.metadata.generation);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_spec_after_a_futile_one_is_brought_about() {
    let walks = values::futile().into_iter().map(|(patch, reason)| async move {
        let world = start().await;
        world.pods(Fate::NoImage(values::MISSING));
        let spec = world.get::<FoodPlatform>("shop").await.unwrap().spec;
        let (before, other) = (settled(&world).await, neighbour(&world).await);
        let squatter = json!({
            "metadata": { "name": "squatter" },
            "spec": { "type": "NodePort", "ports": [{ "port": 80, "nodePort": values::TAKEN }] },
        });
        if reason == "ApplyFailed" {
            world.create::<Service>(squatter).await;
        }
        world.patch::<FoodPlatform>("shop", json!({ "spec": patch })).await;
        let shop = world.shop_when(reason, |shop| is(shop, READY, "False", reason)).await;
        assert!(!message(&shop, READY).is_empty());
        replace(&world, &spec).await;
        let after = settled(&world).await;
        assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{patch}");
        for (name, object) in &after {
            assert_eq!(Some(object), before.get(name), "{patch}: {name}");
        }
        assert_eq!(neighbour(&world).await, other, "{patch}");
        world.end().await;
    });
    join_all(walks).await;
}
