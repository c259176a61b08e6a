//! What a pod asks for and may use.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity as ApiQuantity};

use super::quantity::{InvalidQuantity, Quantity};
use crate::api::{Amounts, ResourcesSpec, defaults};

/// The spec's amounts, and the defaults for those that it leaves out. A default yields to what the spec says: one
/// side's default never makes the other side's wish invalid.
///
/// # Errors
///
/// The field under `resources`, and what is wrong with it.
pub(super) fn effective(spec: Option<&ResourcesSpec>) -> Result<ResourceRequirements, Invalid> {
    let none = Amounts::default();
    let requests = spec.and_then(|spec| spec.requests.as_ref()).unwrap_or(&none);
    let limits = spec.and_then(|spec| spec.limits.as_ref()).unwrap_or(&none);
    let (cpu_request, cpu_limit) =
        pair(("requests.cpu", &requests.cpu, Some(defaults::CPU_REQUEST)), ("limits.cpu", &limits.cpu, None))?;
    let (memory_request, memory_limit) = pair(
        ("requests.memory", &requests.memory, Some(defaults::MEMORY_REQUEST)),
        ("limits.memory", &limits.memory, Some(defaults::MEMORY_LIMIT)),
    )?;
    let list = |cpu: Option<Quantity>, memory: Option<Quantity>| -> BTreeMap<String, ApiQuantity> {
        [("cpu", cpu), ("memory", memory)]
            .into_iter()
            .filter_map(|(name, amount)| Some((name.to_owned(), ApiQuantity(amount?.to_string()))))
            .collect()
    };
    Ok(ResourceRequirements {
        requests: Some(list(cpu_request, memory_request)),
        limits: Some(list(cpu_limit, memory_limit)),
        ..Default::default()
    })
}

/// A field, what the spec says, and its default.
type Side<'a> = (&'static str, &'a Option<String>, Option<&'static str>);
/// The field that is wrong, and what is wrong with it.
type Invalid = (&'static str, InvalidQuantity);

fn pair(request: Side, limit: Side) -> Result<(Option<Quantity>, Option<Quantity>), Invalid> {
    let value = |(field, given, default): Side| {
        let text = given.as_deref().or(default);
        text.map(str::parse::<Quantity>).transpose().map_err(|error| (field, error))
    };
    let (mut requested, mut allowed) = (value(request)?, value(limit)?);
    if let (Some(r), Some(l)) = (requested, allowed)
        && r > l
    {
        if request.1.is_none() {
            requested = Some(l);
        } else if limit.1.is_none() {
            allowed = Some(r);
        }
    }
    Ok((requested, allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective(json: serde_json::Value) -> serde_json::Value {
        let spec: ResourcesSpec = serde_json::from_value(json).unwrap();
        serde_json::to_value(super::effective(Some(&spec)).unwrap()).unwrap()
    }

    #[test]
    fn nothing_said_gives_the_defaults() {
        assert_eq!(
            effective(serde_json::json!({})),
            serde_json::json!({
                "requests": { "cpu": "50m", "memory": "32Mi" },
                "limits": { "memory": "128Mi" },
            })
        );
    }

    #[test]
    fn a_request_above_the_default_limit_raises_it() {
        assert_eq!(
            effective(serde_json::json!({ "requests": { "memory": "1024Mi" } })),
            serde_json::json!({
                "requests": { "cpu": "50m", "memory": "1Gi" },
                "limits": { "memory": "1Gi" },
            })
        );
    }

    #[test]
    fn a_limit_below_the_default_request_lowers_it() {
        assert_eq!(
            effective(serde_json::json!({ "limits": { "cpu": "0.02", "memory": "16Mi" } })),
            serde_json::json!({
                "requests": { "cpu": "20m", "memory": "16Mi" },
                "limits": { "cpu": "20m", "memory": "16Mi" },
            })
        );
    }
}
