//! `diff`: what the operator of this version would change.
//!
//! The steps are the operator's own (see `foodplatform_operator::controller`), but that nothing is written: where it would
//! apply a child, the API server is asked what would become of it.

mod change;
mod dry_run;
mod live;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use foodplatform_operator::{
    build::{self, Child, Database, DatabaseSecrets, Dereferenced, KAFKA_CHECKSUM, Platform, SECRET_CHECKSUM, names},
    controller::decisions::{Obstacle, is_surplus, kafka_credentials, known_databases, roll_back, words},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use serde::Serialize;

use self::{change::Change, live::Live};
use crate::{
    cli::{Diff, Output},
    cluster::Cluster,
    paint,
};

/// What the command ends with when something would be changed.
const DIFFERENT: u8 = 1;
/// Requests that are under way at the same time.
const CONCURRENCY: usize = 8;

/// What the command says to machines.
#[derive(Debug, Serialize)]
struct Said<'a> {
    namespace: &'a str,
    name: &'a str,
    /// In the order in which the operator makes them.
    changes: &'a [Change],
    /// What somebody has to know about them, in sentences.
    notes: &'a [String],
}

pub(crate) async fn run(cluster: &Cluster, wanted: &Diff) -> Result<ExitCode> {
    let mut notes = Vec::new();
    let found = look(cluster, &wanted.name, &mut notes).await;
    match wanted.output {
        Some(Output::Json) => {
            let changes = found?;
            let said = Said { namespace: &cluster.namespace, name: &wanted.name, changes: &changes, notes: &notes };
            paint::print_json(&said)?;
            Ok(code(&changes))
        }
        None => {
            notes.iter().for_each(paint::note);
            let changes = found?;
            for change in &changes {
                paint::print(&change.show()?)?;
            }
            if changes.is_empty() {
                paint::note("nothing would be changed");
            }
            Ok(code(&changes))
        }
    }
}

fn code(changes: &[Change]) -> ExitCode {
    if changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DIFFERENT) }
}

/// What would be changed of the platform. `notes` takes what somebody has to know about it.
async fn look(cluster: &Cluster, name: &str, notes: &mut Vec<String>) -> Result<Vec<Change>> {
    let resource = cluster.platform(name).await?;
    if resource.metadata.deletion_timestamp.is_some() {
        notes.push("the platform is being deleted: the operator changes nothing of it any more".to_owned());
        return Ok(Vec::new());
    }
    if resource.spec.paused.unwrap_or_default() {
        notes.push("the platform is paused: this is what would be changed after resume".to_owned());
    }
    let mut platform = Platform::new(&resource).context("the operator can't build this platform")?;
    roll_back(&mut platform, &resource.status.unwrap_or_default());
    let live = Live::read(cluster, &platform).await?;
    changes(cluster, &platform, &live, notes).await
}

/// What would be created and changed, in the order in which the operator does it, and then what would be removed.
async fn changes(cluster: &Cluster, platform: &Platform, live: &Live, notes: &mut Vec<String>) -> Result<Vec<Change>> {
    let dereferenced = dereference(cluster, platform, live, notes).await?;
    let is_complete = dereferenced.is_some();
    let dereferenced = dereferenced.unwrap_or_default();
    let children = build::children(platform, &dereferenced);
    // Without the Secret the operator goes no further, either.
    let compared: Vec<&Child> =
        if is_complete { children.iter().collect() } else { children.foundations.iter().collect() };
    let mut outcomes =
        stream::iter(compared).map(|child| dry_run::change(cluster, platform, child, live)).buffered(CONCURRENCY);
    let mut changes = Vec::new();
    while let Some(outcome) = outcomes.try_next().await? {
        notes.extend(outcome.notes);
        changes.extend(outcome.change);
    }
    if is_complete {
        // Without the databases' ports there is nothing to compare policies with.
        let is_known = |kind: &str| {
            kind != "NetworkPolicy" || dereferenced.databases.values().any(|database| database.port.is_some())
        };
        let surplus = live.iter().filter(|(resource, object)| {
            is_known(&resource.kind) && is_surplus(platform, &children, &resource.kind, object)
        });
        changes.extend(surplus.map(|(resource, object)| Change::removed(resource, object)));
    }
    Ok(changes)
}

/// What the children depend on; `None` where the operator would wait for it.
async fn dereference(
    cluster: &Cluster,
    platform: &Platform,
    live: &Live,
    notes: &mut Vec<String>,
) -> Result<Option<Dereferenced>> {
    let databases = platform.services.iter().filter_map(|settings| settings.database.as_ref());
    let names: BTreeSet<_> =
        platform.kafka_security.secrets().chain(databases.flat_map(DatabaseSecrets::names)).collect();
    let mut secrets = BTreeMap::new();
    for name in names {
        match cluster.api::<Secret>().get_opt(name).await {
            Ok(Some(secret)) => {
                secrets.insert(name.to_owned(), secret);
            }
            Ok(None) => {}
            Err(kube::Error::Api(answer)) if answer.code == 403 => {
                return Ok(started_with(platform, live, name, notes));
            }
            Err(error) => bail!("reading Secret {}/{name}: {}", platform.namespace, words(&error)),
        }
    }
    let read = || {
        let kafka_checksum = kafka_credentials(platform, &secrets)?.checksum(&platform.salt());
        let databases = known_databases(platform, &secrets)?;
        Ok(Dereferenced { databases, kafka_checksum })
    };
    let missing =
        |obstacle: Obstacle| notes.push(format!("{}; until then the operator starts nothing", obstacle.message));
    Ok(read().map_err(missing).ok())
}

/// The same as far as the Deployments tell it, for those who may not read one of the Secrets.
fn started_with(platform: &Platform, live: &Live, secret: &str, notes: &mut Vec<String>) -> Option<Dereferenced> {
    let secret = format!("Secret {}/{secret}", platform.namespace);
    let mut known = Dereferenced::default();
    for settings in &platform.services {
        let name = names::child(&platform.name, settings.service);
        let deployment = live.iter().find(|(resource, live)| resource.kind == "Deployment" && live.name_any() == name);
        let annotations =
            deployment.and_then(|(_, live)| live.data.pointer("/spec/template/metadata/annotations")?.as_object());
        let text = |key: &str| Some(annotations?.get(key)?.as_str()?.to_owned());
        // The port stays unknown, and with it the NetworkPolicies.
        let database = text(SECRET_CHECKSUM).map(|checksum| Database { checksum, port: None });
        known.databases.extend(database.map(|database| (settings.service, database)));
        known.kafka_checksum = known.kafka_checksum.or_else(|| text(KAFKA_CHECKSUM));
    }
    if known.databases.is_empty() {
        notes.push(format!("you may not read {secret}: what depends on it, the pods, is not compared"));
        return None;
    }
    notes.push(format!("you may not read {secret}: it is taken for what the pods were started with"));
    Some(known)
}
