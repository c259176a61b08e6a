//! The reference page of the resource, from its own definition.

use std::{collections::HashMap, fmt::Write as _};

use anyhow::Context as _;
use serde_json::Value;

use super::{Reason, crd};

/// The reference of every field, as a page of Markdown.
///
/// # Errors
///
/// As [`crd`].
pub fn reference() -> anyhow::Result<String> {
    let crd = serde_json::to_value(crd()?).context("the definition can't be written as JSON")?;
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut page = Page { text: HEAD.to_owned(), told: HashMap::new() };
    for part in ["spec", "status"] {
        page.object(part, &schema["properties"][part]);
    }
    page.reasons();
    Ok(page.text.trim_end().to_owned() + "\n")
}

const HEAD: &str = "\
# FoodPlatform, `foodplatform.dev/v1alpha1`

This page is written by `cargo xtask crds` from the definition; `kubectl explain foodplatform.spec.FIELD` shows the
meanings, without bounds and rules.
`spec` is what a person asks for, `status` what the operator says of it. Fields marked with * are required.

";

struct Page {
    text: String,
    /// Where an object of that schema is told of already.
    told: HashMap<String, String>,
}

impl Page {
    /// What the conditions' reasons mean.
    fn reasons(&mut self) {
        self.text
            .push_str("## Reasons\n\nThe reasons that conditions give. Where it takes a person, Stalled is True.\n\n");
        self.text.push_str("| reason | takes a person | meaning |\n|---|---|---|\n");
        for reason in Reason::ALL {
            let takes = if reason.stalls() { "yes" } else { "" };
            let _ = writeln!(self.text, "| `{reason}` | {takes} | {} |", reason.meaning());
        }
    }

    /// A section about the fields of an object, and after it those of the objects in it.
    fn object(&mut self, path: &str, schema: &Value) {
        let _ = writeln!(self.text, "## {path}\n\n{}\n", text(&schema["description"]));
        let same = serde_json::json!([schema["properties"], schema["x-kubernetes-validations"]]).to_string();
        if let Some(other) = self.told.get(&same) {
            let _ = writeln!(self.text, "The same fields as [{other}](#{}).\n", anchor(other));
            return;
        }
        self.told.insert(same, path.to_owned());
        let rules = rules(schema);
        if !rules.is_empty() {
            let _ = writeln!(self.text, "{}", rules.iter().map(|rule| format!("- {rule}\n")).collect::<String>());
        }
        let empty = serde_json::Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
        self.text.push_str("| field | type | meaning |\n|---|---|---|\n");
        for (name, field) in properties {
            let star = if required(name) { " *" } else { "" };
            let meaning = [vec![text(&field["description"])], limits(field), rules_of_value(field)].concat();
            let meaning: Vec<_> = meaning.into_iter().filter(|part| !part.is_empty()).collect();
            let _ = writeln!(self.text, "| `{name}`{star} | {} | {} |", type_of(field), meaning.join(" "));
        }
        self.text.push('\n');
        for (name, field) in properties {
            if let Some((inner, schema)) = inner(&format!("{path}.{name}"), field) {
                self.object(&inner, schema);
            }
        }
    }
}

/// The object in a field, itself or as a list's item, with its path.
fn inner<'a>(path: &str, field: &'a Value) -> Option<(String, &'a Value)> {
    if field["properties"].is_object() {
        return Some((path.to_owned(), field));
    }
    field["items"]["properties"].is_object().then(|| (format!("{path}[]"), &field["items"]))
}

fn type_of(field: &Value) -> String {
    match field["type"].as_str() {
        Some("array") => format!("list of {}s", type_of(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => "map of strings".to_owned(),
        Some(other) => other.to_owned(),
        None => "any".to_owned(),
    }
}

/// What a value may be.
fn limits(field: &Value) -> Vec<String> {
    let number = |key: &str| field[key].as_f64().map(|number| number.to_string());
    let range = |least: Option<String>, most: Option<String>, of: &str| match (least, most) {
        (Some(least), Some(most)) => Some(format!("{least} to {most}{of}.")),
        (None, Some(most)) => Some(format!("At most {most}{of}.")),
        (Some(least), None) => Some(format!("At least {least}{of}.")),
        (None, None) => None,
    };
    let values = field["enum"].as_array().map(|values| {
        let values: Vec<_> = values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        format!("One of {}.", values.join(", "))
    });
    [
        values,
        range(number("minimum"), number("maximum"), ""),
        range(number("minLength").filter(|least| least != "0"), number("maxLength"), " characters"),
        range(number("minItems"), number("maxItems"), " items"),
        range(None, number("maxProperties"), " entries"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the rules of an object say.
fn rules(schema: &Value) -> Vec<String> {
    schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(|rule| text(&rule["message"])).collect()
}

/// What the rules of a plain value say; those of an object have a place of their own.
fn rules_of_value(field: &Value) -> Vec<String> {
    if field["properties"].is_object() {
        return Vec::new();
    }
    rules(field).into_iter().map(|rule| format!("({rule}.)")).collect()
}

/// A text that a table's cell can hold.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().replace("\n\n", "<br>").replace('\n', " ").replace('|', "\\|")
}

/// A heading's anchor, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}
