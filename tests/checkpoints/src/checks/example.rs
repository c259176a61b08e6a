//! The platforms of `examples/` whose settings of order are shown at work.

use std::fs;

use serde_json::Value;

/// What an example says of order, as a change of a platform that may say something else.
pub(super) fn order(name: &str) -> Result<Value, String> {
    let path = local::repository().join("examples").join(name);
    let wrong = |what: &dyn std::fmt::Display| format!("{}: {what}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).map_err(|error| wrong(&error))?;
    let platform = documents.into_iter().find(|document| document["kind"] == "FoodPlatform");
    let mut order = platform.ok_or_else(|| wrong(&"no FoodPlatform"))?["spec"]["services"]["order"].take();
    // Only one of the two decides how many pods there are: a change has to take the other one away.
    for field in ["replicas", "autoscaling"] {
        if order[field].is_null() {
            order[field] = Value::Null;
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_of_the_number_of_pods_takes_the_others_place() {
        let pods = |name| {
            let order = order(name).unwrap();
            ["replicas", "autoscaling"].map(|field| order.get(field).map(|value| !value.is_null()))
        };
        assert_eq!(pods("circuit-breaker.yaml"), [Some(true), Some(false)]);
        assert_eq!(pods("autoscaling.yaml"), [Some(false), Some(true)]);
        assert!(order("dependencies.yaml").is_err());
        assert!(order("no.yaml").is_err());
    }
}
