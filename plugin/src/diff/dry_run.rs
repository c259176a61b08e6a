//! What would become of a child, by asking the API server without changing anything.

use anyhow::{Result, anyhow, bail};
use foodplatform_operator::{
    build::{ApplyMode, Child, FIELD_MANAGER, Platform, pvc},
    controller::decisions::{Failure, admit, difference, is_outdated, replicas_to_hand_over, words},
};
use kube::{
    ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams},
};

use super::{
    change::Change,
    live::{Live, api},
};
use crate::cluster::Cluster;

/// How often an object is read again that changes while it is being looked at.
const ATTEMPTS: usize = 5;

/// What would be changed, and what a person has to know about it.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) change: Option<Change>,
    pub(super) notes: Vec<String>,
}

impl Outcome {
    fn unchanged(note: String) -> Self {
        Self { change: None, notes: vec![note] }
    }
}

/// What the operator would do to one child.
pub(super) async fn change(cluster: &Cluster, platform: &Platform, child: &Child, live: &Live) -> Result<Outcome> {
    if live.lacks_kind_of(child) {
        return Ok(Outcome::unchanged(format!(
            "this cluster has no {} of {}: install what brings it, or don't ask for it in the spec",
            child.kind(),
            child.resource.api_version
        )));
    }
    let mut live = match live.find(child) {
        Some(live) => Some(live.clone()),
        // It may be there without our label.
        None => read(cluster, child).await?,
    };
    for _ in 0..ATTEMPTS {
        match compare(cluster, platform, child, live.as_ref()).await {
            Ok(outcome) => return Ok(outcome),
            Err(Refusal::Stale) => live = read(cluster, child).await?,
            Err(Refusal::Other(error)) => return Err(error),
        }
    }
    bail!("{} keeps changing while it is being looked at: try again", named(cluster, child))
}

/// Why the API server doesn't say what would become of a child.
enum Refusal {
    /// It has changed since it was read.
    Stale,
    Other(anyhow::Error),
}

async fn compare(
    cluster: &Cluster,
    platform: &Platform,
    child: &Child,
    live: Option<&DynamicObject>,
) -> Result<Outcome, Refusal> {
    let Some(live) = live else {
        // Whether it would be taken. What it would have beside what is built is the API server's matter.
        ask(cluster, child, None).await.map_err(|error| refusal(cluster, child, &error))?;
        return Ok(Outcome { change: Some(Change::created(child)), notes: Vec::new() });
    };
    match admit(platform, child.kind(), live) {
        Ok(()) => {}
        Err(Failure::Leaving(sentence)) => return Ok(Outcome::unchanged(sentence)),
        Err(Failure::Obstacle(obstacle)) => return Ok(Outcome::unchanged(obstacle.message)),
        Err(Failure::Error(error)) => return Err(Refusal::Other(error.into())),
    }
    if child.mode == ApplyMode::CreateOnce {
        if !is_outdated(&child.object, live) {
            return Ok(Outcome::default());
        }
        let note = format!("{} is deleted and made anew, for its pods are to be others", named(cluster, child));
        return Ok(Outcome { change: Some(Change::created(child)), notes: vec![note] });
    }
    let mut child = child.clone();
    let mut notes = pvc::keep_what_stays(&mut child, live);
    let change = match updated(cluster, platform, &child, live).await {
        Ok(change) => change,
        Err(error) => match pvc::keep_smaller_size(&mut child, live, &words(&error)) {
            Some(sentence) => {
                notes.push(sentence);
                let change = updated(cluster, platform, &child, live).await;
                change.map_err(|error| refusal(cluster, &child, &error))?
            }
            None => return Err(refusal(cluster, &child, &error)),
        },
    };
    Ok(Outcome { change, notes })
}

/// What would be changed of a live object.
async fn updated(
    cluster: &Cluster,
    platform: &Platform,
    child: &Child,
    live: &DynamicObject,
) -> Result<Option<Change>, kube::Error> {
    let replicas = replicas_to_hand_over(platform, child, live);
    let mut after = match difference(&child.object, live, FIELD_MANAGER) {
        Some(_) => ask(cluster, child, live.resource_version()).await?,
        None => live.clone(),
    };
    if let (Some(replicas), Some(field)) = (replicas, after.data.pointer_mut("/spec/replicas")) {
        // The operator passes them to the autoscaler's keeping before it lets go of them.
        *field = replicas.into();
    }
    Ok(Change::updated(&child.resource, live, &after))
}

/// What the API server would make of the child, given that the live object still has that version.
async fn ask(cluster: &Cluster, child: &Child, version: Option<String>) -> Result<DynamicObject, kube::Error> {
    let mut object = child.object.clone();
    object.metadata.resource_version = version;
    let parameters = PatchParams::apply(FIELD_MANAGER).force().dry_run();
    api(cluster, &child.resource).patch(&child.name(), &parameters, &Patch::Apply(&object)).await
}

async fn read(cluster: &Cluster, child: &Child) -> Result<Option<DynamicObject>> {
    let found = api(cluster, &child.resource).get_opt(&child.name()).await;
    found.map_err(|error| anyhow!("reading {}: {}", named(cluster, child), words(&error)))
}

fn refusal(cluster: &Cluster, child: &Child, error: &kube::Error) -> Refusal {
    match error {
        kube::Error::Api(answer) if answer.is_conflict() => Refusal::Stale,
        _ => {
            let named = named(cluster, child);
            Refusal::Other(anyhow!("asking what would become of {named}: {}", words(error)))
        }
    }
}

fn named(cluster: &Cluster, child: &Child) -> String {
    format!("{} {}/{}", child.kind(), cluster.namespace, child.name())
}
