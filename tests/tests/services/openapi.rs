//! Every service keeps to the OpenAPI document that it serves. Schemathesis makes the requests, good ones and bad ones,
//! from the document, and holds the answers against it.

use std::{path::Path, process::Command};

use serde_json::{Value, json};
use tests::{
    api::{fresh, order_of, text},
    platform::{Platform, Setup, TOKEN},
    process::Service,
    servers,
};

/// What is tested, and what is not and why.
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis.toml");
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis_hooks.py");

#[tokio::test(flavor = "multi_thread")]
async fn what_a_document_says_is_so() {
    let setup = Setup { cooking_time: "manual", delivery_time: "manual", ..Setup::default() };
    let mut platform = Platform::start(setup).await;
    // Something of everything, so that lists are not empty and there is what to act on.
    let menu = platform.api.menu_with_stock(100).await;
    for step in 0..6 {
        let order = platform.api.place_one(&menu, 1).await;
        let page = platform.api.follow(&order, "COOKING").await;
        if step < 3 {
            platform.api.act(&format!("/cooks/{}/complete", text(&page, "cookId"))).await.expect(200);
            platform.api.follow(&order, "DELIVERING").await;
        }
    }
    platform.api.place(&order_of(&menu, 1000), Some(&fresh())).await.expect(201);

    let directory = tempfile::tempdir().expect("a directory");
    let failed: Vec<_> = Service::ALL
        .into_iter()
        .filter(|service| {
            let url = platform.service(*service).url("");
            !tokio::task::block_in_place(|| keeps_to_its_document(*service, &url, directory.path()))
        })
        .collect();
    assert!(failed.is_empty(), "{failed:?} do not keep to their documents");
}

fn keeps_to_its_document(service: Service, url: &str, directory: &Path) -> bool {
    let mut command = Command::new(servers::schemathesis());
    command.args(["--config-file", SETTINGS, "run", &format!("{url}/openapi.json"), "--url", url]);
    command.args(["--header", &format!("Authorization: Bearer {TOKEN}")]);
    let output = command
        .env("SCHEMATHESIS_HOOKS", HOOKS)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(directory)
        .output()
        .expect("Schemathesis starts");
    println!("--- {service}\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_document_is_the_union_of_what_it_routes() {
    let mut platform = Platform::start(Setup::default()).await;
    let mut expected = Vec::new();
    for service in Service::ALL.into_iter().filter(|service| service.has_database()) {
        let document = platform.service(service).get("/openapi.json").await.expect(200);
        assert_eq!(document["info"]["title"], json!(service.name()));
        expected.extend(paths(&document));
    }
    assert!(expected.contains(&"/cancellations".to_owned()), "cook has it");
    expected.retain(|path| path != "/cancellations");
    expected.sort();
    let answer = platform.api.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(paths(&answer.expect(200)), expected);
}

fn paths(document: &Value) -> Vec<String> {
    document["paths"].as_object().expect("paths").keys().cloned().collect()
}
