//! The topics of a platform: what is known of them, and the record of which are its own.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Resource as _, ResourceExt as _,
    api::{ApiResource, DynamicObject},
};
use tracing::info;

use super::{
    apply::{self, Failure},
    context::Context,
    diff,
    obstacle::Obstacle,
    server_side_apply::{self, Presence},
};
use crate::{
    api::{Reason, TopicManagement},
    build::{FIELD_MANAGER, Platform, Records, kafka_topic, names, topic_records},
    kafka::{
        TopicReport,
        connection::Connection,
        keeper::{Known, Request},
        strimzi::{self, Topics},
    },
};

/// What is known of the topics; starts a check when one is due, whose end calls `wake`.
pub(super) fn observe(
    context: &Context,
    platform: &Platform,
    connection: Connection,
    wake: impl FnOnce() + Send + 'static,
) -> Known {
    let wanted = Request {
        connection,
        topics: platform.topics.clone(),
        management: platform.topic_management,
        kafka_topics: kafka_topic::all(platform),
        adopt: platform.adopts_topics,
        records: records(context, platform),
    };
    context.topics.observe(&platform.uid, &wanted, wake)
}

/// What is recorded of the topics. The status doesn't tell: it has the ids of other people's topics, too.
pub(super) fn records(context: &Context, platform: &Platform) -> Records {
    live(context, platform).map(|live| topic_records::read(&live)).unwrap_or_default()
}

/// The live record.
fn live(context: &Context, platform: &Platform) -> Option<DynamicObject> {
    let kind = ConfigMap::kind(&());
    context.live.child(&kind, &platform.namespace, &names::topic_records(&platform.name))
}

/// The KafkaTopics that there may be: where they are to be, and where they were.
pub(super) fn kafka_topics(context: &Context, platform: &Platform) -> Vec<DynamicObject> {
    let live = live(context, platform);
    let recorded = live.as_ref().and_then(topic_records::kafka_topics);
    let namespaces = BTreeSet::from_iter(recorded.into_iter().chain(kafka_topic::namespace(platform)));
    namespaces.into_iter().flat_map(|namespace| kafka_topic::all_in(platform, namespace)).collect()
}

/// Records where there are to be KafkaTopics, before there are any. Those in another namespace are deleted before, and
/// leave their topics: somebody else sees to these from now on.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn place_kafka_topics(context: &Context, platform: &Platform) -> Result<(), Failure> {
    let wanted = kafka_topic::namespace(platform);
    let resource = ApiResource::erase::<ConfigMap>(&());
    let live = match live(context, platform) {
        Some(live) => live,
        None if wanted.is_none() => return Ok(()),
        None => {
            let object = topic_records::build(platform, &Records::new());
            match server_side_apply::ensure(context, &resource, &object).await? {
                Presence::Found(live) => live,
                Presence::Made(_) => return Ok(()),
            }
        }
    };
    let recorded = topic_records::kafka_topics(&live);
    if recorded == wanted {
        return Ok(());
    }
    apply::admit(platform, &resource.kind, &live)?;
    if let Some(former) = recorded {
        // It may be about to make some more.
        if context.topics.is_checking(&platform.uid) {
            return Err(Failure::Leaving(format!(
                "KafkaTopics in namespace {former} are given up after their last check"
            )));
        }
        let former = kafka_topic::all_in(platform, former);
        let given_up = strimzi::delete(&context.client, &former, Topics::Stay).await;
        given_up.map_err(|sentence| Failure::Obstacle(Obstacle::new(Reason::ApplyFailed, sentence)))?;
    }
    let mut object = topic_records::build(platform, &topic_records::read(&live));
    object.metadata.resource_version = live.resource_version();
    server_side_apply::apply(context, &resource, FIELD_MANAGER, &object).await?;
    Ok(())
}

/// Records what the last check found: topics that are about to be made, and the ids of those that are the platform's own.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn record(context: &Context, platform: &Platform, known: &Known) -> Result<(), Failure> {
    let Some(Ok(reports)) = known.outcome.as_deref() else { return Ok(()) };
    if platform.topic_management == TopicManagement::External {
        return Ok(());
    }
    let resource = ApiResource::erase::<ConfigMap>(&());
    let object = topic_records::build(platform, &taking_in(reports, records(context, platform)));
    let Presence::Found(live) = server_side_apply::ensure(context, &resource, &object).await? else { return Ok(()) };
    apply::admit(platform, &resource.kind, &live)?;
    let recorded = topic_records::read(&live);
    let records = taking_in(reports, recorded.clone());
    if recorded != records || !diff::covers(&live.metadata, &object.metadata) {
        info!(name = object.name_any(), "recording the topics");
        let mut object = topic_records::build(platform, &records);
        // What was recorded since then is not to be lost.
        object.metadata.resource_version = live.resource_version();
        server_side_apply::apply(context, &resource, FIELD_MANAGER, &object).await?;
    }
    Ok(())
}

fn taking_in(reports: &[TopicReport], mut records: Records) -> Records {
    reports.iter().for_each(|report| report.add_to(&mut records));
    records
}
