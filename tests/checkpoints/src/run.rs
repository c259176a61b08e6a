//! Running a checkpoint, and leaving the platform as it was.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use serde_json::json;

use crate::{Checkpoint, Length, Shown, Stage, Timeline};

/// What a checkpoint did and saw.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// What was done.
    pub done: String,
    /// What was seen.
    pub seen: String,
    /// The figure that tells most.
    pub figure: String,
    /// What kubectl and others show of it.
    pub shown: Vec<Shown>,
    /// What happened when.
    pub timeline: Option<Timeline>,
}

/// What was not seen that had to be.
#[derive(Debug, Clone, Default)]
pub struct Missed {
    /// In a sentence.
    pub why: String,
    /// How everything stood right then.
    pub shown: Vec<Shown>,
    /// What happened when, where there was a load.
    pub timeline: Option<Timeline>,
}

/// How a checkpoint went.
pub struct Row {
    /// Which one.
    pub checkpoint: &'static Checkpoint,
    /// What was done and seen, or what was missed.
    pub outcome: Result<Outcome, Missed>,
    /// How long it took, with what it takes to leave everything as it was.
    pub took: Duration,
}

/// Runs `work`, some checkpoints, with what they have in common done ahead of it and undone after it: in the short form kitchen
/// and courier are quicker than a person who watches wants them, and a pod that hangs is noticed sooner.
///
/// # Errors
/// When that can't be done or undone.
pub async fn prepared<T>(stage: &Stage, work: impl Future<Output = T>) -> Result<T, String> {
    if stage.length == Length::Full {
        return Ok(work.await);
    }
    let before = caught(async {
        stage.until_settled().await;
        let before = stage.platform.get().await["spec"].take();
        let quick = "200ms..400ms";
        let services = json!({
            "order": { "probes": { "liveness": { "periodSeconds": 1 } } },
            "cook": { "config": { "cookingTime": quick } },
            "delivery": { "config": { "deliveryTime": quick } },
        });
        stage.change(json!({ "services": services })).await;
        stage.until_settled().await;
        Ok(before)
    });
    let before = before.await.map_err(|why| format!("ahead of the checkpoints: {why}"))?;
    let done = work.await;
    let undone = caught(async {
        stage.restore(&before).await;
        Ok(())
    });
    undone.await.map(|()| done).map_err(|why| format!("after the checkpoints: {why}"))
}

/// Runs a checkpoint on a platform that is ready. Whatever it did to the spec is undone, and waited for.
pub async fn run(stage: &Stage, checkpoint: &'static Checkpoint) -> Row {
    let started = Instant::now();
    let work = async {
        stage.until_settled().await;
        let spec = stage.platform.get().await["spec"].take();
        let outcome = match caught((checkpoint.run)(stage)).await {
            Ok(outcome) => Ok(outcome),
            Err(why) => Err(missed(stage, why).await),
        };
        let undone = caught(async {
            stage.restore(&spec).await;
            Ok(())
        });
        // What went wrong first is what there is to say.
        match (outcome, undone.await) {
            (Ok(_), Err(undone)) => Err(missed(stage, format!("afterwards: {undone}")).await),
            (outcome, _) => outcome,
        }
    };
    let outcome = AssertUnwindSafe(work).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|panic| Err(Missed { why: said(panic.as_ref()), ..Missed::default() }));
    Row { checkpoint, outcome, took: started.elapsed() }
}

/// What was missed, with what shows it.
async fn missed(stage: &Stage, why: String) -> Missed {
    // Where not even that can be had, the sentence has to do.
    let evidence = caught(async { Ok(stage.evidence().await) });
    let (shown, timeline) = evidence.await.unwrap_or_default();
    Missed { why, shown, timeline }
}

/// A panic is how the tests' tools say what they missed.
async fn caught<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(said(panic.as_ref())))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_failure_with_its_words() {
        assert_eq!(caught(async { Ok(1) }).await, Ok(1));
        assert_eq!(caught(async { Err::<(), _>("no".to_owned()) }).await, Err("no".to_owned()));
        let number = 7;
        assert_eq!(caught::<()>(async move { panic!("missed {number}") }).await, Err("missed 7".to_owned()));
    }
}
