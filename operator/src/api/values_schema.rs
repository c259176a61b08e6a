//! The JSON schema of the values of the chart `foodplatform`, whose `spec` is that of a FoodPlatform.

use anyhow::Context as _;
use serde_json::{Map, Value, json};

use super::crd::crd;

/// The schema, as it lies beside the chart's values. Helm holds values against it before it asks the API server for
/// anything, and names the path of a wrong one. What only rules in CEL can say is left to the API server.
///
/// # Errors
///
/// When the definition of the resource can't be made or has no schema; only a change of the types can bring that about.
pub fn values_schema() -> anyhow::Result<String> {
    let crd = serde_json::to_value(crd()?).context("the definition can't be written as JSON")?;
    let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
    let mut spec = crd.pointer(path).with_context(|| format!("the definition has no {path}"))?.clone();
    close(&mut spec);
    let strings = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of foodplatform",
        "type": "object",
        "additionalProperties": false,
        "required": ["spec"],
        "properties": {
            "name": { "type": "string", "maxLength": 40, "pattern": "^([a-z]([-a-z0-9]*[a-z0-9])?)?$" },
            "labels": strings,
            "annotations": strings,
            "spec": spec,
            "global": { "type": "object" },
        },
    });
    let text = serde_json::to_string_pretty(&schema).context("the schema can't be written as JSON")?;
    Ok(text + "\n")
}

/// Turns the API server's dialect into that of JSON schema: what is for the API server alone goes, and an object takes no
/// other fields than those that it names, as the API server has it for whoever asks for strict validation.
fn close(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    let is_open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    schema.retain(|key, _| !key.starts_with("x-kubernetes-") && key != "format");
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(close);
        if !is_open {
            schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(key) {
            close(inner);
        }
    }
    number_as_written(schema);
}

/// Bounds of whole numbers, which come as 1.0, as a person would write them.
fn number_as_written(schema: &mut Map<String, Value>) {
    for key in ["minimum", "maximum"] {
        let Some(bound) = schema.get_mut(key) else { continue };
        // None of ours is beyond what a float holds exactly.
        if let Some(whole) = bound.as_f64().filter(|bound| bound.fract() == 0.0) {
            *bound = json!(whole as i64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_closed_at_every_depth_and_speaks_no_dialect() {
        let text = values_schema().unwrap();
        assert!(!text.contains("x-kubernetes-"), "only the API server understands that");
        let schema: Value = serde_json::from_str(&text).unwrap();
        let order = schema.pointer("/properties/spec/properties/services/properties/order").unwrap();
        assert_eq!(order["additionalProperties"], false);
        assert_eq!(order.pointer("/properties/labels/additionalProperties/type").unwrap(), "string");
        assert_eq!(order.pointer("/properties/replicas/minimum").unwrap(), 0);
        assert_eq!(schema.pointer("/properties/spec/required").unwrap(), &json!(["database", "image", "kafka"]));
    }

    #[test]
    fn what_the_api_server_leaves_open_stays_open() {
        let mut schema = json!({
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": true,
            "properties": { "known": { "type": "integer", "format": "int32", "minimum": 1.0, "maximum": 2.5 } },
        });
        close(&mut schema);
        let known = json!({ "type": "integer", "minimum": 1, "maximum": 2.5 });
        assert_eq!(schema, json!({ "type": "object", "properties": { "known": known } }));
    }
}
