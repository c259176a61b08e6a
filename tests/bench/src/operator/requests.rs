//! What somebody has asked the API server for, from its audit log. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How many requests there were, but for those about Leases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// get, list and the beginning of a watch.
    pub(crate) reads: u64,
    /// create, update, patch and delete.
    pub(crate) writes: u64,
    /// The writes, by resource and subresource.
    pub(crate) by_resource: BTreeMap<String, u64>,
}

/// A line of the audit log, as far as it is needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    stage: String,
    verb: String,
    user: User,
    object_ref: Option<Object>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct Object {
    resource: Option<String>,
    subresource: Option<String>,
}

/// Counts a user's requests in lines of the log. A last line that is half written is left out.
pub(crate) fn count(log: &str, user: &str) -> Requests {
    let mut requests = Requests::default();
    for line in log.lines() {
        let Ok(event) = serde_json::from_str::<Event>(line) else { continue };
        let resource = event.object_ref.as_ref().and_then(|object| object.resource.as_deref()).unwrap_or_default();
        if event.user.username != user || resource == "leases" {
            continue;
        }
        match (event.verb.as_str(), event.stage.as_str()) {
            // Its end is no request.
            ("watch", "ResponseStarted") | ("get" | "list", "ResponseComplete") => requests.reads += 1,
            ("create" | "update" | "patch" | "delete", "ResponseComplete") => {
                requests.writes += 1;
                let name = match event.object_ref.as_ref().and_then(|object| object.subresource.as_deref()) {
                    Some(subresource) => format!("{resource}/{subresource}"),
                    None => resource.to_owned(),
                };
                *requests.by_resource.entry(name).or_default() += 1;
            }
            _ => {}
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_s_reads_and_writes_are_counted() {
        let line = |user: &str, verb: &str, stage: &str, object: &str| {
            format!(r#"{{"stage":"{stage}","verb":"{verb}","user":{{"username":"{user}"}},"objectRef":{object}}}"#)
        };
        let status = r#"{"resource":"foodplatforms","subresource":"status"}"#;
        let lease = r#"{"resource":"leases"}"#;
        let log = [
            line("me", "patch", "ResponseComplete", status),
            line("me", "patch", "ResponseComplete", r#"{"resource":"services"}"#),
            line("me", "update", "ResponseComplete", lease),
            line("me", "watch", "ResponseStarted", status),
            line("me", "watch", "ResponseComplete", status),
            line("me", "get", "ResponseComplete", status),
            line("you", "patch", "ResponseComplete", status),
            r#"{"stage":"Resp"#.to_owned(),
        ];
        let found = count(&log.join("\n"), "me");
        assert_eq!((found.reads, found.writes), (2, 2));
        assert_eq!(found.by_resource["foodplatforms/status"], 1);
    }
}
