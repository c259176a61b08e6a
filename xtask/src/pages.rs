//! The book's pages about APIs, events and alerts, from their documents.

use std::fmt::Write as _;

use serde_json::Value;

const APIS: &str = "\
# APIs

This page is written by `cargo xtask openapi` from the services' OpenAPI documents, which say the rest: parameters, bodies and every answer.
Each service also serves its own at `/openapi.json`, and the gateway's, at its address, has all that customers reach. Errors are
`application/problem+json` (RFC 9457). `POST` with an `Idempotency-Key` has the effect of one, however often it is sent. What is marked ✓
is reached through the gateway.

";

const EVENTS: &str = "\
# Events

This page is written by `cargo xtask asyncapi`. [asyncapi.json](asyncapi.json) is the AsyncAPI 3 document with every field.

Events are CloudEvents 1.0 in Kafka's binary content mode: attributes are headers (`ce_id`, `ce_type`, `ce_source`, `ce_time`, `ce_subject`, …), the
event is the message's value, as JSON. The key is the order. Each carries the owner's whole part as it was right after, with its version: a
reader keeps the newest. An event may come more than once, with the same `ce_id`. Topics' names begin with `kafka.topicPrefix`, by default
`NAMESPACE.NAME.`.

";

const ALERTS: &str = "\
# Alerts

This page is written by `cargo xtask docs` from the rules of the chart's PrometheusRule, `charts/foodplatform-operator/files/alerts.yaml`.

";

/// The page about the chart's alerts: what each says, when, and what to do.
pub(crate) fn alerts(rules: &Value) -> String {
    let mut page = ALERTS.to_owned();
    let groups = rules["groups"].as_array().into_iter().flatten();
    for rule in groups.flat_map(|group| group["rules"].as_array().into_iter().flatten()) {
        let annotation = |name: &str| text(&rule["annotations"][name]);
        let (severity, patience) = (text(&rule["labels"]["severity"]), text(&rule["for"]));
        let _ = write!(
            page,
            "## {}\n\n*{severity}*, after {patience}: {}\n\n",
            text(&rule["alert"]),
            annotation("summary")
        );
        let _ = write!(page, "```text\n{}\n```\n\n", rule["expr"].as_str().unwrap_or_default().trim());
        let _ = write!(page, "Means: {}\n\nDo: {}\n\n", annotation("description"), annotation("runbook"));
    }
    page.trim_end().to_owned() + "\n"
}

/// The page about the APIs: a table for each service of what it answers to. `through` is the gateway's document.
pub(crate) fn apis(services: &[(&str, Value)], through: &Value) -> String {
    let mut page = APIS.to_owned();
    for (name, document) in services {
        let description = text(&document["info"]["description"]);
        let _ = write!(page, "## {name}\n\n{description} [{name}.json](openapi/{name}.json)\n\n");
        page.push_str("| | what it does | answers | ✓ |\n|---|---|---|---|\n");
        for (path, methods) in entries(&document["paths"]) {
            for (method, operation) in entries(methods) {
                let answers: Vec<_> = entries(&operation["responses"]).map(|(status, _)| status.as_str()).collect();
                let passed = if through["paths"][path][method].is_object() { "✓" } else { "" };
                let (method, summary) = (method.to_uppercase(), text(&operation["summary"]));
                let _ = writeln!(page, "| `{method} {path}` | {summary} | {} | {passed} |", answers.join(", "));
            }
        }
        page.push('\n');
    }
    let _ =
        write!(page, "## gateway\n\n{} [gateway.json](openapi/gateway.json)\n", text(&through["info"]["description"]));
    page
}

/// The page about the events: a table for each topic of what is on it, and who writes and reads it.
pub(crate) fn events(document: &Value) -> String {
    let mut page = EVENTS.to_owned();
    for (name, channel) in entries(&document["channels"]) {
        let _ = write!(page, "## {name}\n\n{}\n\n", text(&channel["description"]));
        let told = [("send", "Written"), ("receive", "Read")].map(|(action, verb)| {
            let parties = parties(document, name, action);
            if parties.is_empty() { String::new() } else { format!("{verb} by {}.", parties.join(", ")) }
        });
        page.push_str(told.join(" ").trim());
        page.push_str("\n\n| event | when | what it holds |\n|---|---|---|\n");
        for (kind, _) in entries(&channel["messages"]) {
            let message = &document["components"]["messages"][kind];
            let held = message["payload"]["$ref"].as_str().and_then(|path| path.rsplit('/').next());
            let held = held.map_or_else(|| "what it was".to_owned(), |held| format!("`{held}`"));
            let _ = writeln!(page, "| `{kind}` | {} | {held} |", text(&message["summary"]));
        }
        page.push('\n');
    }
    page.trim_end().to_owned() + "\n"
}

/// The services that do that with the topic.
fn parties<'a>(document: &'a Value, channel: &str, action: &str) -> Vec<&'a str> {
    let reference = format!("#/channels/{channel}");
    let operations = entries(&document["operations"]).map(|(_, operation)| operation);
    let of_channel = operations.filter(|it| it["channel"]["$ref"] == reference.as_str() && it["action"] == action);
    of_channel.filter_map(|operation| operation["tags"][0]["name"].as_str()).collect()
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

/// A text that a table's cell can hold.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().trim().replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_is_a_row_with_its_answers() {
        let paths =
            json!({ "/orders": { "post": { "summary": "Place an order", "responses": { "201": {}, "422": {} } } } });
        let document = json!({ "info": { "description": "Orders." }, "paths": paths });
        let through = json!({ "info": { "description": "All." }, "paths": paths });
        let page = apis(&[("order", document.clone())], &through);
        assert!(page.contains("\n| `POST /orders` | Place an order | 201, 422 | ✓ |\n"), "{page}");
        let hidden = apis(&[("order", document)], &json!({}));
        assert!(hidden.contains("\n| `POST /orders` | Place an order | 201, 422 |  |\n"), "{hidden}");
    }

    #[test]
    fn a_topic_has_its_events_and_its_parties() {
        let operation = |action, service| json!({ "action": action, "channel": { "$ref": "#/channels/menu" }, "tags": [{ "name": service }] });
        let page = events(&json!({
            "channels": { "menu": { "description": "What order says.", "messages": { "Ordered": {} } } },
            "operations": { "a": operation("receive", "cook"), "b": operation("send", "order") },
            "components": { "messages": { "Ordered": {
                "summary": "An order.", "payload": { "$ref": "#/components/schemas/OrderSnapshot" },
            } } },
        }));
        assert!(page.contains("\n\nWritten by order. Read by cook.\n\n"), "{page}");
        assert!(page.ends_with("\n| `Ordered` | An order. | `OrderSnapshot` |\n"), "{page}");
    }
}
