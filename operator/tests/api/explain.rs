//! `kubectl explain`, as people read the definition.

use std::{ffi::OsString, process::Command};

use serde_json::Value;

use crate::{
    walk::schema,
    world::{World, eventually},
};

/// What kubectl says of a path such as `foodplatform.spec`; none while the API server doesn't tell of it yet.
async fn explain(path: &str) -> Option<String> {
    let variable = |name: &str| -> OsString { std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set")) };
    let cache = tempfile::tempdir().unwrap();
    let mut kubectl = Command::new(variable("TEST_KUBECTL"));
    kubectl.args(["explain", path]).arg("--kubeconfig").arg(variable("TEST_KUBECONFIG"));
    kubectl.arg("--cache-dir").arg(cache.path());
    let output = tokio::task::spawn_blocking(move || kubectl.output().unwrap()).await.unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// Its words, however its lines are broken.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_field_is_explained() {
    let world = World::unattended("explain").await;
    let spec = schema::spec();
    for (path, pointer) in
        [("foodplatform.spec", ""), ("fp.spec.services.order.circuitBreaker", "services.order.circuitBreaker")]
    {
        let told = eventually("kubectl to know the definition", || explain(path)).await;
        assert!(!told.contains("<no description>"), "{told}");
        let mut object: &Value = &spec;
        for name in pointer.split('.').filter(|name| !name.is_empty()) {
            object = &object["properties"][name];
        }
        let said = words(&told);
        for (name, field) in object["properties"].as_object().unwrap() {
            let description = words(field["description"].as_str().unwrap());
            assert!(told.lines().any(|line| line.starts_with(&format!("  {name}\t<"))), "{name} in {told}");
            assert!(said.contains(&description), "{name}: {description} in {told}");
        }
    }
    world.end().await;
}
