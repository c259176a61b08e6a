//! The claim for a service's log files, shared by its pods.

use k8s_openapi::{
    api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements},
    apimachinery::pkg::api::resource::Quantity as ApiQuantity,
};
use kube::core::DynamicObject;

use super::{
    Child, labels, names,
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

/// Where a claim says how large it is to be.
const SIZE: &str = "/spec/resources/requests/storage";

/// A claim can't shrink. Where the live claim asks for more than the built one, the built one takes over the live
/// size, so that all else of it can be applied.
///
/// Returns what has happened, as a sentence for a condition; nothing for other kinds and where nothing has.
pub fn keep_larger_size(built: &mut Child, live: &DynamicObject) -> Option<String> {
    let (live_size, wanted) = sizes(built, live)?;
    if live_size <= wanted {
        return None;
    }
    *built.object.data.pointer_mut(SIZE)? = live_size.to_string().into();
    let name = built.name();
    Some(format!("claim {name} keeps its {live_size}, since claims can't shrink to the {wanted} asked for"))
}

/// The same for a claim whose growth was refused, in the API server's words.
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
    if built.kind() != "PersistentVolumeClaim" {
        return None;
    }
    let size = |object: &DynamicObject| object.data.pointer(SIZE)?.as_str()?.parse().ok();
    Some((size(live)?, size(&built.object)?))
}

#[cfg(test)]
mod tests {
    use kube::core::ApiResource;

    use super::*;
    use crate::{api::FoodService, build::ApplyMode};

    fn claim(size: &str) -> DynamicObject {
        serde_json::from_value(serde_json::json!({
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
        let sentence = keep_larger_size(&mut child, &claim("2Gi")).unwrap();
        assert_eq!(sentence, "claim shop-order-logs keeps its 2Gi, since claims can't shrink to the 1Gi asked for");
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
            assert_eq!(keep_larger_size(&mut child, &claim(live)), None);
            assert_eq!(child.object, claim("1Gi"));
        }
    }
}
