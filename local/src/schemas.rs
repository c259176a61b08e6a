//! The schemas of Kubernetes' kinds, release by release, as kubeconform reads them.
//!
//! They are made from the OpenAPI documents in Kubernetes' own module, and those of the Prometheus Operator's kinds from its
//! definitions: the collection that kubeconform fetches by itself is in no package registry.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, anyhow};
use serde_json::{Map, Value, json};

use crate::{Cache, Progress, cache::checksum, exec};

/// A patch release of each minor one that the charts are for.
const RELEASES: [&str; 5] = ["1.33.13", "1.34.4", "1.35.4", "1.36.3", "1.37.2"];
const KUBERNETES: &str = "k8s.io/kubernetes";
const PROMETHEUS_OPERATOR: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";
/// Of its kinds, those that the charts have.
const MONITORING: [&str; 2] = ["podmonitors", "prometheusrules"];

/// Changes with what is made of the documents, which the cache can't see.
const FORMAT: &str = "1";
const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
const DEFINITIONS: &str = "definitions.json";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// A directory for kubeconform's `-schema-location`.
#[derive(Debug, Clone)]
pub struct Schemas {
    directory: PathBuf,
}

impl Schemas {
    /// Makes what the cache does not hold.
    ///
    /// # Errors
    /// When a module can't be fetched, with Go's own words, or isn't as it is expected to be.
    pub fn make(cache: &Cache, progress: &Progress) -> Result<Self> {
        let key = checksum(&[], &[&[FORMAT, PROMETHEUS_OPERATOR][..], &RELEASES].concat())?;
        let directory = cache.entry("schemas", &key, |directory| {
            let step = progress.step("make the schemas of Kubernetes");
            // Of 100 MB one file is of interest: nothing of it stays.
            let modules = tempfile::tempdir()?;
            let modules = modules.path();
            let monitoring = &monitoring(modules)?;
            thread::scope(|scope| {
                let make = |release| scope.spawn(move || of_release(release, monitoring, modules, directory));
                let made: Vec<_> = RELEASES.into_iter().map(make).collect();
                made.into_iter().try_for_each(|made| made.join().map_err(|_| anyhow!("making schemas panicked"))?)
            })?;
            step.done("");
            Ok(())
        })?;
        Ok(Self { directory })
    }

    /// Of Kubernetes, as kubeconform's `-kubernetes-version` takes them.
    pub fn releases() -> &'static [&'static str] {
        &RELEASES
    }

    /// Where they are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a kind of one's own, by its CustomResourceDefinition, as files in another `directory`.
    ///
    /// # Errors
    /// When it is no such definition, or the files can't be written.
    pub fn add(&self, definition: &Value, directory: &Path) -> Result<()> {
        let [.., newest] = RELEASES;
        let definitions = self.directory.join(subdirectory(newest)).join(DEFINITIONS);
        of_definition(definition, &definitions.to_string_lossy(), directory)
    }
}

/// As kubeconform looks for the schemas of a release, when it is to be strict.
fn subdirectory(release: &str) -> String {
    format!("v{release}-standalone-strict")
}

fn of_release(release: &str, monitoring: &[Value], modules: &Path, directory: &Path) -> Result<()> {
    let module = download(&format!("{KUBERNETES}@v{release}"), modules)?;
    let mut document = read(&module.join("api/openapi-spec/swagger.json"))?;
    let Some(Value::Object(definitions)) = document.get_mut("definitions").map(Value::take) else {
        return Err(anyhow!("the OpenAPI document of Kubernetes {release} has no definitions"));
    };
    let directory = directory.join(subdirectory(release));
    fs::create_dir(&directory)?;
    let mut tidied = Map::new();
    for (name, mut definition) in definitions {
        // Those of many kinds are the bodies of requests.
        if let Some([kind]) = definition["x-kubernetes-group-version-kind"].as_array().map(Vec::as_slice) {
            let file = directory.join(file_name(&kind["kind"], &kind["group"], &kind["version"]));
            let reference = format!("{DEFINITIONS}#/definitions/{name}");
            write(&file, &json!({ "$schema": DRAFT, "$ref": reference }))?;
        }
        match name.as_str() {
            QUANTITY => definition = json!({ "type": ["string", "number"] }),
            _ => close(&mut definition),
        }
        tidied.insert(name, definition);
    }
    write(&directory.join(DEFINITIONS), &json!({ "$schema": DRAFT, "definitions": tidied }))?;
    monitoring.iter().try_for_each(|definition| of_definition(definition, DEFINITIONS, &directory))
}

