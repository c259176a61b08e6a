//! CloudEvents 1.0 in Kafka's binary content mode: the attributes are headers, the event is the message's value.
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>

use chrono::{DateTime, SecondsFormat, SubsecRound, Utc};
use uuid::Uuid;

use crate::{Event, Identifier, bounds};

/// The names of the headers.
#[allow(missing_docs, reason = "the names are the specification's")]
pub mod header {
    pub const ID: &str = "ce_id";
    pub const TYPE: &str = "ce_type";
    pub const SOURCE: &str = "ce_source";
    pub const SPEC_VERSION: &str = "ce_specversion";
    pub const TIME: &str = "ce_time";
    pub const SUBJECT: &str = "ce_subject";
    pub const CONTENT_TYPE: &str = "content-type";
    /// W3C Trace Context.
    pub const TRACEPARENT: &str = "traceparent";
}

/// An event with its CloudEvents attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    /// Unique for each event; a repetition of the same event has the same id.
    pub id: Uuid,
    /// Who says it, for instance `/foodplatform/order`.
    pub source: String,
    /// When it happened, to the microsecond.
    pub time: DateTime<Utc>,
    /// The trace that it belongs to, as W3C Trace Context writes it.
    pub traceparent: Option<String>,
    /// What happened.
    pub event: Event,
}

/// Why a message is not one of our events. Such a message is for the dead-letter topic.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A header is missing or not readable.
    #[error("header {name}: {problem}")]
    Header {
        /// The header's name.
        name: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The value does not fit the event's type.
    #[error("payload of {kind}: {error}")]
    Payload {
        /// The event's type.
        kind: String,
        /// What the JSON reader says, with line and column.
        error: serde_json::Error,
    },
    /// The value is about another order than the subject says.
    #[error("subject is {subject}, payload is about {order_id}")]
    Subject {
        /// The `ce_subject` header.
        subject: String,
        /// The order in the payload.
        order_id: Identifier,
    },
}

impl CloudEvent {
    /// A new event of `source`, happening now.
    pub fn new(source: impl Into<String>, traceparent: Option<String>, event: Event) -> Self {
        Self { id: Uuid::now_v7(), source: source.into(), time: Utc::now(), traceparent, event }
    }

    /// The message's headers.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (header::SPEC_VERSION, "1.0".to_owned()),
            (header::ID, self.id.to_string()),
            (header::TYPE, self.event.kind().to_owned()),
            (header::SOURCE, self.source.clone()),
            (header::TIME, self.time.to_rfc3339_opts(SecondsFormat::Micros, true)),
            (header::SUBJECT, self.event.order_id().to_string()),
            (header::CONTENT_TYPE, "application/json".to_owned()),
        ];
        headers.extend(self.traceparent.clone().map(|value| (header::TRACEPARENT, value)));
        headers
    }

    /// Reads a message: `header` gives a header's bytes by name. `None` for a type that this version does not know.
    ///
    /// # Errors
    /// When a header that every event has is missing or unreadable, or the payload does not fit its type.
    pub fn from_message<'a>(
        header: impl Fn(&str) -> Option<&'a [u8]>,
        payload: &[u8],
    ) -> Result<Option<Self>, DecodeError> {
        let text = |name: &'static str| {
            let bytes = header(name).ok_or_else(|| DecodeError::Header { name, problem: "is missing".to_owned() })?;
            std::str::from_utf8(bytes).map_err(|error| DecodeError::Header { name, problem: error.to_string() })
        };
        let Some(event) = Event::from_payload(text(header::TYPE)?, payload)? else { return Ok(None) };
        let subject = text(header::SUBJECT)?;
        if subject != event.order_id().as_str() {
            return Err(DecodeError::Subject { subject: subject.to_owned(), order_id: event.order_id().clone() });
        }
        Ok(Some(Self {
            id: text(header::ID)?
                .parse()
                .map_err(|error| DecodeError::Header { name: header::ID, problem: format!("{error}") })?,
            source: text(header::SOURCE)?.to_owned(),
            time: text(header::TIME)?
                .parse()
                .map_err(|error| format!("{error}"))
                // A finer time would be another one when it is written again.
                .and_then(|time: DateTime<Utc>| Ok(bounds::known_years(time)?.trunc_subsecs(6)))
                .map_err(|problem| DecodeError::Header { name: header::TIME, problem })?,
            // A trace is a convenience: an unreadable one is no reason to refuse the event.
            // One that a database's text cannot hold would be refused there again and again.
            traceparent: text(header::TRACEPARENT).ok().filter(|trace| !trace.contains('\0')).map(str::to_owned),
            event,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CancelRequest;

    fn sample() -> CloudEvent {
        let event =
            Event::CancelRequested(CancelRequest { order_id: "o-1".parse().unwrap(), requested_at: Utc::now() });
        let time = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        CloudEvent { time, ..CloudEvent::new("/foodplatform/gateway", Some("00-a-b-01".to_owned()), event) }
    }

    fn read(headers: &[(&'static str, String)], payload: &[u8]) -> Result<Option<CloudEvent>, DecodeError> {
        let find = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes());
        CloudEvent::from_message(find, payload)
    }

    #[test]
    fn what_is_written_is_read_back() {
        let event = sample();
        let payload = event.event.payload().unwrap();
        assert_eq!(read(&event.headers(), &payload).unwrap(), Some(event));
    }

    #[test]
    fn an_unknown_type_is_ignored_and_a_known_one_must_fit() {
        let event = sample();
        let mut headers = event.headers();
        headers[2].1 = "MenuRenamed".to_owned();
        assert!(read(&headers, b"{}").unwrap().is_none());
        headers[2].1 = "Ordered".to_owned();
        assert!(read(&headers, b"{}").unwrap_err().to_string().starts_with("payload of Ordered"));
    }

    #[test]
    fn a_trace_that_no_database_holds_is_dropped() {
        let event = sample();
        let payload = event.event.payload().unwrap();
        let spoiled = CloudEvent { traceparent: Some("00-a\0-b-01".to_owned()), ..event.clone() };
        assert_eq!(read(&spoiled.headers(), &payload).unwrap(), Some(CloudEvent { traceparent: None, ..event }));
    }

    #[test]
    fn a_time_is_read_to_the_microsecond() {
        let event = sample();
        let payload = event.event.payload().unwrap();
        let mut headers = event.headers();
        headers[4] = (header::TIME, "2026-01-02T04:04:05.678901234+01:00".to_owned());
        assert_eq!(read(&headers, &payload).unwrap(), Some(event));
    }

    #[test]
    fn a_time_that_no_database_holds_is_refused() {
        let event = sample();
        let payload = event.event.payload().unwrap();
        for time in ["-100000-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "soon"] {
            let mut headers = event.headers();
            headers[4] = (header::TIME, time.to_owned());
            let problem = read(&headers, &payload).unwrap_err().to_string();
            assert!(problem.starts_with("header ce_time: "), "{problem}");
        }
    }

    #[test]
    fn a_missing_header_and_a_foreign_subject_are_named() {
        let event = sample();
        let payload = event.event.payload().unwrap();
        let without: Vec<_> = event.headers().into_iter().filter(|(name, _)| *name != header::ID).collect();
        assert_eq!(read(&without, &payload).unwrap_err().to_string(), "header ce_id: is missing");
        let mut foreign = event.headers();
        foreign[5].1 = "o-2".to_owned();
        assert_eq!(read(&foreign, &payload).unwrap_err().to_string(), "subject is o-2, payload is about o-1");
    }
}
