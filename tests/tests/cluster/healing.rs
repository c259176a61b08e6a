//! What only the operator can find out is said in a condition, and heals by itself.

use tests::cluster::{Cluster, SECRET, Throwaway};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_said_and_heals() {
    let throwaway = Throwaway::new(&Cluster::connect().await).await;
    throwaway.apply().await;
    let platform = &throwaway.platform;
    let condition = platform.until_condition("Ready", |condition| condition.message.contains(SECRET)).await;
    assert_eq!(condition.status, "False", "{condition:?}");
    assert!(condition.message.contains("Secret"), "{condition:?}");

    throwaway.create_secret().await;
    platform.until_ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_kafka_address_is_said_and_heals() {
    // Nothing listens on the discard port of the pod itself.
    const NOBODY: &str = "127.0.0.1:9";
    let mut throwaway = Throwaway::new(&Cluster::connect().await).await;
    throwaway.create_secret().await;
    let right = throwaway.spec["kafka"]["bootstrapServers"].take();
    throwaway.spec["kafka"]["bootstrapServers"] = NOBODY.into();
    throwaway.apply().await;
    let platform = throwaway.platform.clone();
    let condition = platform.until_condition("TopicsReady", |condition| condition.message.contains(NOBODY)).await;
    assert_ne!(condition.status, "True", "{condition:?}");
    let condition = platform.until_condition("Ready", |condition| condition.status == "False").await;
    assert!(!condition.message.is_empty(), "{condition:?}");

    throwaway.spec["kafka"]["bootstrapServers"] = right;
    throwaway.apply().await;
    platform.until_condition("TopicsReady", |condition| condition.status == "True").await;
    platform.until_ready().await;
}
