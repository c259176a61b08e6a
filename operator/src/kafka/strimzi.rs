//! Topics by way of Strimzi's Topic Operator: KafkaTopics, and a look at Kafka itself for what has become of them.

use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DeleteParams, Patch, PatchParams, Preconditions},
    core::DynamicObject,
};
use serde_json::json;
use tracing::info;

use super::{
    Fate, TopicReport, direct,
    keeper::{Outcome, Request},
    plan::{LiveTopic, other_settings},
    session::Turn,
    words,
};
use crate::{
    build::{FIELD_MANAGER, Record, WantedTopic, kafka_topic},
    controller::{
        decisions::{difference, is_served, words as told},
        server_side_apply,
    },
    metrics,
};

/// The kind's name.
const KIND: &str = "KafkaTopic";
/// The annotation by which the Topic Operator is told whether to see to a KafkaTopic.
const MANAGED: &str = "strimzi.io/managed";

/// Brings the KafkaTopics to what is wanted, and looks in Kafka at what has become of the topics.
///
/// # Errors
/// When Kafka gives no answer. What the API server says no to is the topic's fate.
pub(super) async fn ensure(client: &Client, turn: &Turn, request: &Request) -> Outcome {
    let names = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let live = direct::look(turn, &request.connection, names).await?;
    let resource = served(client).await.and_then(|resource| {
        let missing = "this cluster has no KafkaTopic of kafka.strimzi.io: install Strimzi, or set another \
                       kafka.topicManagement";
        resource.ok_or_else(|| missing.to_owned())
    });
    let mut reports = Vec::new();
    for ((wanted, built), live) in request.topics.iter().zip(&request.kafka_topics).zip(live) {
        let mut report = TopicReport::new(wanted);
        report.fate = match (&resource, live) {
            (Err(sentence), _) => Fate::Refused(sentence.clone()),
            (_, Err(sentence)) => Fate::Refused(sentence),
            (Ok(resource), Ok(live)) => {
                let live = live.as_ref();
                bring(client, resource, request, wanted, built, live, &mut report).await.unwrap_or_else(Fate::Refused)
            }
        };
        reports.push(report);
    }
    Ok(reports)
}

/// The newest version of the kind that the cluster has; none where Strimzi isn't installed.
async fn served(client: &Client) -> Result<Option<ApiResource>, String> {
    for resource in kafka_topic::resources() {
        match is_served(client, &resource).await {
            Ok(true) => return Ok(Some(resource)),
            Ok(false) => {}
            Err(error) => return Err(format!("asking for the kind {KIND}: {}", told(&error))),
        }
    }
    Ok(None)
}

async fn bring(
    client: &Client,
    resource: &ApiResource,
    request: &Request,
    wanted: &WantedTopic,
    built: &DynamicObject,
    live: Option<&LiveTopic>,
    report: &mut TopicReport,
) -> Result<Fate, String> {
    let (namespace, name) = (built.namespace().unwrap_or_default(), built.name_any());
    let what = |doing: &str| format!("{doing} {KIND} {namespace}/{name}");
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, resource);
    let found = api.get_opt(&name).await.map_err(|error| format!("{}: {}", what("reading"), told(&error)))?;
    // Not before: whose it is can't be told without the KafkaTopic.
    report.show(live);
    let is_recorded = matches!((request.records.get(&wanted.name), live), (Some(Record { id: Some(id), .. }), Some(live)) if *id == live.id);
    match &found {
        _ if request.adopt => {}
        Some(found) if !kafka_topic::is_ours(found, built) => {
            return Ok(Fate::Foreign(format!(
                "{KIND} {namespace}/{name} is there already and was not made for this platform: remove or rename it, or set \
                 kafka.adopt: true to take it"
            )));
        }
        // The Topic Operator would take whatever it finds.
        None if live.is_some() && !is_recorded => return Ok(words::foreign(&wanted.name, false)),
        _ => {}
    }
    if found.as_ref().is_some_and(|found| found.metadata.deletion_timestamp.is_some()) {
        return Ok(Fate::Refused(format!("{KIND} {namespace}/{name} is being deleted")));
    }
    let object = possible(built, resource, live);
    let is_other = |found: &DynamicObject| difference(&object, found, FIELD_MANAGER).is_some();
    if found.as_ref().is_none_or(is_other) {
        let parameters = server_side_apply::parameters(FIELD_MANAGER);
        let applied = api.patch(&name, &parameters, &Patch::Apply(&object)).await;
        applied.map_err(|error| format!("{}: {}", what("applying"), told(&error)))?;
        metrics::written(KIND, "apply");
        info!(namespace, name, "applied {KIND}");
    }
    let Some(live) =
        live.filter(|live| wanted.partitions <= live.partitions && other_settings(wanted, live).is_empty())
    else {
        return Ok(Fate::Refused(format!(
            "topic {} is not yet as {KIND} {namespace}/{name} asks for: {}",
            wanted.name,
            found
                .as_ref()
                .and_then(complaint)
                .unwrap_or_else(|| "Strimzi's Topic Operator has yet to see to it".to_owned())
        )));
    };
    Ok(words::look(wanted, Some(live)))
}

