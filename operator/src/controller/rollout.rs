//! Rollouts that have failed, and the way back. Pure.
//!
//! A Deployment says that a rollout has failed; the status remembers it, and from then on the service is built with the
//! image that was last ready, for as long as the spec asks for the image that failed.

use k8s_openapi::api::apps::v1::Deployment;

use super::obstacle::Obstacle;
use crate::{
    api::{FailedRollout, FoodPlatformStatus, FoodService, OnFailure, Reason, ServiceStatus},
    build::{Platform, ServiceSettings},
};

/// Gives each service whose rollout has failed the image that was last ready.
pub fn roll_back(platform: &mut Platform, status: &FoodPlatformStatus) {
    if platform.on_failure != OnFailure::Rollback {
        return;
    }
    for settings in &mut platform.services {
        let before = status.services.iter().find(|before| before.name == settings.service);
        let Some(ServiceStatus { last_ready_image: Some(last), failed_rollout: Some(failed), .. }) = before else {
            continue;
        };
        if failed.image == settings.image && last != &failed.image {
            settings.image.clone_from(last);
            settings.rolled_back = Some(failed.clone());
        }
    }
}

/// The failure of the rollout that `deployment` is in, when the service is to go back to `last_ready_image`. `trouble` is
/// what its pods tell.
pub(super) fn failure(
    on_failure: OnFailure,
    settings: &ServiceSettings,
    deployment: &Deployment,
    last_ready_image: Option<&str>,
    trouble: Option<&Obstacle>,
) -> Option<FailedRollout> {
    if settings.rolled_back.is_some() {
        return settings.rolled_back.clone();
    }
    let exceeded = deadline_exceeded(deployment)?;
    let has_a_way_back = last_ready_image.is_some_and(|last| last != settings.image);
    (on_failure == OnFailure::Rollback
        && has_a_way_back
        && image(settings.service, deployment) == Some(&settings.image))
    .then(|| {
        let message = trouble.map_or(exceeded, |trouble| trouble.message.as_str());
        FailedRollout { image: settings.image.clone(), message: message.chars().take(LONGEST).collect() }
    })
}

/// The longest part of a failure's reason that is kept.
const LONGEST: usize = 512;

/// What is said of a service that was rolled back.
pub(super) fn rolled_back(settings: &ServiceSettings) -> Option<Obstacle> {
    let FailedRollout { image, message } = settings.rolled_back.as_ref()?;
    Some(Obstacle::new(
        Reason::RolledBack,
        format!(
            "{}: {} runs again, since {image} did not become ready ({message}): set another image, or rollout.onFailure: \
             Hold to try this one again",
            settings.service, settings.image
        ),
    ))
}

/// The image that a service's Deployment asks for. Others may have put containers beside the service's own.
pub(super) fn image(service: FoodService, deployment: &Deployment) -> Option<&String> {
    let containers = &deployment.spec.as_ref()?.template.spec.as_ref()?.containers;
    containers.iter().find(|container| container.name == service.as_str())?.image.as_ref()
}

