//! What kstatus, by which Flux and others tell how far an object is, makes of every status that the operator writes.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::{Command, Stdio},
    sync::Mutex,
};

use foodplatform_operator::api::{FoodPlatform, Reason, condition::READY};
use serde::Deserialize;
use serde_json::json;

use crate::world::{World, find, is_current};

/// The platforms that a test has seen, one of each that differ in what kstatus looks at.
#[derive(Default)]
pub(crate) struct Seen(Mutex<BTreeMap<String, FoodPlatform>>);

impl Seen {
    pub(crate) fn add(&self, platform: &FoodPlatform) {
        let conditions = platform.status.as_ref().map(|status| &status.conditions);
        let looked_at = json!([conditions, is_current(platform), platform.metadata.deletion_timestamp.is_some()]);
        self.0.lock().unwrap().entry(looked_at.to_string()).or_insert_with(|| platform.clone());
    }

    /// To kstatus each of them is what the operator meant.
    pub(crate) fn assert_understood(&self) {
        let platforms: Vec<_> = self.0.lock().unwrap().values().cloned().collect();
        let misunderstood = misunderstood(&platforms);
        assert!(misunderstood.is_empty(), "{misunderstood:#?}");
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    status: String,
    message: String,
}

fn answers(platforms: &[FoodPlatform]) -> Vec<Answer> {
    let program = std::env::var("TEST_KSTATUS").expect("TEST_KSTATUS names the program that asks kstatus");
    let mut kstatus =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    kstatus.stdin.take().unwrap().write_all(json!(platforms).to_string().as_bytes()).unwrap();
    let output = kstatus.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What kstatus is to say of it, by the reason that it gives and what that means.
fn meant(platform: &FoodPlatform) -> &'static str {
    if platform.metadata.deletion_timestamp.is_some() {
        return "Terminating";
    }
    let reason = find(platform, READY).filter(|_| is_current(platform)).map(|(_, reason, _)| reason);
    match reason.and_then(|reason| Reason::ALL.iter().find(|known| known.as_str() == reason)) {
        Some(Reason::Ready) => "Current",
        Some(reason) if reason.stalls() => "Failed",
        _ => "InProgress",
    }
}

fn misunderstood(platforms: &[FoodPlatform]) -> Vec<String> {
    let answers = answers(platforms);
    assert_eq!(answers.len(), platforms.len());
    let judged = platforms.iter().zip(answers).filter(|(platform, answer)| {
        // What is in the way is in its words, too.
        let told = answer.status != "Failed" || find(platform, READY).is_some_and(|ready| ready.2 == answer.message);
        answer.status != meant(platform) || !told
    });
    judged
        .map(|(platform, answer)| format!("{answer:?} instead of {}: {:#?}", meant(platform), platform.status))
        .collect()
}

/// Without a status of any kind it would be taken for done.
#[tokio::test]
async fn what_no_operator_has_looked_at_is_in_progress() {
    let world = World::unattended("unseen").await;
    world.shop(json!({})).await;
    let shop = world.get::<FoodPlatform>("shop").await.unwrap();
    let answers = answers(std::slice::from_ref(&shop));
    assert_eq!(answers[0].status, "InProgress", "{answers:?} of {:?}", shop.status);
    world.end().await;
}

#[test]
fn what_kstatus_takes_for_something_else_is_found() {
    let platform = |reason: &str, ready: &str, stalled: &str| -> FoodPlatform {
        let condition = |type_: &str, status: &str| {
            let time = "2026-01-01T00:00:00Z";
            json!({ "type": type_, "status": status, "reason": reason, "message": "so", "lastTransitionTime": time })
        };
        let mut platform = crate::world::shop(json!({ "kafka": { "bootstrapServers": "kafka:9092" } }));
        platform["metadata"]["generation"] = json!(3);
        platform["status"] = json!({
            "observedGeneration": 3,
            "conditions": [condition("Ready", ready), condition("Reconciling", "False"), condition("Stalled", stalled)],
        });
        serde_json::from_value(platform).unwrap()
    };
    assert_eq!(
        misunderstood(&[platform("Ready", "True", "False"), platform("NameConflict", "False", "True")]),
        [""; 0]
    );
    for wrong in [
        platform("NameConflict", "False", "False"),
        platform("Progressing", "False", "True"),
        platform("Progressing", "True", "False"),
    ] {
        assert_eq!(misunderstood(&[wrong]).len(), 1);
    }
}
