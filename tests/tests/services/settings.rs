//! What the operator tells a service is what the service listens to.

use std::collections::BTreeSet;

use foodplatform_operator::{
    api::{FoodPlatform, FoodService},
    build::{Dereferenced, Platform, children},
};
use serde_json::json;
use tests::process::{Service, help};

/// A platform that sets everything that becomes a variable.
fn platform() -> Platform {
    let breaker = json!({
        "maxPendingRequests": 1, "maxRequestsPerConnection": 1, "consecutive5xxErrors": 1, "interval": "1s",
        "baseEjectionTime": "10m", "maxEjectionPercent": 100,
    });
    let service = json!({ "circuitBreaker": breaker });
    let platform: FoodPlatform = serde_json::from_value(json!({
        "apiVersion": "foodplatform.dev/v1alpha1",
        "kind": "FoodPlatform",
        "metadata": { "name": "shop", "namespace": "food", "uid": "1" },
        "spec": {
            "image": { "registry": "localhost", "tag": "dev" },
            "services": { "order": service, "cook": service, "delivery": service, "mypage": service },
            "kafka": { "bootstrapServers": "kafka:9092" },
            "database": { "secretRef": { "name": "database" } },
            "logs": { "volume": {} },
        },
    }))
    .expect("a platform");
    Platform::new(&platform).expect("a platform that can be built")
}

/// The variables of the pods of `service`.
fn told(service: FoodService) -> BTreeSet<String> {
    let children = children(&platform(), &Dereferenced::default());
    let mut names = BTreeSet::new();
    for child in children.iter().filter(|child| child.service == service) {
        let data = &child.object.data;
        match child.kind() {
            "ConfigMap" => names.extend(data["data"].as_object().expect("data").keys().cloned()),
            "Deployment" => {
                let env = data["spec"]["template"]["spec"]["containers"][0]["env"].as_array().expect("env");
                names.extend(env.iter().filter_map(|env| env["name"].as_str()).map(str::to_owned));
            }
            _ => {}
        }
    }
    names
}

#[test]
fn every_variable_that_the_operator_sets_is_one_that_the_service_knows() {
    for (service, food) in Service::ALL.into_iter().zip(FoodService::ALL) {
        assert_eq!(service.name(), food.as_str());
        let told = told(food);
        assert!(told.contains("LOG_LEVEL"), "{service}: {told:?}");
        assert!(food != FoodService::Gateway || told.contains("COOK_MAX_EJECTION_PERCENT"), "{told:?}");
        // MyPage is told where the others are for a command of its own.
        let mut help = help(service, &["serve"]);
        if food == FoodService::MyPage {
            help += &self::help(service, &["rebuild"]);
        }
        let knows = |name: &str| ["=", "]"].iter().any(|end| help.contains(&format!("[env: {name}{end}")));
        let unknown: Vec<_> = told.iter().filter(|name| !knows(name)).collect();
        assert!(unknown.is_empty(), "{service} does not know {unknown:?}; its help:\n{help}");
    }
}
