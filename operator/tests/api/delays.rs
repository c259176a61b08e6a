//! Whatever is told late, the cluster ends in the same state as when nothing is.

use foodplatform_operator::build;
use futures::future::join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    disturbed::undisturbed,
    interference::Plan,
    life::{Life, live},
    ways_in::{HTTP_ROUTES, definition},
    world::{self, eventually},
};

/// What is watched besides children.
const OTHERS: [&str; 3] = ["foodplatforms", "pods", "secrets"];

/// News of each of the resources come late, in a life for each, in each of its stages.
async fn delay(resources: impl IntoIterator<Item = String>, over: &Value, calm: &Life) {
    let lives = resources.into_iter().map(|resource| async move {
        let late = live(&Plan::Delay { resource: resource.clone() }, over, Some(calm)).await.late;
        assert!(late >= 3, "{resource} was told of late {late} times only");
    });
    join_all(lives).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_news_of_each_kind_may_come_late() {
    let kinds = build::kinds().into_iter().map(|kind| kind.plural).chain(OTHERS.map(str::to_owned));
    delay(kinds, &json!({}), undisturbed().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_news_of_kinds_that_few_clusters_have_may_come_late() {
    let _alone = HTTP_ROUTES.lock().await;
    let client = world::client().await;
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let kinds = build::optional_kinds();
    for kind in &kinds {
        let definition = definition(&kind.group, &kind.plural, &kind.kind);
        definitions.create(&PostParams::default(), &definition).await.unwrap();
        let served: Api<DynamicObject> = Api::all_with(client.clone(), kind);
        eventually("the kind", || async { served.list(&ListParams::default()).await.ok() }).await;
    }
    let route = json!({ "parentRefs": [{ "name": "web" }], "hostnames": ["a.example"] });
    let over = json!({ "mesh": "Istio", "gateway": { "httpRoute": route } });
    let calm = live(&Plan::Nothing, &over, None).await;
    for resource in ["httproutes", "destinationrules"] {
        assert!(calm.calls.iter().any(|call| call.is_write() && call.is_to(resource)), "{resource}");
    }
    delay(kinds.iter().map(|kind| kind.plural.clone()), &over, &calm).await;
    for kind in &kinds {
        definitions.delete(&format!("{}.{}", kind.plural, kind.group), &DeleteParams::default()).await.unwrap();
    }
}
