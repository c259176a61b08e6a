//! What a change may be.

use serde_json::{Value, json};

use super::{complaints, smallest, with};

/// All of them, for [`super::definition`] to see that no rule is without a test.
pub(super) const TESTS: &[fn()] = &[the_topic_prefix_is_immutable, log_claims_keep_their_class_and_access_modes];

/// A change from one value at `path` to another; null is its absence.
fn change(path: &str, from: Value, to: Value) -> Vec<String> {
    let without_null = |value: Value| if value.is_null() { smallest() } else { with(path, value) };
    complaints(&without_null(to), Some(&without_null(from)))
}

#[test]
fn the_topic_prefix_is_immutable() {
    let path = "spec.kafka.topicPrefix";
    assert_eq!(change(path, json!("a."), json!("a.")), Vec::<String>::new());
    assert_eq!(change(path, Value::Null, Value::Null), Vec::<String>::new());
    for (from, to) in [(json!("a."), json!("b.")), (json!("a."), Value::Null), (Value::Null, json!("a."))] {
        let complaints = change(path, from, to);
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].starts_with("topicPrefix is immutable"), "{complaints:?}");
    }
}

#[test]
fn log_claims_keep_their_class_and_access_modes() {
    let path = "spec.logs.volume";
    for (field, a, b) in [
        ("storageClassName", json!("efs"), json!("")),
        ("accessModes", json!(["ReadWriteMany"]), json!(["ReadWriteOnce"])),
    ] {
        let of = |value: &Value| json!({ field: value });
        assert_eq!(change(path, of(&a), of(&a)), Vec::<String>::new());
        assert_eq!(change(path, Value::Null, of(&a)), Vec::<String>::new(), "a volume can be added");
        assert_eq!(change(path, of(&a), Value::Null), Vec::<String>::new(), "and removed");
        for (from, to) in [(of(&a), of(&b)), (of(&a), json!({})), (json!({}), of(&a))] {
            let complaints = change(path, from, to);
            assert_eq!(complaints.len(), 1, "{complaints:?}");
            assert!(complaints[0].starts_with(&format!("logs.volume.{field} is immutable")), "{complaints:?}");
        }
    }
}
