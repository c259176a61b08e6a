//! Each field at its bounds: the definition takes it, and so does the API server the children that are built of it, which
//! it keeps as they are.
//! Nothing is written: all of it are dry runs.

use std::collections::BTreeMap;

use foodplatform_operator::{
    api::FoodPlatform,
    build::{self, ApplyMode, Child, Dereferenced, FIELD_MANAGER, Platform},
    controller::decisions::{difference, known_databases},
};
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams},
};
use serde_json::json;

use super::{schema, values};
use crate::world::World;

fn children(platform: &FoodPlatform, dereferenced: &Dereferenced) -> Vec<Child> {
    build::children(&Platform::new(platform).unwrap(), dereferenced).iter().cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_and_its_children_are_taken_at_its_bounds() {
    let world = World::start("at-bounds").await;
    world.shop(json!({})).await;
    let shop = world.ready().await;
    let secret = world.get::<Secret>("database").await.unwrap();
    let secrets = BTreeMap::from([("database".to_owned(), secret)]);
    let databases = known_databases(&Platform::new(&shop).unwrap(), &secrets).map_err(|obstacle| obstacle.message);
    let dereferenced = Dereferenced { databases: databases.unwrap(), kafka_checksum: None };
    let usual = children(&shop, &dereferenced);

    let leaves = schema::leaves(&schema::spec());
    let good = values::good();
    let mut cases = Vec::new();
    for leaf in leaves.iter().filter(|leaf| !values::is_elsewhere(&leaf.path)) {
        let patch = good.iter().find(|patch| schema::set_by(patch, &leaves).contains(&leaf.path)).unwrap();
        cases.extend(leaf.bounds().into_iter().map(|value| (&leaf.path, schema::with(patch, &leaf.path, &value))));
    }
    assert!(cases.len() > 90, "{}", cases.len());
    let refused = stream::iter(&cases).map(async |(path, patch)| {
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        let changed = world.api::<FoodPlatform>().patch("shop", &dry, &Patch::Merge(json!({ "spec": patch }))).await;
        let changed = match changed {
            Ok(changed) => changed,
            Err(error) => return Some(format!("{path} at a bound: {error}")),
        };
        let others = children(&changed, &dereferenced).into_iter().filter(|child| !usual.contains(child));
        for mut child in others {
            if child.mode == ApplyMode::CreateOnce {
                // Not over the one that is there, which is never changed.
                child.object.metadata.name = Some("another".to_owned());
            }
            let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &child.resource);
            let parameters = PatchParams::apply(FIELD_MANAGER).force().dry_run();
            let told = format!("{path} at a bound makes {} {}", child.kind(), child.name());
            match api.patch(&child.name(), &parameters, &Patch::Apply(&child.object)).await {
                Err(error) => return Some(format!("{told}: {error}")),
                // It would be written for ever in another form than it is kept in.
                Ok(written) => {
                    if let Some(difference) = difference(&child.object, &written, FIELD_MANAGER) {
                        return Some(format!("{told}: {difference:?}"));
                    }
                }
            }
        }
        None
    });
    let refused: Vec<_> = refused.buffer_unordered(8).filter_map(|refused| async { refused }).collect().await;
    assert!(refused.is_empty(), "{refused:#?}");
    world.end().await;
}
