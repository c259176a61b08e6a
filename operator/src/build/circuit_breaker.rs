//! Circuit breakers that can't do what somebody who wrote them down will expect.

use super::platform::{Platform, Replicas, ServiceSettings};
use crate::api::defaults;

impl Platform {
    /// What is odd about the circuit breakers, in sentences: those that could eject no pod at all.
    pub fn breaker_warnings(&self) -> Vec<String> {
        self.services.iter().filter_map(never_ejects).collect()
    }
}

fn never_ejects(settings: &ServiceSettings) -> Option<String> {
    let percent = settings.circuit_breaker.max_ejection_percent?;
    let pods = match &settings.replicas {
        Replicas::Fixed(pods) => *pods,
        Replicas::Anyones => defaults::REPLICAS,
        Replicas::Automatic(autoscaling) => autoscaling.min,
    };
    let ejected = i64::from(pods) * i64::from(percent) / 100;
    // None of 0 percent is what was asked for.
    (percent > 0 && pods > 0 && ejected == 0).then(|| {
        let service = settings.service;
        format!(
            "services.{service}.circuitBreaker ejects no pod, for {percent} % of {pods}, rounded down, are none: raise \
             maxEjectionPercent or the number of pods"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::FoodPlatform;

    fn warnings(cook: Value) -> Vec<String> {
        let platform: FoodPlatform = serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": "shop", "namespace": "food", "uid": "u" },
            "spec": {
                "image": { "registry": "r", "tag": "1" },
                "services": { "cook": cook },
                "kafka": { "bootstrapServers": "k:9092" },
                "database": { "secretRef": { "name": "db" } },
            },
        }))
        .unwrap();
        Platform::new(&platform).unwrap().breaker_warnings()
    }

    #[test]
    fn a_breaker_that_ejects_nothing_is_told() {
        let percent = |percent: i32| json!({ "maxEjectionPercent": percent });
        let told = warnings(json!({ "circuitBreaker": percent(99) }));
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("services.cook.circuitBreaker ejects no pod, for 99 % of 1"), "{told:?}");
        let automatic = json!({ "minReplicas": 2, "maxReplicas": 9 });
        assert_eq!(warnings(json!({ "autoscaling": automatic, "circuitBreaker": percent(49) })).len(), 1);
        assert_eq!(warnings(json!({ "autoscaling": automatic, "circuitBreaker": percent(50) })).len(), 0);
        for quiet in [json!({ "circuitBreaker": percent(0) }), json!({ "circuitBreaker": {} })] {
            assert_eq!(warnings(quiet).len(), 0);
        }
        assert_eq!(warnings(json!({ "replicas": 0, "circuitBreaker": percent(10) })).len(), 0);
    }
}