/// The KafkaTopic, but with what can't be changed as it is: the Topic Operator would give up the whole over it.
fn possible(built: &DynamicObject, resource: &ApiResource, live: Option<&LiveTopic>) -> DynamicObject {
    let mut object = built.clone();
    object.types = Some(kube::core::TypeMeta { api_version: resource.api_version.clone(), kind: KIND.to_owned() });
    if let Some(live) = live {
        let wanted = object.data["spec"]["partitions"].as_i64().unwrap_or_default();
        object.data["spec"]["partitions"] = json!(wanted.max(live.partitions.into()));
        object.data["spec"]["replicas"] = json!(live.replication_factor);
    }
    object
}

/// What the Topic Operator says is wrong with a KafkaTopic.
fn complaint(found: &DynamicObject) -> Option<String> {
    let conditions = found.data.pointer("/status/conditions")?.as_array()?;
    let failed = conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "False")?;
    let text = |field: &str| failed[field].as_str().filter(|text| !text.is_empty());
    text("message").or_else(|| text("reason")).map(str::to_owned)
}

/// What becomes of the topics whose KafkaTopics are deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Topics {
    /// They are deleted, too.
    Go,
    /// They stay as they are.
    Stay,
}

/// Deletes the KafkaTopics that are the platform's own. Gives how many of them are still there, but for those that have to
/// stay for their topics to stay.
///
/// # Errors
/// In a sentence, when the API server can't be asked, or refuses.
pub(crate) async fn delete(client: &Client, built: &[DynamicObject], topics: Topics) -> Result<usize, String> {
    let Some(resource) = served(client).await? else { return Ok(0) };
    let mut left = 0;
    for built in built {
        let (namespace, name) = (built.namespace().unwrap_or_default(), built.name_any());
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
        let told = |error| format!("deleting {KIND} {namespace}/{name}: {}", told(&error));
        let Some(mut live) = api.get_opt(&name).await.map_err(told)?.filter(|live| kafka_topic::is_ours(live, built))
        else {
            continue;
        };
        left += 1;
        if live.metadata.deletion_timestamp.is_some() {
            continue;
        }
        if topics == Topics::Stay {
            // The Topic Operator leaves the topic of such a one alone, also when that goes.
            let metadata = json!({ "uid": live.uid(), "annotations": { MANAGED: "false" } });
            let patch = Patch::Merge(json!({ "metadata": metadata }));
            match api.patch(&name, &PatchParams::default(), &patch).await {
                Ok(patched) => live = patched,
                Err(kube::Error::Api(answer)) if answer.code == 404 => continue,
                Err(error) => return Err(told(error)),
            }
            metrics::written(KIND, "patch");
            // A Topic Operator that puts no finalizer there doesn't know the annotation: it would delete the topic.
            if live.finalizers().is_empty() {
                left -= 1;
                continue;
            }
        }
        // Not one that has just been given a finalizer: the API server would overlook that, and the topic would be left.
        let preconditions = Preconditions { uid: live.uid(), resource_version: live.resource_version() };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match api.delete(&name, &parameters).await {
            Ok(_) => metrics::written(KIND, "delete"),
            Err(kube::Error::Api(answer)) if answer.code == 404 => {}
            // It is looked at again.
            Err(kube::Error::Api(answer)) if answer.is_conflict() && topics == Topics::Go => {}
            Err(error) => return Err(told(error)),
        }
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(data: serde_json::Value) -> DynamicObject {
        DynamicObject::new("menu", &kafka_topic::resources()[1]).data(data)
    }

    #[test]
    fn what_can_not_be_changed_is_asked_for_as_it_is() {
        let built = object(json!({ "spec": { "partitions": 3, "replicas": 3 } }));
        let live = LiveTopic { partitions: 6, replication_factor: 1, ..LiveTopic::default() };
        let resource = &kafka_topic::resources()[1];
        assert_eq!(possible(&built, resource, Some(&live)).data["spec"], json!({ "partitions": 6, "replicas": 1 }));
        let live = LiveTopic { partitions: 1, ..live };
        assert_eq!(possible(&built, resource, Some(&live)).data["spec"], json!({ "partitions": 3, "replicas": 1 }));
        assert_eq!(possible(&built, resource, None).data, built.data);
    }

    #[test]
    fn the_topic_operator_s_own_words_are_told() {
        let with = |status: &str| {
            let condition = json!({ "type": "Ready", "status": status, "reason": "NotSupported", "message": "no" });
            complaint(&object(json!({ "status": { "conditions": [condition] } })))
        };
        assert_eq!(with("False").as_deref(), Some("no"));
        assert_eq!(with("True"), None);
        assert_eq!(complaint(&object(json!({}))), None);
    }
}
