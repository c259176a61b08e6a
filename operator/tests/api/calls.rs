//! The calls of an operator by name: what it asks of the API server, and what it has Kafka do.

use std::{collections::BTreeSet, fmt};

use http::Request;
use kube::client::Body;

/// The resource of what Kafka is to change.
const TOPICS: &str = "topics";

/// One call. It goes by the same name in every life of a platform.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Call {
    /// What the platform goes through meanwhile.
    pub(crate) stage: &'static str,
    /// `PATCH` and the like, `WATCH`, or what Kafka calls it.
    pub(crate) verb: String,
    /// With the subresource, such as `foodplatforms/status`.
    pub(crate) resource: String,
    /// None for a list, and for what is named by chance.
    pub(crate) name: String,
    /// It is preceded by so many of its like that got through.
    pub(crate) after: usize,
}

pub(crate) type Calls = BTreeSet<Call>;

impl Call {
    /// What a request asks of the API server.
    pub(crate) fn new(request: &Request<Body>) -> Self {
        let mut parts = request.uri().path().split('/').skip_while(|part| *part != "namespaces").skip(2);
        let (resource, name, subresource) = (parts.next().unwrap_or("other"), parts.next(), parts.next());
        let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let is_event = resource == "events";
        Self {
            stage: "",
            verb: if watches { "WATCH" } else { request.method().as_str() }.to_owned(),
            resource: format!("{resource}{}", subresource.map(|sub| format!("/{sub}")).unwrap_or_default()),
            name: name.filter(|_| !is_event).map(without_hash).unwrap_or_default(),
            after: 0,
        }
    }

    /// What Kafka is to do with a topic, or with several.
    pub(crate) fn to_kafka(verb: &str, topic: &str) -> Self {
        Self { stage: "", verb: verb.to_owned(), resource: TOPICS.to_owned(), name: topic.to_owned(), after: 0 }
    }

    /// Verb and resource, such as `PATCH deployments`.
    pub(crate) fn kind(&self) -> String {
        format!("{} {}", self.verb, self.resource)
    }

    pub(crate) fn is_to(&self, resource: &str) -> bool {
        self.resource == resource
    }

    pub(crate) fn is_list(&self) -> bool {
        self.verb == "GET" && self.name.is_empty()
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.verb == "WATCH"
    }

    pub(crate) fn is_read(&self) -> bool {
        self.is_watch() || self.verb == "GET"
    }

    /// Whether it changes anything that matters: an event tells of it only.
    pub(crate) fn is_write(&self) -> bool {
        !self.is_read() && self.resource != "events"
    }

    /// Whether the API server is asked.
    pub(crate) fn is_to_api_server(&self) -> bool {
        self.resource != TOPICS
    }

    /// Whether another life may do without it: how often something is looked at or told is a matter of which news come
    /// together. Some of it is in every life.
    pub(crate) fn is_by_chance(&self) -> bool {
        let is_in_every_life = match self.resource.as_str() {
            "events" => self.verb == "POST",
            "secrets" if self.is_read() => self.stage == "create",
            _ if self.is_read() => self.name.is_empty() && self.stage == "create",
            "foodplatforms/status" => true,
            _ => return false,
        };
        self.after > 0 || !is_in_every_life
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {} {}", self.stage, self.verb, self.resource, self.name)?;
        if self.after > 0 { write!(f, " after {}", self.after) } else { Ok(()) }
    }
}

/// The name of a Job or a policy without its hash, which differs from one namespace to the next; any other as it is.
fn without_hash(name: &str) -> String {
    let cut = |role: &str| name.rsplit_once(role).map(|(before, _)| format!("{before}{}", role.trim_end_matches('-')));
    ["-migrate-", "-serve-"].into_iter().find_map(cut).unwrap_or_else(|| name.to_owned())
}
