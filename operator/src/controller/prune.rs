//! Removes children that are no longer built.

use kube::{
    ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, Preconditions},
};
use tracing::info;

use super::{
    context::{Context, request},
    error::{Error, Step},
};
use crate::{
    api::FoodService,
    build::{Children, Platform, labels},
    metrics,
};

/// Kinds that running pods may still mount or read: they go last.
const MOUNTED: [&str; 3] = ["ConfigMap", "PersistentVolumeClaim", "ServiceAccount"];

/// Removes what carries the platform's label and owner reference and isn't among `children`. What pods may use is kept
/// until everything is `settled`, that is until no pod of an older version runs or drains, and all of the services in
/// `blocked` is kept, for what takes its place isn't there. Returns what was removed.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn prune(
    context: &Context,
    platform: &Platform,
    children: &Children,
    settled: bool,
    blocked: &[FoodService],
) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    let is_built = |kind: &str, name: &str| children.iter().any(|child| child.kind() == kind && child.name() == name);
    let others = context.live.children_of(&platform.namespace, &platform.name, |kind, name| !is_built(kind, name));
    for (resource, live) in others {
        let name = live.name_any();
        let service = live.labels().get(labels::NAME);
        let blocked = blocked.iter().any(|blocked| service.is_some_and(|service| service == blocked.as_str()));
        let has_to_wait = blocked || (!settled && is_in_use(&resource.kind, children));
        if has_to_wait || !is_surplus(platform, children, &resource.kind, &live) {
            continue;
        }
        if remove(context, &resource, &live).await? {
            removed.push(format!("{} {name}", resource.kind));
        }
    }
    Ok(removed)
}

/// Whether a live object of that kind is the platform's own, and is not built any more.
pub fn is_surplus(platform: &Platform, children: &Children, kind: &str, live: &DynamicObject) -> bool {
    let name = live.name_any();
    let built = children.iter().any(|child| child.kind() == kind && child.name() == name);
    is_own(platform, live) && !built && live.metadata.deletion_timestamp.is_none()
}

/// Whether the platform is an object's controller.
pub(super) fn is_own(platform: &Platform, live: &DynamicObject) -> bool {
    live.owner_references().iter().any(|owner| owner.controller == Some(true) && owner.uid == platform.uid)
}

/// Whether pods of an older version may still need an object of `kind` that is no longer built.
fn is_in_use(kind: &str, children: &Children) -> bool {
    // A policy's way to a database's former port, for one. Where there are to be no policies any more they go at once:
    // they may be what keeps the platform from settling.
    MOUNTED.contains(&kind) || (kind == "NetworkPolicy" && children.iter().any(|child| child.kind() == kind))
}

/// Deletes exactly this version of an object, with what it owns. `false`: it was gone or had changed already.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn remove(context: &Context, resource: &ApiResource, live: &DynamicObject) -> Result<bool, Error> {
    let (namespace, name) = (live.namespace().unwrap_or_default(), live.name_any());
    let parameters = DeleteParams {
        preconditions: Some(Preconditions { uid: live.uid(), resource_version: live.resource_version() }),
        ..DeleteParams::background()
    };
    let api = context.dynamic_api(&namespace, resource);
    let what = || format!("deleting {} {namespace}/{name}", resource.kind);
    match request(Step::Prune, what, api.delete(&name, &parameters)).await {
        Ok(_) => {
            info!(kind = resource.kind, name, "deleted, for it is no longer built");
            metrics::written(&resource.kind, "delete");
            Ok(true)
        }
        Err(error) if error.is_gone() || error.is_stale() => Ok(false),
        Err(error) => Err(error),
    }
}
