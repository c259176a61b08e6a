//! `rollback`: back to the images that were last ready.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use foodplatform_operator::{
    api::{FoodPlatform, FoodService, defaults},
    build::Platform,
};
use kube::ResourceExt as _;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    cli::{Output, Rollback},
    cluster::Cluster,
    paint,
};

pub(crate) async fn run(cluster: &Cluster, wanted: &Rollback) -> Result<ExitCode> {
    let platform = cluster.platform(&wanted.name).await?;
    let plan = plan(&platform, wanted)?;
    if !wanted.dry_run && !plan.changes.is_empty() {
        cluster.change(&wanted.name, plan.patch()).await?;
    }
    let Plan { changes, notes } = &plan;
    if let Some(Output::Json) = wanted.output {
        let (namespace, name) = (&cluster.namespace, &wanted.name);
        paint::print_json(&Said { namespace, name, dry_run: wanted.dry_run, changes, notes })?;
        return Ok(ExitCode::SUCCESS);
    }
    notes.iter().for_each(paint::note);
    let shown = format!("FoodPlatform {}/{}", cluster.namespace, wanted.name);
    if changes.is_empty() {
        paint::print(&format!("{shown} asks for these images already: nothing changed\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let how = if wanted.dry_run { " would be rolled back (dry run)" } else { " rolled back" };
    let lines: String = changes.iter().map(Change::line).collect();
    paint::print(&format!("{shown}{how}:\n{lines}"))?;
    Ok(ExitCode::SUCCESS)
}

/// What the command says to machines.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    namespace: &'a str,
    name: &'a str,
    /// Whether nothing of it was done.
    dry_run: bool,
    changes: &'a [Change],
    /// What somebody has to know about the rest, in sentences.
    notes: &'a [String],
}

/// What is to be changed, and what a person has to know about the rest.
#[derive(Debug, PartialEq)]
struct Plan {
    changes: Vec<Change>,
    notes: Vec<String>,
}

/// A service's image that is to be another.
#[derive(Debug, PartialEq, Serialize)]
struct Change {
    service: FoodService,
    from: String,
    to: String,
    /// Whether the spec asks for `to` without saying so for this service.
    #[serde(skip)]
    is_default: bool,
}

impl Change {
    fn line(&self) -> String {
        let Self { service, from, to, .. } = self;
        format!("  {service}: {from} → {to}\n")
    }
}

impl Plan {
    fn patch(&self) -> Value {
        let images = self.changes.iter().map(|change| {
            // An image of its own that says what the spec says anyway would outlive the next change of the tag.
            let image = (!change.is_default).then_some(&change.to);
            (change.service.to_string(), json!({ "image": image }))
        });
        json!({ "spec": { "services": Value::Object(images.collect()) } })
    }
}

/// Decides what is to be done.
fn plan(platform: &FoodPlatform, wanted: &Rollback) -> Result<Plan> {
    let built = Platform::new(platform).context("the operator can't build this platform")?;
    let spec = &platform.spec.image;
    let (mut changes, mut notes, mut known) = (Vec::new(), Vec::new(), false);
    for settings in &built.services {
        let service = settings.service;
        if wanted.service.is_some_and(|only| only != service) {
            continue;
        }
        let to = match (&wanted.to, &wanted.to_tag) {
            (Some(image), _) => Some(image.clone()),
            (None, Some(tag)) => Some(defaults::image(&spec.registry, service, tag)),
            (None, None) => last_ready(platform, service),
        };
        let Some(to) = to else {
            notes.push(format!("{service} has not been ready yet, as far as the status tells: it is left as it is"));
            continue;
        };
        known = true;
        if settings.image != to {
            let is_default = defaults::image(&spec.registry, service, &spec.tag) == to;
            changes.push(Change { service, from: settings.image.clone(), to, is_default });
        }
    }
    if !known {
        let (namespace, name) = (platform.namespace().unwrap_or_default(), platform.name_any());
        let who = wanted.service.map_or("no service", FoodService::as_str);
        let not = if wanted.service.is_some() { "not " } else { "" };
        bail!(
            "there is no image to go back to: {who} of FoodPlatform {namespace}/{name} has {not}been ready yet; name one \
             with --to-tag TAG, or with --service SERVICE --to IMAGE"
        );
    }
    Ok(Plan { changes, notes })
}

fn last_ready(platform: &FoodPlatform, service: FoodService) -> Option<String> {
    let services = &platform.status.as_ref()?.services;
    services.iter().find(|status| status.name == service)?.last_ready_image.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A platform at tag 2, of which order and cook were last ready at tag 1; cook has an image of its own.
    fn platform() -> FoodPlatform {
        let status = |name: &str, last: Option<&str>| {
            json!({
                "name": name, "image": format!("r/{name}:2"), "lastReadyImage": last, "desired": 1, "updated": 1, "ready": 0,
            })
        };
        serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": "shop", "namespace": "food", "uid": "u" },
            "spec": {
                "image": { "registry": "r", "tag": "2" },
                "services": { "cook": { "image": "r/cook:bad" } },
                "kafka": { "bootstrapServers": "k:9092" },
                "database": { "secretRef": { "name": "db" } },
            },
            "status": { "services": [
                status("order", Some("r/order:1")),
                status("cook", Some("r/cook:2")),
                status("delivery", Some("r/delivery:2")),
                status("mypage", None),
            ] },
        }))
        .unwrap()
    }

    fn wanted(service: Option<FoodService>) -> Rollback {
        Rollback { name: "shop".into(), service, to_tag: None, to: None, dry_run: false, output: None }
    }

    #[test]
    fn services_go_back_to_what_was_last_ready() {
        let plan = plan(&platform(), &wanted(None)).unwrap();
        let lines: Vec<_> = plan.changes.iter().map(Change::line).collect();
        assert_eq!(lines, ["  order: r/order:2 → r/order:1\n", "  cook: r/cook:bad → r/cook:2\n"]);
        // Cook needs no image of its own for that.
        let patch = json!({ "spec": { "services": { "order": { "image": "r/order:1" }, "cook": { "image": null } } } });
        assert_eq!(plan.patch(), patch);
        assert_eq!(plan.notes.len(), 2, "mypage and gateway: {:?}", plan.notes);
    }

    #[test]
    fn one_service_goes_back_alone() {
        let plan = plan(&platform(), &wanted(Some(FoodService::Order))).unwrap();
        assert_eq!(plan.changes.len(), 1);
        assert_eq!(plan.notes, [""; 0]);
    }

    #[test]
    fn a_tag_or_an_image_can_be_named() {
        let to_tag = Rollback { to_tag: Some("1".into()), ..wanted(None) };
        let plan_to_tag = plan(&platform(), &to_tag).unwrap();
        assert_eq!(plan_to_tag.changes.len(), 5);
        assert_eq!(plan_to_tag.patch()["spec"]["services"]["gateway"]["image"], "r/gateway:1");
        let to = Rollback { to: Some("r/order@sha256:a".into()), ..wanted(Some(FoodService::Order)) };
        assert_eq!(plan(&platform(), &to).unwrap().changes[0].to, "r/order@sha256:a");
        let same = Rollback { to: Some("r/order:2".into()), ..wanted(Some(FoodService::Order)) };
        assert_eq!(plan(&platform(), &same).unwrap().changes, []);
    }

    #[test]
    fn without_anything_known_it_says_what_to_do() {
        let error = plan(&platform(), &wanted(Some(FoodService::MyPage))).unwrap_err().to_string();
        assert!(
            error.starts_with("there is no image to go back to: mypage of FoodPlatform food/shop has not"),
            "{error}"
        );
        assert!(error.contains("--to-tag"), "{error}");
        let new = FoodPlatform { status: None, ..platform() };
        let error = plan(&new, &wanted(None)).unwrap_err().to_string();
        assert!(error.contains("no service of FoodPlatform food/shop has been ready yet"), "{error}");
    }
}
