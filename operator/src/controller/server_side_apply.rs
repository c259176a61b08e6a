//! Writing objects by server-side apply.

use kube::{
    ResourceExt as _,
    api::{ApiResource, DynamicObject, Patch, PatchParams},
};

use super::{
    context::{Context, request},
    error::{Error, Step},
};
use crate::{build::FIELD_MANAGER, metrics};

/// A version that no object ever has: etcd's revisions are signed. Whoever applies with it creates what isn't there, and
/// is told of a conflict where something is, so that nobody needs to look before.
const NO_VERSION: u64 = u64::MAX;

/// An object that has to be there.
pub(super) enum Presence {
    /// It was there, and may be another than it should be.
    Found(DynamicObject),
    /// It has just been made.
    Made(DynamicObject),
}

/// How this operator applies. Fields that don't exist are refused by applying itself; what the validation adds is a search
/// for fields that are given twice, for which the API server reads the whole once more.
pub(crate) fn parameters(manager: &str) -> PatchParams {
    PatchParams::apply(manager).force().validation_ignore()
}

/// Creates the object if nothing of its name is there, and waits until its watch has shown it.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn ensure(
    context: &Context,
    resource: &ApiResource,
    object: &DynamicObject,
) -> Result<Presence, Error> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    if let Some(live) = context.live.child(&resource.kind, &namespace, &name) {
        return Ok(Presence::Found(live));
    }
    // It may be there without our label, or not have come by the watch yet.
    let mut new = object.clone();
    new.metadata.resource_version = Some(NO_VERSION.to_string());
    match apply(context, resource, FIELD_MANAGER, &new).await {
        Ok(made) => Ok(Presence::Made(made)),
        Err(error) if error.is_stale() => {
            let api = context.dynamic_api(&namespace, resource);
            let what = || format!("reading {} {namespace}/{name}", resource.kind);
            // One that has gone meanwhile is made when the conflict has made the platform be looked at again.
            request(Step::Apply, what, api.get_opt(&name)).await?.map(Presence::Found).ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// Applies the object as that field manager, and waits until its watch has shown it. With a version only if it is still
/// the live one.
///
/// # Errors
/// When the API server can't be asked, or refuses.
pub(super) async fn apply(
    context: &Context,
    resource: &ApiResource,
    manager: &str,
    object: &DynamicObject,
) -> Result<DynamicObject, Error> {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let api = context.dynamic_api(&namespace, resource);
    let what = || format!("applying {} {namespace}/{name}", resource.kind);
    let written = request(Step::Apply, what, api.patch(&name, &parameters(manager), &Patch::Apply(object))).await?;
    metrics::written(&resource.kind, "apply");
    context.live.catch_up(&resource.kind, &written).await;
    Ok(written)
}
