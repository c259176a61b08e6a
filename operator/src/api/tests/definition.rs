//! The definition as a whole, and what is generated from it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{SAID, complaints, fields, syntax, transitions};
use crate::{
    api::{FoodPlatform, crd, crd_yaml, reference},
    build::Platform,
};

#[test]
fn every_string_list_and_map_has_a_bound_and_every_field_a_description() {
    fn walk(path: &str, schema: &Value) {
        let bounded = |bound: &str| assert!(schema[bound].is_u64(), "{path} has no {bound}");
        assert!(
            path.ends_with("[]") || path.ends_with("{}") || schema["description"].is_string(),
            "{path}: no description"
        );
        match schema["type"].as_str() {
            Some("string") if schema["enum"].is_null() && schema["format"].is_null() => bounded("maxLength"),
            Some("array") => {
                bounded("maxItems");
                walk(&format!("{path}[]"), &schema["items"]);
            }
            // A part of a pod, which Kubernetes checks.
            Some("object") if schema["x-kubernetes-preserve-unknown-fields"] == true => bounded("maxProperties"),
            Some("object") if schema["additionalProperties"].is_object() => {
                bounded("maxProperties");
                walk(&format!("{path}{{}}"), &schema["additionalProperties"]);
            }
            Some("object") => {
                for (name, property) in schema["properties"].as_object().unwrap() {
                    walk(&format!("{path}.{name}"), property);
                }
            }
            Some("string" | "integer" | "boolean") => {}
            other => panic!("{path}: type {other:?}"),
        }
    }
    let crd = serde_json::to_value(crd().unwrap()).unwrap();
    walk("", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
}

#[test]
fn every_rule_says_what_is_wrong_and_is_tested() {
    fn walk(value: &Value, messages: &mut BTreeSet<String>) {
        for rule in value["x-kubernetes-validations"].as_array().into_iter().flatten() {
            let message = rule["message"].as_str().unwrap_or_else(|| panic!("no message: {rule}"));
            messages.insert(message.to_owned());
        }
        match value {
            Value::Object(fields) => fields.values().for_each(|field| walk(field, messages)),
            Value::Array(items) => items.iter().for_each(|item| walk(item, messages)),
            _ => {}
        }
    }
    let mut messages = BTreeSet::new();
    walk(&serde_json::to_value(crd().unwrap()).unwrap(), &mut messages);
    assert!(messages.len() > 60, "{}", messages.len());
    SAID.take();
    for test in [fields::TESTS, syntax::TESTS, transitions::TESTS].concat() {
        test();
    }
    let said = SAID.take();
    let unheard: Vec<_> = messages.difference(&said).collect();
    assert!(unheard.is_empty(), "no test provokes {unheard:#?}");
}

#[test]
fn the_committed_definition_is_that_of_the_code() {
    let (definition, page) = (crd_yaml().unwrap(), reference().unwrap());
    for (path, generated) in [
        ("crds/foodplatforms.yaml", &definition),
        ("charts/foodplatform-operator/files/foodplatforms.yaml", &definition),
        ("docs/src/reference.md", &page),
    ] {
        let full = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(full).unwrap_or_default();
        assert!(committed == *generated, "{path} differs from the code: run `cargo xtask crds`");
    }
}

/// The examples are taken by the rules, decode into our types without anything left over, and can be built.
#[test]
fn the_examples_are_platforms() {
    let mut platforms = vec![];
    for path in files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples"))) {
        let text = std::fs::read_to_string(&path).unwrap();
        for mut example in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            if example["kind"] != "FoodPlatform" {
                continue;
            }
            assert_eq!(complaints(&example, None), Vec::<String>::new(), "{}", path.display());
            let mut decoded: FoodPlatform = serde_json::from_value(example.clone()).unwrap();
            example["metadata"] = serde_json::to_value(&decoded.metadata).unwrap();
            assert_eq!(serde_json::to_value(&decoded).unwrap(), example);
            decoded.metadata.uid = Some("1".to_owned());
            Platform::new(&decoded).unwrap();
            platforms.push(decoded.metadata.name.unwrap_or_default());
        }
    }
    platforms.sort();
    let expected = ["autoscaling", "circuit-breaker", "efs-logs", "istio", "minimal", "noodles", "noodles", "pizza"];
    assert_eq!(platforms, [&expected[..], &["quickstart", "shop", "shop", "strimzi"]].concat());
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn the_yaml_says_what_the_definition_says() {
    let read: Value = serde_saphyr::from_str(&crd_yaml().unwrap()).unwrap();
    let read: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition =
        serde_json::from_value(read).unwrap();
    assert_eq!(read, crd().unwrap());
}
