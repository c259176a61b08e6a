//! What lies on the topics, as an AsyncAPI document: `docs/src/asyncapi.json`, which `cargo xtask asyncapi` writes.

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{Event, Topic, header};

/// An event as the document tells of it.
pub(crate) struct Message {
    kind: &'static str,
    topic: Topic,
    meaning: &'static str,
    payload: String,
    /// The payload's schema and those that it refers to.
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Message {
    /// The event `kind` on `topic`, which holds a `T`.
    pub(crate) fn new<T: ToSchema>(kind: &'static str, topic: Topic, meaning: &'static str) -> Self {
        let payload = T::name().into_owned();
        let mut schemas = vec![(payload.clone(), T::schema())];
        T::schemas(&mut schemas);
        Self { kind, topic, meaning, payload, schemas }
    }
}

/// Who writes a topic, and who reads it.
fn parties(topic: Topic) -> (&'static str, &'static [&'static str]) {
    match topic {
        Topic::Menu => ("order", &["cook", "mypage"]),
        Topic::Cook => ("cook", &["delivery", "order", "mypage"]),
        Topic::Delivery => ("delivery", &["order", "mypage"]),
        Topic::OrderRequests => ("gateway", &["order", "mypage"]),
    }
}

/// The name of the message that a dead letter is.
const DEAD_LETTER: &str = "DeadLetter";

/// The document.
pub fn document() -> Value {
    let messages = Event::messages();
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for &topic in Topic::ALL {
        let kinds: Vec<_> = messages.iter().filter(|message| message.topic == topic).map(|it| it.kind).collect();
        let (writer, readers) = parties(topic);
        let dead = format!("{topic}.dlq");
        channels.insert(topic.to_string(), channel(topic.as_str(), &topic_description(topic), &kinds));
        let description = format!("Messages of the topic {topic} that a reader could not read, put aside by it.");
        channels.insert(dead.clone(), channel(&dead, &description, &[DEAD_LETTER]));
        operations.insert(format!("{writer}-sends-{topic}"), operation("send", writer, topic.as_str()));
        for reader in readers {
            operations.insert(format!("{reader}-receives-{topic}"), operation("receive", reader, topic.as_str()));
            operations.insert(format!("{reader}-sends-{topic}-dlq"), operation("send", reader, &dead));
        }
    }
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "FoodPlatform",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the services of a food-delivery platform say to each other by Kafka: CloudEvents 1.0 in Kafka's \
                binary content mode, keyed by the order that they are about, so that an order's events keep their order. Each \
                carries the owner's whole part as it was right after, with its version: a reader keeps the newest and needs no \
                history. An event may come more than once.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": components(&messages), "schemas": schemas(messages) },
    })
}

fn topic_description(topic: Topic) -> String {
    match topic {
        Topic::Menu => "What order says to the kitchen.",
        Topic::Cook => "What the kitchen says to delivery.",
        Topic::Delivery => "What delivery says.",
        Topic::OrderRequests => "What the gateway took for order while order was away.",
    }
    .to_owned()
}

fn channel(suffix: &str, description: &str, messages: &[&str]) -> Value {
    let reference = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/messages/{name}") }));
    json!({
        "address": format!("{{topicPrefix}}{suffix}"),
        "description": description,
        "parameters": {
            "topicPrefix": { "description": "spec.kafka.topicPrefix; NAMESPACE.NAME. of the platform where that is not set." },
        },
        "messages": messages.iter().map(reference).collect::<Map<_, _>>(),
    })
}

fn operation(action: &str, service: &str, channel: &str) -> Value {
    json!({
        "action": action,
        "title": format!("{service} {action}s {channel}"),
        "channel": { "$ref": format!("#/channels/{channel}") },
        "tags": [{ "name": service }],
    })
}

fn components(messages: &[Message]) -> Map<String, Value> {
    let of_event = |message: &Message| {
        let value = json!({
            "name": message.kind,
            "summary": message.meaning,
            "contentType": "application/json",
            "headers": headers(message.kind),
            "payload": { "$ref": format!("#/components/schemas/{}", message.payload) },
            "bindings": by_order(),
        });
        (message.kind.to_owned(), value)
    };
    messages.iter().map(of_event).chain([(DEAD_LETTER.to_owned(), dead_letter())]).collect()
}

/// The order is the key. (AsyncAPI's own schema takes no reference here: it would be of two kinds.)
fn by_order() -> Value {
    let key = json!({ "type": "string", "description": "The order that it is about, as ce_subject" });
    json!({ "kafka": { "bindingVersion": "0.5.0", "key": key } })
}

/// The headers of an event; any more are let be.
fn headers(kind: &str) -> Value {
    let required = [
        header::SPEC_VERSION,
        header::ID,
        header::TYPE,
        header::SOURCE,
        header::TIME,
        header::SUBJECT,
        header::CONTENT_TYPE,
    ];
    json!({
        "type": "object",
        "required": required,
        "properties": {
            header::SPEC_VERSION: { "type": "string", "const": "1.0" },
            header::ID: { "type": "string", "format": "uuid", "description": "The same for a repetition of the same event" },
            header::TYPE: { "type": "string", "const": kind },
            header::SOURCE: { "type": "string", "minLength": 1, "description": "Who says it" },
            header::TIME: { "type": "string", "format": "date-time", "description": "When it happened, to the microsecond" },
            header::SUBJECT: { "$ref": "#/components/schemas/Identifier" },
            header::CONTENT_TYPE: { "type": "string", "const": "application/json" },
            header::TRACEPARENT: { "type": "string", "description": "W3C Trace Context of the request that it goes back to" },
        },
    })
}

fn dead_letter() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    json!({
        "name": DEAD_LETTER,
        "summary": "A message that is no event of ours, with its own key, headers and value, and why.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": ["dlq_error", "dlq_topic", "dlq_partition", "dlq_offset", "dlq_reader"],
            "properties": {
                "dlq_error": text("Why it could not be read"),
                "dlq_topic": text("The topic that it was on"),
                "dlq_partition": text("The partition that it was on"),
                "dlq_offset": text("Its offset there"),
                "dlq_reader": text("The service that put it aside"),
            },
        },
        "payload": {},
    })
}

/// All schemas, by name. Several messages hold the same.
fn schemas(messages: Vec<Message>) -> Map<String, Value> {
    let all = messages.into_iter().flat_map(|message| message.schemas);
    // Plain data with string keys always serialises.
    all.map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default())).collect()
}
