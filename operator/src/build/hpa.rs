//! The HorizontalPodAutoscaler of a service, where autoscaling is asked for.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource,
};

use super::{
    labels, names,
    platform::{Autoscaling, Platform, ServiceSettings},
};
use crate::api::{HpaBehavior, HpaPolicyType, HpaScalingRules, HpaSelectPolicy};

pub(super) fn build(
    platform: &Platform,
    settings: &ServiceSettings,
    autoscaling: &Autoscaling,
) -> HorizontalPodAutoscaler {
    let name = names::child(&platform.name, settings.service);
    HorizontalPodAutoscaler {
        metadata: labels::metadata(platform, settings, name.clone()),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name,
            },
            min_replicas: Some(autoscaling.min),
            max_replicas: autoscaling.max,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(autoscaling.target_cpu_utilization),
                        ..Default::default()
                    },
                }),
                ..Default::default()
            }]),
            behavior: autoscaling.behavior.as_ref().map(behavior),
        }),
        ..Default::default()
    }
}

fn behavior(behavior: &HpaBehavior) -> HorizontalPodAutoscalerBehavior {
    HorizontalPodAutoscalerBehavior {
        scale_up: behavior.scale_up.as_ref().map(rules),
        scale_down: behavior.scale_down.as_ref().map(rules),
    }
}

fn rules(rules: &HpaScalingRules) -> HPAScalingRules {
    HPAScalingRules {
        stabilization_window_seconds: rules.stabilization_window_seconds,
        select_policy: rules.select_policy.map(|policy| {
            match policy {
                HpaSelectPolicy::Max => "Max",
                HpaSelectPolicy::Min => "Min",
                HpaSelectPolicy::Disabled => "Disabled",
            }
            .to_owned()
        }),
        policies: rules.policies.as_ref().map(|policies| {
            let policy = |policy: &crate::api::HpaPolicy| HPAScalingPolicy {
                type_: match policy.type_ {
                    HpaPolicyType::Pods => "Pods",
                    HpaPolicyType::Percent => "Percent",
                }
                .to_owned(),
                value: policy.value,
                period_seconds: policy.period_seconds,
            };
            policies.iter().map(policy).collect()
        }),
        ..Default::default()
    }
}
