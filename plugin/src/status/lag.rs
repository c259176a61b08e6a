//! How many messages each service has still to read, as its pods tell.

use std::{collections::BTreeMap, time::Duration};

use foodplatform_operator::{
    api::FoodService,
    build::{ADMIN_PORT, labels},
    controller::decisions::words,
};
use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use serde::Serialize;

use super::metrics;
use crate::cluster::Cluster;

/// How long a pod may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the pods of a service have still to read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lag {
    /// Messages in all topics; less than there are where pods didn't tell, and none where nobody did.
    pub(super) total: Option<u64>,
    /// Messages by topic.
    pub(super) topics: BTreeMap<String, u64>,
    /// Why pods didn't tell.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) untold: Vec<String>,
}

/// What one pod has still to read, by topic; or why it doesn't tell.
type Told = Result<BTreeMap<String, u64>, String>;

/// Asks all pods that read from Kafka at the same time.
pub(super) async fn read(cluster: &Cluster, pods: &[Pod]) -> BTreeMap<FoodService, Lag> {
    let readers = pods.iter().filter_map(|pod| Some((reader(pod)?, pod)));
    let told = join_all(readers.map(|(service, pod)| async move {
        let told = ask(cluster, &pod.name_any()).await;
        (service, told.map_err(|reason| format!("pod {} doesn't tell: {reason}", pod.name_any())))
    }));
    let mut lags: BTreeMap<FoodService, Lag> =
        FoodService::ALL.into_iter().filter(|service| service.consumes()).map(|s| (s, Lag::default())).collect();
    for (service, told) in told.await {
        lags.entry(service).or_default().add(told);
    }
    lags
}

impl Lag {
    /// Each pod tells of the partitions that it reads, which are nobody else's.
    fn add(&mut self, told: Told) {
        match told {
            Ok(topics) => {
                for (topic, messages) in topics {
                    *self.total.get_or_insert_default() += messages;
                    *self.topics.entry(topic).or_default() += messages;
                }
            }
            Err(reason) => self.untold.push(reason),
        }
    }
}

/// The service of a pod that reads from Kafka now.
fn reader(pod: &Pod) -> Option<FoodService> {
    let label = |key: &str| pod.labels().get(key).map(String::as_str);
    let service = FoodService::ALL.into_iter().find(|service| label(labels::NAME) == Some(service.as_str()))?;
    let runs = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    let serves = label(labels::ROLE) == Some(labels::ROLE_SERVE) && pod.metadata.deletion_timestamp.is_none();
    (runs && serves && service.consumes()).then_some(service)
}

async fn ask(cluster: &Cluster, pod: &str) -> Told {
    let path = format!("/api/v1/namespaces/{}/pods/{pod}:{ADMIN_PORT}/proxy/metrics", cluster.namespace);
    let request = http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())?;
    match tokio::time::timeout(PATIENCE, cluster.client.request_text(request)).await {
        Ok(Ok(exposition)) => lags(&exposition),
        Ok(Err(error)) => Err(words(&error)),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// The lag by topic in what a pod exports.
fn lags(exposition: &str) -> Told {
    let samples = metrics::samples(exposition, "consumer_lag", "topic")?;
    if samples.is_empty() {
        return Err("it has read nothing yet".to_owned());
    }
    // Messages are whole; what is below zero or no number becomes 0.
    Ok(samples.into_iter().map(|(topic, messages)| (topic, messages as u64)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(exposition: &str) -> Lag {
        let mut lag = Lag::default();
        lag.add(lags(exposition));
        lag
    }

    #[test]
    fn pods_share_the_partitions_of_a_topic() {
        let mut lag = told("consumer_lag{topic=\"menu\"} 3\nconsumer_lag{topic=\"cook\"} 0\n");
        lag.add(lags("consumer_lag{topic=\"menu\"} 4\n"));
        assert_eq!(lag.total, Some(7));
        assert_eq!(lag.topics, [("cook".to_owned(), 0), ("menu".to_owned(), 7)].into());
    }

    #[test]
    fn a_pod_that_has_not_read_yet_is_not_one_without_lag() {
        let lag = told("up 1\n");
        assert_eq!((lag.total, lag.untold.len()), (None, 1));
    }
}
