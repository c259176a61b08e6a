//! What holds where the spec says nothing. Applied in memory, when a platform is validated.

use super::{AccessMode, FoodService};

/// Pods of a service to begin with: what Kubernetes makes of a Deployment that doesn't say it.
pub const REPLICAS: i32 = 1;
/// The fewest pods with autoscaling.
pub const MIN_REPLICAS: i32 = 1;
/// The CPU use that autoscaling aims at, in percent of the request.
pub const TARGET_CPU_UTILIZATION: i32 = 80;

/// How long it may take until the next new pod of a service is ready.
pub const PROGRESS_DEADLINE: &str = "10m";

/// How long a deletion may wait.
pub const DELETION_TIMEOUT: &str = "5m";

/// What a pod asks for; small, since the services are.
pub const CPU_REQUEST: &str = "50m";
/// What a pod asks for.
pub const MEMORY_REQUEST: &str = "32Mi";
/// What a pod may use. CPU has no limit: throttling a service that is alone on its node helps nobody.
pub const MEMORY_LIMIT: &str = "128Mi";

/// Requests that may wait for a connection.
pub const MAX_PENDING_REQUESTS: i32 = 1024;
/// Requests that a connection carries; 0 is no limit.
pub const MAX_REQUESTS_PER_CONNECTION: i32 = 0;
/// Failures of a pod in a row that eject it.
pub const CONSECUTIVE_5XX_ERRORS: i32 = 5;
/// How often ejected pods are looked at.
pub const EJECTION_INTERVAL: &str = "1s";
/// How long a pod is ejected at first.
pub const BASE_EJECTION_TIME: &str = "5s";
/// How many of a service's pods may be ejected, in percent.
pub const MAX_EJECTION_PERCENT: i32 = 100;

/// How long cooking takes.
pub const COOKING_TIME: &str = "5s..15s";
/// How long a delivery takes.
pub const DELIVERY_TIME: &str = "5s..15s";

/// Whether there are NetworkPolicies.
pub const NETWORK_POLICIES: bool = true;

/// The key of the Secret that holds the database's URL.
pub const DATABASE_KEY: &str = "url";
/// The key of a Secret that holds certificates of authorities.
pub const CA_KEY: &str = "ca.crt";
/// The key of a Secret that holds a user's name.
pub const USERNAME_KEY: &str = "username";
/// The key of a Secret that holds a user's password.
pub const PASSWORD_KEY: &str = "password";

/// Partitions of a topic: divisible by 1, 2, 3, 4, 6 and 12 pods, and few enough for any Kafka.
pub const PARTITIONS: i32 = 12;
/// How long a topic's messages are kept.
pub const RETENTION: &str = "7d";
/// How long dead letters are kept at least: somebody has to look at them.
pub const DEAD_LETTER_RETENTION: &str = "30d";

/// What is logged.
pub const LOG_LEVEL: &str = "info";
/// Log files of a pod.
pub const LOG_MAX_FILES: i32 = 10;
/// What a service's log files take together without a claim.
pub const LOG_MAX_TOTAL_SIZE: &str = "100Mi";
/// A log claim's size.
pub const LOG_VOLUME_SIZE: &str = "1Gi";
/// Who can mount a log claim.
pub const LOG_ACCESS_MODES: [AccessMode; 1] = [AccessMode::ReadWriteMany];

/// What topics begin with: platforms can share a Kafka cluster.
pub fn topic_prefix(namespace: &str, name: &str) -> String {
    format!("{namespace}.{name}.")
}

/// A service's image.
pub fn image(registry: &str, service: FoodService, tag: &str) -> String {
    format!("{registry}/{service}:{tag}")
}
