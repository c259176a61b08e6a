//! Every rule of the schema, on a good and a bad value each, by the library that kube offers for it. The API tests send
//! some of them to a real apiserver as well.

mod definition;
mod fields;
mod syntax;
mod transitions;

use std::{cell::RefCell, collections::BTreeSet, sync::LazyLock};

use kube::core::cel::{CompiledSchema, Validator, compile_schema};
use serde_json::{Value, json};

use super::crd;

/// The smallest platform.
fn smallest() -> Value {
    json!({
        "apiVersion": "foodplatform.dev/v1alpha1",
        "kind": "FoodPlatform",
        "metadata": { "name": "shop", "namespace": "food" },
        "spec": {
            "image": { "registry": "ghcr.io/example/foodplatform", "tag": "1.4.0" },
            "kafka": { "bootstrapServers": "kafka:9092" },
            "database": { "secretRef": { "name": "database" } },
        },
    })
}

/// The smallest platform with `value` at a path such as `spec.gateway`.
fn with(path: &str, value: Value) -> Value {
    let mut platform = smallest();
    let mut place = &mut platform;
    for key in path.split('.') {
        place = &mut place[key];
    }
    *place = value;
    platform
}

thread_local! {
    /// What the rules have said in this thread, that is in one test.
    static SAID: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// What the rules say against `new`, in place of `old`.
fn complaints(new: &Value, old: Option<&Value>) -> Vec<String> {
    static SCHEMA: LazyLock<CompiledSchema> = LazyLock::new(|| {
        let crd = serde_json::to_value(crd().unwrap()).unwrap();
        compile_schema(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
    });
    let complaints: Vec<_> = match Validator::new().validate_compiled(&SCHEMA, new, old) {
        Ok(()) => Vec::new(),
        Err(errors) => errors.into_vec().into_iter().map(|error| error.message).collect(),
    };
    SAID.with_borrow_mut(|said| said.extend(complaints.iter().cloned()));
    complaints
}

fn accepts(path: &str, values: &[Value]) {
    for value in values {
        let complaints = complaints(&with(path, value.clone()), None);
        assert!(complaints.is_empty(), "{path}: {value}: {complaints:?}");
    }
}

/// Each value is refused with one message, which begins by naming the field.
fn refuses(path: &str, values: &[Value], message: &str) {
    for value in values {
        let complaints = complaints(&with(path, value.clone()), None);
        assert_eq!(complaints.len(), 1, "{path}: {value}: {complaints:?}");
        assert!(complaints[0].starts_with(message), "{path}: {value}: {complaints:?}");
    }
}
