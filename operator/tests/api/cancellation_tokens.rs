//! The tokens by which cook knows order.

use std::collections::BTreeMap;

use foodplatform_operator::api::condition;
use k8s_openapi::{
    ByteString,
    api::{apps::v1::Deployment, core::v1::Secret},
};
use kube::ResourceExt as _;
use serde_json::json;

use crate::world::{World, eventually, is, message};

const NAME: &str = "shop-cancellation-tokens";

type Tokens = BTreeMap<String, ByteString>;

/// The tokens once they are as `wanted`.
async fn tokens_when(world: &World, what: &str, wanted: impl Fn(&Tokens) -> bool) -> Tokens {
    eventually(what, || async {
        let tokens = world.get::<Secret>(NAME).await?.data?;
        wanted(&tokens).then_some(tokens)
    })
    .await
}

#[tokio::test]
async fn order_and_cook_share_tokens_that_are_changed_in_turn_and_mended() {
    let world = World::start("tokens").await;
    world.shop(json!({})).await;
    let shop = world.ready().await;
    let secret = world.get::<Secret>(NAME).await.unwrap();
    assert_eq!(secret.owner_references()[0].uid, shop.uid().unwrap());
    let first = secret.data.unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["current", "next", "previous"]);
    for (service, items) in [("order", json!(["current"])), ("cook", json!(null)), ("mypage", json!("none"))] {
        let deployment = json!(world.get::<Deployment>(&format!("shop-{service}")).await.unwrap());
        let volumes = deployment["spec"]["template"]["spec"]["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["secret"]["secretName"] == NAME);
        let found = volume.map_or(json!("none"), |volume| match volume["secret"]["items"].as_array() {
            Some(items) => items.iter().map(|item| item["key"].clone()).collect(),
            None => json!(null),
        });
        assert_eq!(found, items, "{service}");
    }

    // A day later.
    let day = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24);
    let old = json!({ "metadata": { "annotations": { "foodplatform.dev/changed-at": day.to_string() } } });
    world.patch::<Secret>(NAME, old).await;
    let second = tokens_when(&world, "the next tokens", |tokens| tokens["current"] == first["next"]).await;
    assert_eq!(second["previous"], first["current"]);
    assert!(!first.values().any(|token| *token == second["next"]), "a fresh one");

    world.patch::<Secret>(NAME, json!({ "data": { "next": null } })).await;
    let third = tokens_when(&world, "whole tokens", |tokens| tokens.len() == 3).await;
    world.patch::<Secret>(NAME, json!({ "metadata": { "ownerReferences": null } })).await;
    let owned = eventually("an owner again", || async {
        world.get::<Secret>(NAME).await.filter(|secret| !secret.owner_references().is_empty())
    });
    assert_eq!(owned.await.data.unwrap(), third, "the same tokens");

    let changed = json!({
        "metadata": {
            "labels": { "app.kubernetes.io/part-of": "somebody", "theirs": "stays" },
            "annotations": { "example.com/owner": "team-a" },
        },
    });
    world.patch::<Secret>(NAME, changed).await;
    let mended = eventually("its label again", || async {
        world.get::<Secret>(NAME).await.filter(|secret| secret.labels()["app.kubernetes.io/part-of"] != "somebody")
    })
    .await;
    assert_eq!(
        (mended.labels()["theirs"].as_str(), mended.annotations()["example.com/owner"].as_str()),
        ("stays", "team-a")
    );
    assert_eq!(mended.data.unwrap(), third, "the same tokens");
    world.delete::<Secret>(NAME).await;
    tokens_when(&world, "tokens again", |tokens| tokens["current"] != third["current"]).await;
    world.ready().await;
    world.end().await;
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone_and_holds_those_who_need_it() {
    let world = World::start("no-tokens").await;
    let theirs = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": NAME }, "stringData": { "current": "theirs" },
    });
    world.create::<Secret>(theirs).await;
    world.shop(json!({})).await;
    let shop = world.shop_when("in conflict", |shop| is(shop, condition::STALLED, "True", "NameConflict")).await;
    assert!(message(&shop, condition::STALLED).contains(&format!("Secret {}/{NAME} belongs to", world.namespace)));
    eventually("the others", || world.get::<Deployment>("shop-delivery")).await;
    assert!(world.get::<Deployment>("shop-cook").await.is_none());
    assert_eq!(world.get::<Secret>(NAME).await.unwrap().data.unwrap().len(), 1);

    world.delete::<Secret>(NAME).await;
    world.ready().await;
    world.end().await;
}
