//! Installing the operator and the example platform on a cluster.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use local::{Images, Progress, repository, run};
use serde_json::{Value, json};

use crate::target::Target;

/// Where the operator runs.
const OPERATOR_NAMESPACE: &str = "foodplatform-system";
const RELEASE: &str = "foodplatform-operator";

/// Where the example runs, and its name: as in `examples/quickstart.yaml`.
pub(crate) const NAMESPACE: &str = "food";
pub(crate) const NAME: &str = "quickstart";
const DATABASE_SECRET: &str = "foodplatform-database";
/// The database of `examples/dependencies.yaml`.
pub(crate) const EXAMPLE_DATABASE: &str =
    "postgres://foodplatform:foodplatform@postgresql.foodplatform-dependencies.svc.cluster.local:5432/foodplatform";

/// Installs or upgrades the operator with its chart, when its image or the chart has changed.
pub(crate) fn install_operator(target: &Target, images: &Images, progress: &Progress) -> Result<()> {
    let step = progress.step("install the operator");
    let chart = repository().join("charts").join(RELEASE);
    let description = format!("{}/operator:{} chart {}", images.registry, images.operator_tag, fingerprint(&chart)?);
    let status = run(&mut target.helm(&["status", RELEASE, "--namespace", OPERATOR_NAMESPACE, "--output", "json"]));
    let status: Value = status.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    if status["info"]["status"] == "deployed" && status["info"]["description"] == description.as_str() {
        step.done("unchanged");
        return Ok(());
    }
    // What an interrupted run has left would stop Helm for ever: "another operation is in progress".
    let interrupted = format!("owner=helm,name={RELEASE},status in (pending-install,pending-upgrade,pending-rollback)");
    run(&mut target.kubectl(&["delete", "secret", "--namespace", OPERATOR_NAMESPACE, "--selector", &interrupted]))?;
    run(target
        .helm(&["upgrade", RELEASE, "--install", "--namespace", OPERATOR_NAMESPACE, "--create-namespace"])
        .args(["--set", &format!("image.repository={}/operator", images.registry)])
        .args(["--set-string", &format!("image.tag={}", images.operator_tag)])
        .args(["--description", &description])
        .arg(&chart))?;
    // Until then the API server does not know the kind that is applied next.
    let crd = "customresourcedefinition/foodplatforms.foodplatform.dev";
    run(&mut target.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", crd]))?;
    step.done(&images.operator_tag);
    Ok(())
}

/// Puts the database's URL where the example looks for it.
pub(crate) fn create_secret(target: &Target, url: &str) -> Result<()> {
    create_namespace(target)?;
    target.apply(&json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": DATABASE_SECRET, "namespace": NAMESPACE},
        "stringData": {"url": url},
    }))
}

/// Whether someone has already said where the example's database is.
pub(crate) fn has_secret(target: &Target) -> Result<bool> {
    let query = ["get", "secret", DATABASE_SECRET, "--namespace", NAMESPACE, "--ignore-not-found", "--output", "name"];
    Ok(!run(&mut target.kubectl(&query))?.trim().is_empty())
}

fn create_namespace(target: &Target) -> Result<()> {
    target.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
}

/// Which volumes the example's log claims ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogClaims {
    /// As the example has it: shared by the pods of all nodes.
    AsWritten,
    /// Shared by the pods of one node: what the default class of a one-node cluster such as kind has.
    OneNode,
}

/// Which log claims a cluster that is not ours can be expected to serve.
pub(crate) fn log_claims(target: &Target) -> Result<LogClaims> {
    let nodes = run(&mut target.kubectl(&["get", "nodes", "--output", "name"]))?;
    Ok(if nodes.lines().count() == 1 { LogClaims::OneNode } else { LogClaims::AsWritten })
}

/// Applies `examples/quickstart.yaml` with the images that were just built. Returns whether it was not there
/// and ready with exactly this spec before.
pub(crate) fn apply_quickstart(
    target: &Target,
    images: &Images,
    claims: LogClaims,
    progress: &Progress,
) -> Result<bool> {
    let step = progress.step("apply examples/quickstart");
    let path = repository().join("examples/quickstart.yaml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(&text).with_context(|| format!("{} is no YAML", path.display()))?;
    create_namespace(target)?;
    let before = state(target);
    for mut document in documents {
        if document["kind"] == "FoodPlatform" {
            document["spec"]["image"]["registry"] = json!(images.registry);
            document["spec"]["image"]["tag"] = json!(images.services_tag);
            if claims == LogClaims::OneNode {
                document["spec"]["logs"]["volume"]["accessModes"] = json!(["ReadWriteOnce"]);
            }
        }
        target.apply(&document)?;
    }
    let changed = before != state(target) || !before.ends_with(" True");
    let claims = if claims == LogClaims::OneNode { ", log claims ReadWriteOnce: it has one node" } else { "" };
    step.done(&format!("with image {}/SERVICE:{}{claims}", images.registry, images.services_tag));
    Ok(changed)
}

/// The example's generation, which the API server raises with every change of its spec, and whether it is ready. Empty when it
/// is not there.
fn state(target: &Target) -> String {
    let ready = r#"jsonpath={.metadata.generation} {.status.conditions[?(@.type=="Ready")].status}"#;
    let query = ["get", "foodplatform", NAME, "--namespace", NAMESPACE, "--output", ready];
    run(&mut target.kubectl(&query)).unwrap_or_default()
}

/// What identifies the contents of a directory.
fn fingerprint(directory: &Path) -> Result<String> {
    let mut files = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("cannot list {}", directory.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.insert(path.clone(), fs::read(&path)?);
            }
        }
    }
    let name = files.iter().flat_map(|(path, bytes)| [path.as_os_str().as_encoded_bytes(), bytes.as_slice()]);
    let joined: Vec<u8> = name.flatten().copied().collect();
    Ok(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, &joined).simple().to_string())
}
