//! The claim for a service's log files, shared by its pods.

use std::collections::BTreeSet;

use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
};
use kube::core::DynamicObject;
use serde_json::Value;

use super::{
    Child, FIELD_MANAGER, labels,
    managed_fields::owns,
    names,
    platform::{LogVolume, Platform, ServiceSettings},
    quantity::Quantity,
};
use crate::api::Retention;

pub(super) fn build(platform: &Platform, settings: &ServiceSettings, volume: &LogVolume) -> PersistentVolumeClaim {
    let name = names::log_claim(&platform.name, settings.service);
    PersistentVolumeClaim {
        metadata: match volume.retention {
            // Without an owner it stays, and the next platform of this name takes it up again.
            Retention::Retain => labels::metadata_without_owner(platform, settings, name),
            Retention::Delete => labels::metadata(platform, settings, name),
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(volume.access_modes.iter().map(|mode| mode.as_str().to_owned()).collect()),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), ApiQuantity(volume.size.to_string()))].into()),
                ..Default::default()
            }),
            storage_class_name: volume.storage_class_name.clone(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

const KIND: &str = "PersistentVolumeClaim";
/// Where a claim says how large it is to be.
const SIZE: &str = "/spec/resources/requests/storage";
/// Where it says of which class its volume is to be.
const CLASS: &str = "/spec/storageClassName";
/// Where it says who can mount it.
const MODES: &str = "/spec/accessModes";

/// What of a claim can't be changed, in place of what was built of it, so that all else of it can be applied: its class,
/// its access modes, and its size where a smaller one was built. The claim may be of a time when the spec said otherwise:
/// it outlives `logs.volume`, and its platform.
///
/// Returns what has happened, in sentences for a condition; none for other kinds and where nothing has.
pub fn keep_what_stays(built: &mut Child, live: &DynamicObject) -> Vec<String> {
    if built.kind() != KIND {
        return Vec::new();
    }
    let kept = [keep_class(built, live), keep_modes(built, live)].into_iter().flatten();
    let (kept, wanted): (Vec<_>, Vec<_>) = kept.unzip();
    let name = built.name();
    let sentence = (!kept.is_empty()).then(|| {
        format!(
            "claim {name} keeps its {}, since claims can't change to the {} asked for: to have that, remove logs.volume, \
             delete the claim, and add it anew",
            kept.join(" and "),
            wanted.join(" and ")
        )
    });
    sentence.into_iter().chain(keep_larger_size(built, live)).collect()
}

/// Keeps the class; which one, and which one was asked for, where that is another.
fn keep_class(built: &mut Child, live: &DynamicObject) -> Option<(String, String)> {
    // One without a class can be given one.
    let class = live.data.pointer(CLASS)?.as_str()?;
    let wanted = built.object.data.pointer(CLASS).and_then(Value::as_str);
    // What the cluster chose is what was asked for by no class.
    let is_as_wanted =
        wanted.map_or_else(|| !owns(live, FIELD_MANAGER, &["spec", "storageClassName"]), |it| it == class);
    if is_as_wanted {
        return None;
    }
    let told =
        (format!("storage class {class:?}"), wanted.map_or("default".to_owned(), |wanted| format!("{wanted:?}")));
    built.object.data["spec"]["storageClassName"] = class.into();
    Some(told)
}

/// Keeps the access modes; which ones, and which ones were asked for, where these are others.
fn keep_modes(built: &mut Child, live: &DynamicObject) -> Option<(String, String)> {
    let kept = live.data.pointer(MODES)?;
    let wanted = built.object.data.pointer_mut(MODES)?;
    let told = |modes: &Value| {
        let modes: BTreeSet<_> = modes.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        modes.into_iter().collect::<Vec<_>>().join(", ")
    };
    let (told_kept, told_wanted) = (told(kept), told(wanted));
    // In the order in which they are, for that can't be changed, either.
    *wanted = kept.clone();
    (told_kept != told_wanted).then(|| (format!("access modes {told_kept}"), told_wanted))
}

/// A claim can't shrink: keeps the live size where it is more than the built one.
fn keep_larger_size(built: &mut Child, live: &DynamicObject) -> Option<String> {
    let (live_size, wanted) = sizes(built, live)?;
    if live_size <= wanted {
        return None;
    }
    *built.object.data.pointer_mut(SIZE)? = live_size.to_string().into();
    let name = built.name();
    Some(format!("claim {name} keeps its {live_size}, since claims can't shrink to the {wanted} asked for"))
}

/// Keeps the live size of a claim whose growth was refused, in the API server's words, and says so.
pub fn keep_smaller_size(built: &mut Child, live: &DynamicObject, refusal: &str) -> Option<String> {
    let (live_size, wanted) = sizes(built, live)?;
    if live_size >= wanted {
        return None;
    }
    *built.object.data.pointer_mut(SIZE)? = live_size.to_string().into();
    let name = built.name();
    if refusal.contains("storageclass") {
        return Some(format!(
            "claim {name} keeps its {live_size}, since its storage class can't grow it to the {wanted} asked for"
        ));
    }
    // After its first line it may show the whole claim.
    let refusal = refusal.lines().next().unwrap_or_default();
    Some(format!("claim {name} keeps its {live_size}, since it can't grow to the {wanted} asked for: {refusal}"))
}

/// The live size of a claim and the one that was built.
fn sizes(built: &Child, live: &DynamicObject) -> Option<(Quantity, Quantity)> {
    if built.kind() != KIND {
        return None;
    }
    let size = |object: &DynamicObject| object.data.pointer(SIZE)?.as_str()?.parse().ok();
    Some((size(live)?, size(&built.object)?))
}

#[cfg(test)]
mod tests {
    use kube::core::ApiResource;
    use serde_json::json;

    use super::*;
    use crate::{api::FoodService, build::ApplyMode};

    fn claim(size: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": { "name": "shop-order-logs" },
            "spec": { "resources": { "requests": { "storage": size } } },
        }))
        .unwrap()
    }

    fn built(size: &str) -> Child {
        Child {
            service: FoodService::Order,
            resource: ApiResource::erase::<PersistentVolumeClaim>(&()),
            object: claim(size),
            mode: ApplyMode::Always,
        }
    }

    #[test]
    fn a_smaller_wish_leaves_the_claim_and_says_so() {
        let mut child = built("1Gi");
        let told = keep_what_stays(&mut child, &claim("2Gi"));
        assert_eq!(told, ["claim shop-order-logs keeps its 2Gi, since claims can't shrink to the 1Gi asked for"]);
        assert_eq!(child.object, claim("2Gi"));
    }

    #[test]
    fn a_growth_that_is_refused_leaves_the_claim_and_says_why() {
        let unable = "persistentvolumeclaims \"shop-order-logs\" is forbidden: only dynamically provisioned pvc can be \
                      resized and the storageclass that provisions the pvc must support resize";
        let unbound = "spec: Forbidden: spec is immutable for unbound claims\n  core.PersistentVolumeClaimSpec{";
        for (refusal, why) in [
            (unable, "its storage class can't grow it to the 2Gi asked for"),
            (unbound, "it can't grow to the 2Gi asked for: spec: Forbidden: spec is immutable for unbound claims"),
        ] {
            let mut child = built("2Gi");
            let sentence = keep_smaller_size(&mut child, &claim("1Gi"), refusal).unwrap();
            assert_eq!(sentence, format!("claim shop-order-logs keeps its 1Gi, since {why}"));
            assert_eq!(child.object, claim("1Gi"));
        }
        // Something else of it was refused.
        assert_eq!(keep_smaller_size(&mut built("1Gi"), &claim("1Gi"), unable), None);
    }

    #[test]
    fn a_larger_or_equal_wish_is_left() {
        for live in ["512Mi", "1Gi"] {
            let mut child = built("1Gi");
            assert_eq!(keep_what_stays(&mut child, &claim(live)), Vec::<String>::new());
            assert_eq!(child.object, claim("1Gi"));
        }
    }

    /// A claim with such fields in its spec, and the manager who applied them.
    fn with(fields: &Value, manager: &str) -> DynamicObject {
        let mut claim = claim("1Gi");
        let owned: serde_json::Map<_, _> =
            fields.as_object().unwrap().keys().map(|field| (format!("f:{field}"), json!({}))).collect();
        claim.data["spec"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        claim.metadata.managed_fields = serde_json::from_value(json!([
            { "manager": manager, "operation": "Apply", "fieldsV1": { "f:spec": owned } },
        ]))
        .unwrap();
        claim
    }

    #[test]
    fn another_class_or_other_modes_leave_the_claim_and_say_so() {
        let (once, many) = (json!(["ReadWriteOnce"]), json!(["ReadWriteMany"]));
        let both = json!(["ReadWriteOnce", "ReadWriteMany"]);
        let fields = |class: Option<&str>, modes: &Value| {
            let mut fields = json!({ "accessModes": modes });
            class.inspect(|class| fields["storageClassName"] = (*class).into());
            fields
        };
        for (live, wanted, expected) in [
            (
                fields(Some("efs"), &many),
                fields(Some("gp3"), &once),
                Some(
                    r#"keeps its storage class "efs" and access modes ReadWriteMany, since claims can't change to the "gp3" and ReadWriteOnce asked"#,
                ),
            ),
            (
                fields(Some("efs"), &many),
                fields(None, &many),
                Some(r#"keeps its storage class "efs", since claims can't change to the default asked"#),
            ),
            (fields(Some(""), &many), fields(Some("efs"), &many), Some(r#"keeps its storage class "", since"#)),
            (
                fields(Some("efs"), &both),
                fields(Some("efs"), &many),
                Some("keeps its access modes ReadWriteMany, ReadWriteOnce, since"),
            ),
            (fields(Some("efs"), &many), fields(Some("efs"), &many), None),
        ] {
            let mut child = Child { object: with(&wanted, FIELD_MANAGER), ..built("1Gi") };
            let live = with(&live, FIELD_MANAGER);
            let told = keep_what_stays(&mut child, &live);
            assert_eq!(child.object.data, live.data);
            assert_eq!(told.len(), usize::from(expected.is_some()), "{told:?}");
            assert!(expected.is_none_or(|expected| told[0].contains(expected)), "{told:?}");
        }
        // A class that the cluster chose, and modes in another order, are what was asked for.
        let mut child = Child { object: with(&fields(None, &both), FIELD_MANAGER), ..built("1Gi") };
        let reversed = json!(["ReadWriteMany", "ReadWriteOnce"]);
        let live = with(&fields(Some("gp3"), &reversed), "kube-controller-manager");
        assert_eq!(keep_what_stays(&mut child, &live), Vec::<String>::new());
        assert_eq!(child.object.data.pointer(CLASS), None);
        assert_eq!(child.object.data.pointer(MODES), Some(&reversed));
        // One without a class can be given one.
        let mut child = Child { object: with(&fields(Some("efs"), &many), FIELD_MANAGER), ..built("1Gi") };
        assert_eq!(keep_what_stays(&mut child, &with(&fields(None, &many), FIELD_MANAGER)), Vec::<String>::new());
        assert_eq!(child.object.data.pointer(CLASS), Some(&"efs".into()));
    }
}
