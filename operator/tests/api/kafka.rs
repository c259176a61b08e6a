//! The real Kafka, as an administrator sees it.

use std::{collections::HashMap, time::Duration};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
};

use crate::world::{eventually, kafka};

pub(crate) struct Kafka(AdminClient<DefaultClientContext>);

impl Kafka {
    pub(crate) fn connect() -> Self {
        Self(ClientConfig::new().set("bootstrap.servers", kafka()).create().unwrap())
    }

    pub(crate) async fn create(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
        // One that was just deleted may still be on its way out.
        eventually("the topic to be made", || async {
            let results = self.0.create_topics([&topic], &AdminOptions::new()).await.unwrap();
            results[0].is_ok().then_some(())
        })
        .await;
        // The broker hears of it a moment after the controller has made it.
        eventually("the topic to be shown", || async { (self.partitions(name) > 0).then_some(()) }).await;
    }

    pub(crate) async fn delete(&self, topic: &str) {
        let results = self.0.delete_topics(&[topic], &AdminOptions::new()).await.unwrap();
        assert!(results[0].is_ok(), "{results:?}");
        eventually("the topic to be gone", || async { (self.partitions(topic) == 0).then_some(()) }).await;
    }

    /// The topics whose names begin so, with their partitions.
    pub(crate) fn topics(&self, prefix: &str) -> Vec<(String, usize)> {
        let metadata = self.0.inner().fetch_metadata(None, Duration::from_secs(10)).unwrap();
        let ours = metadata.topics().iter().filter(|topic| topic.name().starts_with(prefix));
        ours.map(|topic| (topic.name().to_owned(), topic.partitions().len())).collect()
    }

    pub(crate) fn partitions(&self, topic: &str) -> usize {
        let metadata = self.0.inner().fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
        metadata.topics()[0].partitions().len()
    }

    pub(crate) async fn settings(&self, topic: &str) -> HashMap<String, String> {
        let described =
            self.0.describe_configs(&[ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await.unwrap();
        let entries = described.into_iter().flat_map(|resource| resource.unwrap().entries);
        entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
    }

    pub(crate) async fn grow(&self, topic: &str, partitions: usize) {
        let results =
            self.0.create_partitions([&NewPartitions::new(topic, partitions)], &AdminOptions::new()).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    pub(crate) async fn set(&self, topic: &str, settings: &[(&str, &str)]) {
        let change =
            AlterConfig { specifier: ResourceSpecifier::Topic(topic), entries: settings.iter().copied().collect() };
        let results = self.0.alter_configs(&[change], &AdminOptions::new()).await.unwrap();
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }
}
