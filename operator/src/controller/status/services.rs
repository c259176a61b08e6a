//! How one service stands, from its Deployment, autoscaler and pods. Pure.

use std::sync::Arc;

use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod};

use crate::{
    api::{AutoscalingStatus, FoodService, Reason, ServiceStatus, defaults},
    build::{Platform, Replicas, ServiceSettings, labels},
    controller::{obstacle::Obstacle, pods, rollout},
};

/// How a service stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    /// For the status.
    pub status: ServiceStatus,
    /// What is in its way.
    pub obstacle: Option<Obstacle>,
    /// What is still to happen; `None` when all pods run the wanted version and are ready.
    pub progress: Option<String>,
}

/// Looks at one service, of which `previous` was said before.
pub(super) fn view(
    platform: &Platform,
    settings: &ServiceSettings,
    previous: Option<&ServiceStatus>,
    deployment: Option<&Deployment>,
    autoscaler: Option<&HorizontalPodAutoscaler>,
    pods: &[Arc<Pod>],
) -> View {
    let name = settings.service;
    let last_ready_image = previous.and_then(|previous| previous.last_ready_image.clone());
    let autoscaling = autoscaler.map(|autoscaler| AutoscalingStatus {
        current: autoscaler.status.as_ref().and_then(|status| status.current_replicas).unwrap_or(0),
        min: autoscaler.spec.as_ref().and_then(|spec| spec.min_replicas).unwrap_or(1),
        max: autoscaler.spec.as_ref().map_or(0, |spec| spec.max_replicas),
    });
    let Some(deployment) = deployment else {
        let desired = match &settings.replicas {
            Replicas::Fixed(replicas) => *replicas,
            Replicas::Anyones => defaults::REPLICAS,
            Replicas::Automatic(autoscaling) => autoscaling.min,
        };
        let (image, failed_rollout) = (settings.image.clone(), settings.rolled_back.clone());
        return View {
            status: ServiceStatus {
                name,
                image,
                last_ready_image,
                failed_rollout,
                desired,
                updated: 0,
                ready: 0,
                autoscaling,
            },
            obstacle: None,
            progress: Some(format!("{name} is not started yet")),
        };
    };
    let spec = deployment.spec.as_ref();
    let seen = deployment.status.clone().unwrap_or_default();
    let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let desired = match &settings.replicas {
        Replicas::Fixed(_) | Replicas::Anyones => replicas,
        // With fewer than its fewest the autoscaler has yet to begin.
        Replicas::Automatic(autoscaling) => replicas.max(autoscaling.min),
    };
    let image = rollout::image(name, deployment).unwrap_or(&settings.image).clone();
    // Until the Deployment controller has seen the last change, its numbers are about the one before.
    let current = seen.observed_generation >= deployment.metadata.generation;
    let updated = if current { seen.updated_replicas.unwrap_or(0) } else { 0 };
    let ready = seen.ready_replicas.unwrap_or(0);
    let all = seen.replicas.unwrap_or(0);
    let progress = if image != settings.image {
        Some(format!("{name} still runs {image}"))
    } else if !current {
        Some(format!("{name} is about to change"))
    } else if updated < desired {
        Some(format!("{name} has {updated} of {desired} pods of the wanted version"))
    } else if ready < desired {
        Some(format!("{name} has {ready} of {desired} pods ready"))
    } else if all > desired {
        Some(format!("{name} has {} pods left to end", all - desired))
    } else {
        None
    };
    let trouble = progress.as_ref().and_then(|_| trouble(name, pods));
    let obstacle = match &trouble {
        // It was to heal by itself, and hasn't in time.
        Some(trouble) if !trouble.reason.stalls() && rollout::deadline_exceeded(deployment).is_some() => {
            Some(Obstacle::new(Reason::RolloutStuck, trouble.message.clone()))
        }
        Some(trouble) => Some(trouble.clone()),
        None => progress.as_ref().and_then(|_| stuck(settings, deployment)),
    };
    let last_ready_image = match &progress {
        // With no pods nothing shows whether the image is good.
        None if ready > 0 => Some(image.clone()),
        _ => last_ready_image,
    };
    let failed_rollout =
        rollout::failure(platform.on_failure, settings, deployment, last_ready_image.as_deref(), trouble.as_ref());
    let obstacle = rollout::rolled_back(settings).or(obstacle);
    View {
        status: ServiceStatus { name, image, last_ready_image, failed_rollout, desired, updated, ready, autoscaling },
        obstacle,
        progress,
    }
}

/// What is wrong with the serving pods of a service.
fn trouble(service: FoodService, pods: &[Arc<Pod>]) -> Option<Obstacle> {
    let serving = pods.iter().filter(|pod| pods::is(pod, service, labels::ROLE_SERVE));
    let troubles = serving.filter_map(|pod| Some((&pod.metadata.name, pods::trouble(service, pod)?)));
    // Always the same one, whatever the order they come in.
    troubles.min_by_key(|(name, _)| *name).map(|(_, trouble)| trouble)
}

fn stuck(settings: &ServiceSettings, deployment: &Deployment) -> Option<Obstacle> {
    let conditions = deployment.status.as_ref()?.conditions.as_deref()?;
    let find = |type_: &str, status: &str| conditions.iter().find(|c| c.type_ == type_ && c.status == status);
    let name = settings.service;
    if let Some(failure) = find("ReplicaFailure", "True") {
        let message = failure.message.as_deref().unwrap_or("pods can't be created");
        return Some(Obstacle::new(Reason::RolloutStuck, format!("{name}: {message}")));
    }
    rollout::deadline_exceeded(deployment)
        .map(|message| Obstacle::new(Reason::RolloutStuck, format!("{name}: {message}")))
}
