//! The one document of the way in: what the services say of the paths that are routed to them, and what the gateway adds.

use chassis::http::openapi::{add, finish, operations};
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::deferring::{Cancelling, Placed};

/// The services' own documents, which `cargo xtask openapi` writes: to the gateway, their interface is a given.
const SERVICES: [&str; 4] = [
    include_str!("../../../docs/src/openapi/order.json"),
    include_str!("../../../docs/src/openapi/cook.json"),
    include_str!("../../../docs/src/openapi/delivery.json"),
    include_str!("../../../docs/src/openapi/mypage.json"),
];

/// What the paths begin with that are routed. Cook's `/cancellations` is not among them.
const ROUTED: [&str; 5] = ["orders", "menus", "cooks", "deliveries", "mypages"];

/// The document.
pub(crate) fn document() -> Value {
    let mut document = json!({ "openapi": "3.1.0", "paths": {}, "components": { "schemas": {} } });
    for text in SERVICES {
        // A test reads every one of these.
        let service: Value = serde_json::from_str(text).unwrap_or_default();
        document["info"] = service["info"].clone();
        for (path, item) in service["paths"].as_object().into_iter().flatten() {
            if ROUTED.contains(&path.split('/').nth(1).unwrap_or_default()) {
                document["paths"][path] = item.clone();
            }
        }
        for (name, schema) in service["components"]["schemas"].as_object().into_iter().flatten() {
            document["components"]["schemas"][name] = schema.clone();
        }
    }
    document["info"]["title"] = "gateway".into();
    document["info"]["description"] =
        "The one way in: the services' interfaces under one address. Web pages are at `/`.".into();
    defer(&mut document);
    for operation in operations(&mut document) {
        operation["responses"]["503"]["description"] =
            "The service is away, or has too much to do. Nothing is confirmed. Repeating is safe.".into();
        add(operation, "502", "The service ended the connection. What was asked for may have happened.");
        add(operation, "504", "The service has not answered in time. What was asked for may have happened.");
        finish(operation);
    }
    document
}

/// What the gateway itself does about orders.
fn defer(document: &mut Value) {
    let mut schemas = Vec::new();
    <Placed as ToSchema>::schemas(&mut schemas);
    <Cancelling as ToSchema>::schemas(&mut schemas);
    schemas.push((Placed::name().into(), Placed::schema()));
    schemas.push((Cancelling::name().into(), Cancelling::schema()));
    for (name, schema) in schemas {
        // Plain data with string keys always serialises.
        document["components"]["schemas"][&name] = serde_json::to_value(schema).unwrap_or_default();
    }
    let location = json!({ "description": "Where to look", "required": true, "schema": { "type": "string" } });

    let place = &mut document["paths"]["/orders"]["post"];
    place["responses"]["202"] = json!({
        "description": "The order service is away, and takes the order when it is back.",
        "headers": { "Location": location },
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Placed" } } },
    });
    for response in place["responses"].as_object_mut().into_iter().flat_map(|responses| responses.values_mut()) {
        response["headers"]["Order-Id"] = json!({
            "description": "The id that the order has, or will have once it is placed with this key",
            "schema": { "$ref": "#/components/schemas/Identifier" },
        });
        response["headers"]["Idempotency-Key"] =
            json!({ "description": "The request's key, or the one made for it", "schema": { "type": "string" } });
    }

    for (path, method) in [("/orders/{orderId}", "delete"), ("/orders/{orderId}/cancel", "post")] {
        let accepted = &mut document["paths"][path][method]["responses"]["202"];
        let schema = &mut accepted["content"]["application/json"]["schema"];
        *schema = json!({ "anyOf": [schema.take(), { "$ref": "#/components/schemas/Cancelling" }] });
        accepted["description"] =
            "Asked; the kitchen's answer is not known yet, or the order service is away and asks when it is back."
                .into();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn services() -> Vec<Value> {
        SERVICES.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    #[test]
    fn it_has_every_path_but_the_internal_one() {
        let paths = |document: &Value| -> Vec<String> {
            document["paths"].as_object().unwrap().keys().filter(|path| *path != "/cancellations").cloned().collect()
        };
        let mut expected: Vec<_> = services().iter().flat_map(&paths).collect();
        expected.sort();
        let document = document();
        assert_eq!(paths(&document), expected);
        assert!(document["paths"].get("/cancellations").is_none());
    }

    #[test]
    fn one_name_means_one_thing() {
        let mut schemas = BTreeMap::new();
        let mut ids = BTreeMap::new();
        for mut service in services() {
            for (name, schema) in service["components"]["schemas"].as_object().unwrap() {
                let known = schemas.entry(name.clone()).or_insert_with(|| schema.clone());
                assert_eq!(known, schema, "{name}");
            }
            for operation in operations(&mut service) {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                assert!(ids.insert(id.clone(), ()).is_none(), "{id}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
