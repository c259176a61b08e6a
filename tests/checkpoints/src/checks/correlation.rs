//! One order's events belong together wherever they lie: by the order's id, by the key, and by the trace.

use std::collections::BTreeMap;

use ::tests::{
    api::{fresh, order_of, text},
    servers,
};
use contract::Topic;
use futures::future::join_all;
use reqwest::Method;
use tokio::process::Command;

use crate::{
    Outcome, Shown, Stage,
    load::{GENTLE, Load, PAGES},
};

/// Kafka's own tool.
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
/// For so long it waits for more, in milliseconds.
const PATIENCE: &str = "5000";
/// What an order's way to its customer leaves in each topic.
const TOPICS: [(Topic, &[&str]); 3] = [
    (Topic::Menu, &["Ordered"]),
    (Topic::Cook, &["CookStockChecked", "CookStarted", "CookCompleted"]),
    (Topic::Delivery, &["DeliveryStarted", "DeliveryPickedUp", "DeliveryCompleted"]),
];

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let api = &stage.gateway;
    // Other orders' events lie among its own.
    let load = Load::start(stage, GENTLE, PAGES, &[]).await;
    load.answers(50).await;
    let menu = api.menu_with_stock(10).await;
    let trace = fresh();
    let request = api.request(Method::POST, "/orders").header("Idempotency-Key", fresh());
    let request = request.header("traceparent", format!("00-{trace}-{}-01", &fresh()[..16]));
    let answer = api.send(request.json(&order_of(&menu, 1))).await;
    let order = text(&answer.expect(201), "orderId").to_owned();
    load.mark("the order");
    api.follow(&order, "DELIVERED").await;
    load.mark("its delivery");
    let traffic = load.stop().await;
    let answered = traffic.without_failure()?;

    let (mut count, mut shown) = (0, vec![]);
    let reads = join_all(TOPICS.map(|(topic, _)| consume(stage, topic))).await;
    for ((topic, wanted), read) in TOPICS.into_iter().zip(reads) {
        let own: Vec<_> = read.output.lines().filter(|line| line.contains(&order)).map(str::to_owned).collect();
        let mut types = vec![];
        for line in &own {
            let event = Event::parse(line).ok_or_else(|| format!("{topic}: not headers, key and value: {line}"))?;
            let subject = event.headers.get("ce_subject").copied().unwrap_or_default();
            let traced = event.headers.get("traceparent").copied().unwrap_or_default();
            if (event.key, subject) != (order.as_str(), order.as_str()) || !traced.contains(&trace) {
                return Err(format!("{topic}: not order {order} by key and subject, and trace {trace}: {line}"));
            }
            types.push(event.headers.get("ce_type").copied().unwrap_or_default());
        }
        // An event may be published twice.
        types.dedup();
        if types != wanted {
            return Err(format!("{topic} has {types:?} of order {order}, not {wanted:?}"));
        }
        count += own.len();
        shown.push(Shown { output: own.join("\n") + "\n", ..read });
    }
    Ok(Outcome {
        done: "one order to its delivery, then topics menu, cook and delivery read with Kafka's console consumer"
            .to_owned(),
        seen: format!(
            "its {count} events, of all types in their order, carry order {order} as key and subject, and trace {trace} of the \
             request that placed it, among those of other orders; {answered} requests and none failed"
        ),
        figure: format!("{count} events"),
        shown,
        timeline: Some(traffic.timeline),
    })
}

/// A line of the console consumer: headers, key and value.
struct Event<'a> {
    headers: BTreeMap<&'a str, &'a str>,
    key: &'a str,
}

impl<'a> Event<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut parts = line.splitn(3, '\t');
        let (headers, key) = (parts.next()?, parts.next()?);
        parts.next()?;
        Some(Self { headers: headers.split(',').filter_map(|header| header.split_once(':')).collect(), key })
    }
}

/// Reads a topic from its beginning.
async fn consume(stage: &Stage, topic: Topic) -> Shown {
    let name = stage.topic(topic).await;
    let arguments = [
        "--bootstrap-server",
        stage.kafka.bootstrap(),
        "--topic",
        &name,
        "--from-beginning",
        "--timeout-ms",
        PATIENCE,
        "--formatter-property",
        "print.headers=true",
        "--formatter-property",
        "print.key=true",
    ];
    let jars = servers::kafka_jars();
    let mut command = Command::new("java");
    command.arg("-cp").arg(format!("{}/*", jars.display())).arg(CONSUMER).args(arguments);
    let done = command.output().await.expect("java starts");
    // It says that the time is over, and what it has processed, on the other one.
    let output = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(!output.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    Shown { command: format!("kafka-console-consumer.sh {}", arguments.join(" ")), output }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_headers_and_a_key() {
        let event =
            Event::parse("ce_id:1,ce_subject:o-1,ce_time:2026-01-01T00:00:00Z\to-1\t{\"a\":\"b,c:d\"}").unwrap();
        assert_eq!((event.key, event.headers["ce_subject"]), ("o-1", "o-1"));
        assert_eq!(event.headers["ce_time"], "2026-01-01T00:00:00Z");
        assert!(Event::parse("Processed a total of 3 messages").is_none());
    }
}