fn of_definition(definition: &Value, definitions: &str, directory: &Path) -> Result<()> {
    let spec = &definition["spec"];
    for version in spec["versions"].as_array().context("a CustomResourceDefinition has no versions")? {
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        close(&mut schema);
        schema["$schema"] = json!(DRAFT);
        schema["properties"]["apiVersion"] = json!({ "type": "string" });
        schema["properties"]["kind"] = json!({ "type": "string" });
        schema["properties"]["metadata"] = json!({ "$ref": format!("{definitions}#/definitions/{OBJECT_META}") });
        write(&directory.join(file_name(&spec["names"]["kind"], &spec["group"], &version["name"])), &schema)?;
    }
    Ok(())
}

/// As kubeconform looks for a kind.
fn file_name(kind: &Value, group: &Value, version: &Value) -> String {
    let [kind, group, version] = [kind, group, version].map(|part| part.as_str().unwrap_or_default().to_lowercase());
    match group.split('.').next().filter(|group| !group.is_empty()) {
        Some(group) => format!("{kind}-{group}-{version}.json"),
        None => format!("{kind}-{version}.json"),
    }
}

/// Turns OpenAPI's dialect into that of JSON schema, and lets objects have no fields but those that they name, as the API server
/// has it for `kubectl apply`.
fn close(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    let is_open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if schema.get("format").and_then(Value::as_str) == Some("int-or-string") {
        schema.insert("type".to_owned(), json!(["integer", "string"]));
    }
    schema.retain(|key, _| {
        !key.starts_with("x-kubernetes-") && !["default", "description", "format"].contains(&key.as_str())
    });
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(close);
        if !is_open && !schema.contains_key("additionalProperties") {
            schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            close(inner);
        }
    }
}

fn monitoring(modules: &Path) -> Result<Vec<Value>> {
    let module = download(PROMETHEUS_OPERATOR, modules)?;
    let file = |kind: &&str| module.join("jsonnet/prometheus-operator").join(format!("{kind}-crd.json"));
    MONITORING.iter().map(|kind| read(&file(kind))).collect()
}

/// Fetches a module, `PATH@VERSION`, into a directory of modules, and returns where it is.
fn download(module: &str, modules: &Path) -> Result<PathBuf> {
    let mut go = Command::new("go");
    go.args(["mod", "download", "-json", module]).current_dir(modules);
    go.env("GOMODCACHE", modules.join("cache")).env("GOFLAGS", "-modcacherw");
    let answer: Value = serde_json::from_str(&exec::run(&mut go)?)?;
    let directory = answer["Dir"].as_str();
    Ok(directory.with_context(|| format!("Go does not say where it has put {module}"))?.into())
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}

fn write(path: &Path, schema: &Value) -> Result<()> {
    fs::write(path, serde_json::to_vec(schema)?).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_closed_and_fields_named_like_keywords_stay() {
        let mut schema = json!({
            "type": "object", "description": "An object.",
            "properties": {
                "description": { "type": "string", "description": "Its own." },
                "port": { "type": "string", "format": "int-or-string" },
                "anything": {
                    "type": "object", "properties": { "a": {} }, "x-kubernetes-preserve-unknown-fields": true,
                },
                "labels": { "type": "object", "additionalProperties": { "type": "string", "default": "" } },
            },
        });
        close(&mut schema);
        let expected = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "description": { "type": "string" },
                "port": { "type": ["integer", "string"] },
                "anything": { "type": "object", "properties": { "a": {} } },
                "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            },
        });
        assert_eq!(schema, expected);
    }

    #[test]
    fn files_are_named_as_kubeconform_looks_for_them() {
        let name = |kind: &str, group: &str, version: &str| file_name(&json!(kind), &json!(group), &json!(version));
        assert_eq!(name("ConfigMap", "", "v1"), "configmap-v1.json");
        assert_eq!(name("Role", "rbac.authorization.k8s.io", "v1"), "role-rbac-v1.json");
    }
}
