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

use crate::world::{find, is_current};

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

/// What it says of one.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) status: String,
    message: String,
}

/// What it says of each.
pub(crate) fn answers(platforms: &[FoodPlatform]) -> Vec<Answer> {
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

/// Those of which it says something else than what was meant.
pub(crate) fn misunderstood(platforms: &[FoodPlatform]) -> Vec<String> {
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