/// What the Deployment controller says of a rollout that made no progress within its deadline. Nothing while it has yet
/// to see the last change: its words are about the one before.
pub(super) fn deadline_exceeded(deployment: &Deployment) -> Option<&str> {
    let status = deployment.status.as_ref()?;
    if status.observed_generation < deployment.metadata.generation {
        return None;
    }
    let condition = status.conditions.as_ref()?.iter().find(|c| c.type_ == "Progressing" && c.status == "False")?;
    Some(condition.message.as_deref().unwrap_or("no new pod became ready in time"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::FoodPlatform;

    fn platform(tag: &str, on_failure: &str) -> Platform {
        let resource: FoodPlatform = serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": "q", "namespace": "food", "uid": "u" },
            "spec": {
                "image": { "registry": "r", "tag": tag },
                "rollout": { "onFailure": on_failure },
                "kafka": { "bootstrapServers": "k:9092" },
                "database": { "secretRef": { "name": "db" } },
            },
        }))
        .unwrap();
        Platform::new(&resource).unwrap()
    }

    fn order(platform: &Platform) -> &ServiceSettings {
        platform.service(FoodService::Order).unwrap()
    }

    fn status(last: Option<&str>, failed: Option<&str>) -> FoodPlatformStatus {
        let failed = failed.map(|image| json!({ "image": image, "message": "no such image" }));
        serde_json::from_value(json!({ "services": [{
            "name": "order", "image": "i", "lastReadyImage": last, "failedRollout": failed,
            "desired": 1, "updated": 1, "ready": 1,
        }] }))
        .unwrap()
    }

    fn deployment(image: &str, generation: i64, observed: i64, progressing: &str) -> Deployment {
        serde_json::from_value(json!({
            "metadata": { "generation": generation },
            "spec": { "selector": {}, "template": { "spec": { "containers": [
                { "name": "debug", "image": "busybox" }, { "name": "order", "image": image },
            ] } } },
            "status": { "observedGeneration": observed, "conditions": [
                { "type": "Progressing", "status": progressing, "message": "too late" },
            ] },
        }))
        .unwrap()
    }

    #[test]
    fn a_service_goes_back_while_the_spec_asks_for_what_failed() {
        let image = |tag: &str, on_failure: &str, status: &FoodPlatformStatus| {
            let mut platform = platform(tag, on_failure);
            roll_back(&mut platform, status);
            let order = order(&platform);
            assert_eq!(order.rolled_back.is_some(), order.image != format!("r/order:{tag}"));
            order.image.clone()
        };
        let failed = status(Some("r/order:1"), Some("r/order:2"));
        assert_eq!(image("2", "Rollback", &failed), "r/order:1");
        assert_eq!(image("2", "Hold", &failed), "r/order:2");
        assert_eq!(image("3", "Rollback", &failed), "r/order:3", "a corrected tag wins");
        assert_eq!(image("2", "Rollback", &status(None, Some("r/order:2"))), "r/order:2", "there is no way back");
        assert_eq!(image("2", "Rollback", &status(Some("r/order:1"), None)), "r/order:2");
    }

    #[test]
    fn a_failure_is_what_the_deployment_says_of_the_wanted_image() {
        let failure = |on_failure, deployment: &Deployment, last| {
            failure(on_failure, order(&platform("2", "Rollback")), deployment, last, None).map(|failed| failed.message)
        };
        let (wanted, last) = ("r/order:2", Some("r/order:1"));
        let exceeded = deployment(wanted, 3, 3, "False");
        assert_eq!(failure(OnFailure::Rollback, &exceeded, last).as_deref(), Some("too late"));
        assert_eq!(failure(OnFailure::Hold, &exceeded, last), None);
        assert_eq!(failure(OnFailure::Rollback, &exceeded, None), None, "nothing was ever ready");
        assert_eq!(failure(OnFailure::Rollback, &exceeded, Some(wanted)), None, "it is no matter of the image");
        assert_eq!(failure(OnFailure::Rollback, &deployment(wanted, 3, 2, "False"), last), None, "of the one before");
        assert_eq!(failure(OnFailure::Rollback, &deployment(wanted, 3, 3, "True"), last), None);
        assert_eq!(failure(OnFailure::Rollback, &deployment("r/order:0", 3, 3, "False"), last), None);
    }

    #[test]
    fn what_failed_is_remembered_and_told() {
        let mut platform = platform("2", "Rollback");
        roll_back(&mut platform, &status(Some("r/order:1"), Some("r/order:2")));
        let order = order(&platform);
        let back = deployment("r/order:1", 4, 4, "True");
        assert_eq!(failure(OnFailure::Rollback, order, &back, Some("r/order:1"), None), order.rolled_back);
        let told = rolled_back(order).unwrap();
        assert!(told.message.starts_with("order: r/order:1 runs again, since r/order:2 did not"), "{}", told.message);
    }
}
