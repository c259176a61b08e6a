//! The AsyncAPI document: it is what the code says, AsyncAPI takes it, and events as they lie in Kafka are what it promises.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{collections::BTreeSet, fs};

use contract::{CloudEvent, asyncapi};
use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// AsyncAPI's own, `schemas/3.0.0-without-$id.json` of the npm package @asyncapi/specs 6.11.1.
const SCHEMA: &str = include_str!("asyncapi-3.0.0.schema.json");
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/asyncapi.json");
/// A message of each type: headers, an empty line, the value.
const SEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/event");

fn complaints(validator: &Validator, instance: &Value) -> Vec<String> {
    validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// The schema at that place of the document.
fn at(document: &Value, pointer: &str) -> Validator {
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "allOf": [document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"))],
        "components": document["components"],
    });
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

#[test]
fn the_committed_document_is_that_of_the_code() {
    let committed = fs::read_to_string(COMMITTED).unwrap_or_default();
    assert!(committed == format!("{:#}\n", asyncapi::document()), "docs/src/asyncapi.json: run `cargo xtask asyncapi`");
}

#[test]
fn asyncapi_takes_the_document() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    assert_eq!(complaints(&validator, &asyncapi::document()), [""; 0]);
    let mut wrong = asyncapi::document();
    wrong["channels"]["menu"]["adress"] = "menu".into();
    assert_ne!(complaints(&validator, &wrong), [""; 0], "it would take anything");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        if let Some(reference) = value["$ref"].as_str() {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        }
        match value {
            Value::Object(fields) => fields.values().for_each(|field| walk(document, field)),
            Value::Array(items) => items.iter().for_each(|item| walk(document, item)),
            _ => {}
        }
    }
    walk(&asyncapi::document(), &asyncapi::document());
}

#[test]
fn events_as_they_lie_in_kafka_are_what_the_document_promises() {
    let document = asyncapi::document();
    let mut told: BTreeSet<_> = document["components"]["messages"].as_object().unwrap().keys().cloned().collect();
    told.remove("DeadLetter");
    for seed in fs::read_dir(SEEDS).unwrap() {
        let text = fs::read_to_string(seed.unwrap().path()).unwrap();
        let (headers, value) = text.split_once("\n\n").unwrap();
        let headers: Vec<_> = headers.lines().map(|line| line.split_once(": ").unwrap()).collect();
        let find = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes());
        // As it is written when it was read: what a person wrote there by hand doesn't count.
        let event = CloudEvent::from_message(find, value.as_bytes()).unwrap().unwrap();
        let headers: Map<_, _> =
            event.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let payload: Value = serde_json::from_slice(&event.event.payload().unwrap()).unwrap();

        let kind = event.event.kind();
        let message = format!("/components/messages/{kind}");
        assert_eq!(complaints(&at(&document, &format!("{message}/headers")), &headers.into()), [""; 0], "{kind}");
        let validator = at(&document, &format!("{message}/payload"));
        assert_eq!(complaints(&validator, &payload), [""; 0], "{kind}: {payload}");
        for field in payload.as_object().unwrap().keys().filter(|field| *field != "address" && *field != "note") {
            let mut without = payload.clone();
            without.as_object_mut().unwrap().remove(field);
            assert_ne!(complaints(&validator, &without), [""; 0], "{kind} without {field}");
        }
        let channel = document["channels"][event.event.topic().as_str()]["messages"].as_object().unwrap();
        assert!(channel.contains_key(kind), "{kind} on {}", event.event.topic());
        assert!(told.remove(kind), "{kind} is no message, or there are two seeds of it");
    }
    assert_eq!(told, BTreeSet::new(), "no seed in fuzz/seeds/event");
}
