//! The Jobs that migrate databases.

use kube::ResourceExt as _;

use super::*;

#[test]
fn a_migration_runs_again_for_another_image_or_database_only() {
    let job = |spec: Value, secret: &str| {
        let children = children(&platform(spec), &with_database(secret, 5432));
        children.migration_of(FoodService::Order).unwrap().name()
    };
    let before = job(smallest(), "a");
    let with = |path: &str, value: Value| {
        let mut spec = smallest();
        *spec.pointer_mut(path).unwrap() = value;
        spec
    };
    assert_ne!(before, job(with("/image/tag", json!("1.5.0")), "a"));
    assert_ne!(before, job(with("/database/secretRef/name", json!("other")), "a"));
    let mut with_authority = smallest();
    with_authority["database"]["caSecretRef"] = json!({ "name": "ca" });
    assert_ne!(before, job(with_authority, "a"), "one that failed for want of it must not be the last word");
    assert_ne!(before, job(smallest(), "b"));
    assert_eq!(before, job(with("/kafka/bootstrapServers", json!("other:9092")), "a"));
}

#[test]
fn a_migration_tells_with_which_pods_it_was_made() {
    let job = |spec: Value| {
        let job = children(&platform(spec), &known()).migration_of(FoodService::Order).unwrap().object.clone();
        (job.name_any(), job.annotations()[TEMPLATE_CHECKSUM].clone())
    };
    let (name, checksum) = job(smallest());
    for (part, settings) in [
        ("image", json!({ "registry": "ghcr.io/example/foodplatform", "tag": "1.4.0", "pullSecrets": ["registry"] })),
        ("services", json!({ "order": { "nodeSelector": { "a": "b" } } })),
        ("services", json!({ "order": { "resources": { "limits": { "memory": "1Gi" } } } })),
        ("services", json!({ "order": { "env": [{ "name": "A", "value": "b" }] } })),
    ] {
        let mut spec = smallest();
        spec[part] = settings;
        let (its_name, its_checksum) = job(spec.clone());
        assert_eq!(its_name, name, "{spec}");
        assert_ne!(its_checksum, checksum, "{spec}");
    }
    let mut spec = smallest();
    spec["services"] = json!({ "order": { "replicas": 2 }, "cook": { "nodeSelector": { "a": "b" } } });
    assert_eq!(job(spec), (name, checksum), "its pods are the same");
}
