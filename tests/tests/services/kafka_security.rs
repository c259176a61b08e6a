//! A Kafka at which everybody has to prove who they are: TLS, both ways, and SCRAM.

use std::path::Path;

use tests::{
    api::{fresh, order_of, text},
    platform::{Platform, Setup},
    process::Service,
    servers::{self, SecureKafka},
    wait,
};

fn environment(kafka: &SecureKafka, password: &str) -> Vec<(&'static str, String)> {
    let file = |name: &str| Path::new(&kafka.certificates).join(name).display().to_string();
    vec![
        ("KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers.clone()),
        ("KAFKA_TLS", "true".to_owned()),
        ("KAFKA_CA_FILE", file("ca.crt")),
        ("KAFKA_CERTIFICATE_FILE", file("client.crt")),
        ("KAFKA_KEY_FILE", file("client.key")),
        ("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512".to_owned()),
        ("KAFKA_USERNAME", kafka.username.clone()),
        ("KAFKA_PASSWORD", password.to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_delivered_through_a_kafka_that_asks_who_is_there() {
    let kafka = servers::secure_kafka();
    let environment = environment(&kafka, &kafka.password);
    let mut platform = Platform::start(Setup { environment, ..Setup::default() }).await;
    let menu = platform.api.menu_with_stock(10).await;
    let order = platform.api.place_one(&menu, 2).await;
    platform.api.follow(&order, "DELIVERED").await;

    // The gateway's own way to Kafka, too.
    platform.kill(Service::Order).await;
    let deferred = platform.api.place(&order_of(&menu, 1), Some(&fresh())).await.expect(202);
    platform.restart(Service::Order).await;
    platform.api.follow(text(&deferred, "orderId"), "DELIVERED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_kafka_does_not_let_in_says_so() {
    let kafka = servers::secure_kafka();
    let environment = environment(&kafka, "a wrong one");
    let mut platform = Platform::start(Setup { environment, ..Setup::default() }).await;
    for service in Service::ALL {
        wait::until(&format!("{service}'s complaint"), wait::SOON, async || {
            let output = platform.process(service).output();
            if output.contains("SASL authentication error") { Ok(()) } else { Err(output) }
        })
        .await;
        let output = platform.process(service).output();
        assert!(!output.contains("a wrong one"), "{output}");
    }
}
