//! The fields of the spec, out of the definition, and values that it has to refuse. Pure.

use foodplatform_operator::api::{FoodService, crd};
use serde_json::{Value, json};

use super::values;

/// The schema of the spec.
pub(crate) fn spec() -> Value {
    let definition = serde_json::to_value(crd().unwrap()).unwrap();
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].clone()
}

/// A field that has no fields of its own.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// Such as `services.order.tolerations[].key`.
    pub(crate) path: String,
    schema: Value,
}

/// Every leaf; of the services, which have the same fields, order's, and what the others have besides.
pub(crate) fn leaves(spec: &Value) -> Vec<Leaf> {
    let mut all = Vec::new();
    collect("", spec, &mut all);
    let common: Vec<_> = all.iter().filter_map(|leaf: &Leaf| leaf.path.strip_prefix("services.order.")).collect();
    let is_common = |path: &str| {
        let others = FoodService::ALL.into_iter().filter(|service| *service != FoodService::Order);
        let mut rests = others.filter_map(|service| path.strip_prefix(&format!("services.{service}.")));
        rests.next().is_some_and(|rest| common.contains(&rest))
    };
    all.iter().filter(|leaf| !is_common(&leaf.path)).cloned().collect()
}

fn collect(path: &str, schema: &Value, all: &mut Vec<Leaf>) {
    if let Some(fields) = schema["properties"].as_object() {
        for (name, field) in fields {
            collect(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, field, all);
        }
    } else if schema["items"]["properties"].is_object() {
        collect(&format!("{path}[]"), &schema["items"], all);
    } else {
        all.push(Leaf { path: path.to_owned(), schema: schema.clone() });
    }
}

/// The leaves that a patch sets.
pub(crate) fn set_by(patch: &Value, leaves: &[Leaf]) -> Vec<String> {
    fn walk(path: &str, value: &Value, leaves: &[Leaf], set: &mut Vec<String>) {
        if leaves.iter().any(|leaf| leaf.path == path) {
            set.push(path.to_owned());
            return;
        }
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, field)| {
                walk(&if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, field, leaves, set);
            }),
            Value::Array(items) => items.iter().for_each(|item| walk(&format!("{path}[]"), item, leaves, set)),
            _ => {}
        }
    }
    let mut set = Vec::new();
    walk("", patch, leaves, &mut set);
    set
}

impl Leaf {
    /// Values that the schema doesn't let through, by their kind: of another type, and beyond each bound.
    fn bad_values(&self) -> Vec<Value> {
        let schema = &self.schema;
        let long = |bound: &str| schema[bound].as_u64().map(|most| usize::try_from(most).unwrap() + 1);
        let mut bad = vec![match schema["type"].as_str() {
            Some("string") => json!(7),
            Some("object") => json!("text"),
            _ => json!({ "other": "type" }),
        }];
        bad.extend(schema["minimum"].as_i64().map(|least| json!(least - 1)));
        bad.extend(schema["maximum"].as_i64().map(|most| json!(most + 1)));
        bad.extend(schema["enum"].is_array().then(|| json!("Nonsense")));
        bad.extend(long("maxLength").map(|length| json!("a".repeat(length))));
        bad.extend(long("maxItems").map(|length| {
            let item = if schema["items"]["type"] == "integer" { json!(1) } else { json!("a") };
            (0..length).map(|_| item.clone()).collect()
        }));
        bad.extend(long("maxProperties").map(|length| (0..length).map(|n| (format!("k{n}"), json!("a"))).collect()));
        bad
    }

    /// Values that are as small, as large, as long or as many as the schema lets through. None for the fields with so few
    /// values that all of them are told.
    pub(crate) fn bounds(&self) -> Vec<Value> {
        if let Some(values) = values::at_bounds(&self.path) {
            return values;
        }
        let schema = &self.schema;
        let most = |schema: &Value, bound: &str| usize::try_from(schema[bound].as_u64().unwrap()).unwrap();
        match schema["type"].as_str().unwrap() {
            "integer" => {
                ["minimum", "maximum"].iter().filter_map(|bound| schema[*bound].as_i64()).map(Value::from).collect()
            }
            "string" if schema["enum"].is_null() => vec![json!("a".repeat(most(schema, "maxLength")))],
            "array" if schema["items"]["type"] == "integer" => {
                vec![(1..=most(schema, "maxItems")).map(Value::from).collect()]
            }
            "array" => vec![(0..most(schema, "maxItems")).map(|n| json!(format!("a{n}"))).collect()],
            "object" if schema["additionalProperties"].is_object() => {
                let value = "a".repeat(most(&schema["additionalProperties"], "maxLength"));
                vec![(0..most(schema, "maxProperties")).map(|n| (format!("k{n}"), json!(value))).collect()]
            }
            _ => Vec::new(),
        }
    }

    /// Merge patches of the spec that set the leaf to what it can't be. Items of lists are whole in them but for it, as
    /// far as the schema tells what that takes.
    pub(crate) fn bad_patches(&self, spec: &Value) -> Vec<Value> {
        self.bad_values().into_iter().map(|value| nest(&self.path, spec, value)).collect()
    }
}

/// The patch with another value at the path of a leaf that it sets; in the first item of a list.
pub(crate) fn with(patch: &Value, path: &str, value: &Value) -> Value {
    let mut patch = patch.clone();
    let mut place = &mut patch;
    for part in path.split('.') {
        place = &mut place[part.trim_end_matches("[]")];
        if part.ends_with("[]") {
            let items = place.as_array_mut().unwrap();
            let rest = path.split_once("[].").unwrap().1;
            let first = items.iter().position(|item| item.pointer(&format!("/{}", rest.replace('.', "/"))).is_some());
            place = &mut items[first.unwrap()];
        }
    }
    *place = value.clone();
    patch
}

/// The value at a path.
fn nest(path: &str, schema: &Value, value: Value) -> Value {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let name = first.trim_end_matches("[]");
    let field = &schema["properties"][name];
    let inner = match rest {
        None => value,
        Some(rest) if first.ends_with("[]") => json!([nest(rest, &field["items"], value)]),
        Some(rest) => nest(rest, field, value),
    };
    json!({ name: inner })
}
