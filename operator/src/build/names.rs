//! Names that grow from the platform's, each within the limit of what it names.

use super::{checksum, platform::Platform};
use crate::api::FoodService;

/// The longest name of an identifier of PostgreSQL and of a Job, in bytes.
const LIMIT: usize = 63;
/// How the name of the Secret with what order shows to cook ends.
const CANCELLATION_TOKENS: &str = "-cancellation-tokens";

/// `NAME-SERVICE`: the Deployment, Service, ConfigMap, ServiceAccount, HorizontalPodAutoscaler and PodDisruptionBudget
/// of a service.
pub fn child(platform: &str, service: FoodService) -> String {
    format!("{platform}-{service}")
}

/// `NAME-SERVICE-logs`: the claim for a service's log files.
pub fn log_claim(platform: &str, service: FoodService) -> String {
    format!("{platform}-{service}-logs")
}

/// `NAME-SERVICE-ROLE-HASH`, where `outside` is whom the pods with that role may reach outside of the platform.
pub fn network_policy(platform: &str, service: FoodService, role: &str, outside: &str) -> String {
    format!("{platform}-{service}-{role}-{}", checksum::short(&[outside]))
}

/// `NAME-topics`: the ConfigMap that records which topics are the platform's own.
pub fn topic_records(platform: &str) -> String {
    format!("{platform}-topics")
}

/// `NAME-cancellation-tokens`: the Secret with what order shows to cook.
pub fn cancellation_tokens(platform: &str) -> String {
    format!("{platform}{CANCELLATION_TOKENS}")
}

/// The platform whose Secret that would be.
pub fn whose_cancellation_tokens(secret: &str) -> Option<&str> {
    secret.strip_suffix(CANCELLATION_TOKENS)
}

/// `NAME-SERVICE-migrate-HASH`, where `inputs` is everything that the Job is made of. A long platform's name is cut.
pub fn migration_job(platform: &str, service: FoodService, inputs: &[&str]) -> String {
    let hash = checksum::short(&[&[platform], inputs].concat());
    let suffix = format!("-{service}-migrate-{hash}");
    let room = LIMIT.saturating_sub(suffix.len()).min(platform.len());
    format!("{}{suffix}", platform[..room].trim_end_matches('-'))
}

/// The base URL of a service for its callers in the platform.
pub fn url(platform: &str, service: FoodService) -> String {
    format!("http://{}:{}", child(platform, service), super::pod::HTTP_PORT)
}

/// The consumer group of a service: `NAMESPACE.NAME.SERVICE`, whatever the topics begin with. Platforms that share their
/// topics each get every event.
pub fn consumer_group(platform: &Platform, service: FoodService) -> String {
    format!("{}.{}.{service}", platform.namespace, platform.name)
}

/// The KafkaTopic of a topic: it lies in a namespace that is nobody's own.
pub(super) fn kafka_topic(platform: &Platform, topic: &str) -> String {
    format!("{}.{}.{topic}", platform.namespace, platform.name)
}

/// The PostgreSQL schema of a service: `NAMESPACE__NAME__SERVICE` with '-' as '_', at most 63 of `[a-z0-9_]`.
///
/// No two services of any platforms have the same one, so that they can share a database: where the plain form would
/// be ambiguous, too long or not PostgreSQL's to give, it ends in a hash or begins with '_'.
pub fn schema(namespace: &str, name: &str, service: FoodService) -> String {
    let mut plain = format!("{namespace}__{name}__{service}").replace('-', "_");
    // PostgreSQL keeps `pg_` for itself, and a leading digit would need quotes.
    if plain.starts_with("pg_") || plain.starts_with(|first: char| first.is_ascii_digit()) {
        plain.insert(0, '_');
    }
    let ambiguous = namespace.contains("--") || name.contains("--");
    if plain.len() <= LIMIT && !ambiguous {
        return plain;
    }
    let hash = checksum::short(&[namespace, name, service.as_str()]);
    // All of it is ASCII, so that any index is a boundary.
    let room = (LIMIT - hash.len() - 1).min(plain.len());
    format!("{}_{hash}", &plain[..room])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_schema_says_whose_it_is() {
        assert_eq!(schema("food", "quickstart", FoodService::Order), "food__quickstart__order");
        assert_eq!(schema("team-a", "shop-eu", FoodService::MyPage), "team_a__shop_eu__mypage");
    }

    #[test]
    fn a_schema_stays_within_what_postgresql_takes() {
        for (namespace, name) in [
            ("n".repeat(63), "p".repeat(40)),
            ("1st".to_owned(), "a".to_owned()),
            ("pg".to_owned(), "a".to_owned()),
            ("a--b".to_owned(), "c".to_owned()),
        ] {
            let schema = schema(&namespace, &name, FoodService::Delivery);
            assert!(schema.len() <= 63, "{schema}");
            assert!(schema.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'), "{schema}");
            assert!(!schema.starts_with("pg_") && !schema.starts_with(|c: char| c.is_ascii_digit()), "{schema}");
        }
    }

    #[test]
    fn schemas_of_different_platforms_differ() {
        let long = "n".repeat(63);
        let platforms =
            [("a", "b-c"), ("a-b", "c"), ("a--b", "c"), ("a", "b--c"), (&long, "x-1"), (&long, "x-2"), ("a-b-c", "d")];
        let schemas: HashSet<_> = platforms.iter().map(|(ns, name)| schema(ns, name, FoodService::Order)).collect();
        assert_eq!(schemas.len(), platforms.len(), "{schemas:?}");
    }

    #[test]
    fn a_job_of_the_longest_platform_fits() {
        let name = format!("{}-{}", "p".repeat(30), "q".repeat(9));
        assert_eq!(name.len(), 40);
        let job = migration_job(&name, FoodService::Delivery, &["image"]);
        assert!(job.len() <= 63, "{job}");
        assert!(!job.contains("--"), "{job}");
    }

    #[test]
    fn a_job_has_another_name_for_other_inputs() {
        let job = |inputs: &[&str]| migration_job("shop", FoodService::Order, inputs);
        assert_ne!(job(&["a:1", "x"]), job(&["a:2", "x"]));
        assert_ne!(job(&["ab", "c"]), job(&["a", "bc"]));
        assert_eq!(job(&["a:1"]), job(&["a:1"]));
        assert!(job(&["a:1"]).starts_with("shop-order-migrate-"));
    }

    #[test]
    fn every_name_of_the_longest_platform_is_a_label() {
        let name = "p".repeat(40);
        for service in FoodService::ALL {
            assert!(child(&name, service).len() <= 63);
            assert!(log_claim(&name, service).len() <= 63);
        }
    }
}
