//! What the documentation tells people to apply: the API server takes it, as it stands in the pages.

use std::{env, process::Command};

use foodplatform_operator::{api::FoodPlatform, build::Platform};
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, ValidationDirective},
    core::{ApiResource, GroupVersionKind, TypeMeta},
};
use serde_json::{Value, json};

use crate::world::{World, shop};

/// Kinds without a namespace, as far as the pages have them.
const OF_THE_CLUSTER: [&str; 2] = ["Namespace", "StorageClass"];

/// Asks the API server what it would do, as strictly as kubectl does.
async fn dry_run(world: &World, object: &Value) -> Result<(), kube::Error> {
    let types: TypeMeta = serde_json::from_value(object.clone()).expect("apiVersion and kind");
    let kind = ApiResource::from_gvk(&GroupVersionKind::try_from(types).expect("a kind"));
    let api: Api<DynamicObject> = if OF_THE_CLUSTER.contains(&kind.kind.as_str()) {
        Api::all_with(world.client.clone(), &kind)
    } else {
        Api::namespaced_with(world.client.clone(), &world.namespace, &kind)
    };
    let mut parameters = PatchParams::apply("documentation").force().dry_run();
    parameters.field_validation = Some(ValidationDirective::Strict);
    let name = object["metadata"]["name"].as_str().expect("metadata.name");
    api.patch(name, &parameters, &Patch::Apply(object)).await.map(drop)
}

/// An object of the pages, which mostly is in a namespace that isn't there; or a part of a platform's spec, in a platform.
fn object(world: &World, document: Value) -> Value {
    if document["kind"].is_null() {
        return shop(document);
    }
    let mut object = document;
    if object["metadata"]["namespace"].is_string() {
        object["metadata"]["namespace"] = json!(world.namespace);
    }
    object
}

#[tokio::test]
async fn the_api_server_takes_what_the_pages_say() {
    let world = World::unattended("pages").await;
    let mut platforms = 0;
    for page in book::pages().unwrap() {
        for block in page.blocks().into_iter().filter(|block| block.language() == "yaml") {
            let place = format!("{}:{}", page.path, block.line);
            let documents: Vec<Value> =
                serde_saphyr::from_multiple(&block.code).unwrap_or_else(|error| panic!("{place}: {error}"));
            for document in documents {
                let mut object = object(&world, document);
                dry_run(&world, &object).await.unwrap_or_else(|error| panic!("{place}: {error}"));
                if object["kind"] == "FoodPlatform" {
                    object["metadata"]["uid"] = json!("1");
                    object["metadata"]["namespace"] = json!(world.namespace);
                    let platform: FoodPlatform = serde_json::from_value(object).unwrap();
                    Platform::new(&platform).unwrap_or_else(|error| panic!("{place}: {error}"));
                    platforms += 1;
                }
            }
        }
    }
    assert!(platforms > 8, "{platforms}");
    world.end().await;
}

/// Helm's flags are checked against the chart's schema of its values, which takes no unknown ones.
#[tokio::test]
async fn the_chart_takes_the_settings_that_the_pages_name() {
    let world = World::unattended("charts").await;
    let version = world.client.apiserver_version().await.unwrap().git_version;
    let mut rendered = 0;
    for page in book::pages().unwrap() {
        for block in page.blocks().iter().filter(|block| ["console", "sh"].contains(&block.language())) {
            for command in block.commands() {
                let Some(flags) = command.strip_prefix("helm upgrade --install ") else { continue };
                // A shell takes the quotation marks away, as people's shells do.
                let line =
                    format!("\"$HELM\" template {} --kube-version {version}", flags.replace("--create-namespace", ""));
                let output = Command::new("bash")
                    .args(["-c", &line])
                    .env("HELM", env::var_os("TEST_HELM").expect("TEST_HELM names Helm"))
                    .current_dir(book::repository())
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{}:{}: {command}: {said}", page.path, block.line);
                rendered += 1;
            }
        }
    }
    assert!(rendered > 2, "{rendered}");
    world.end().await;
}
