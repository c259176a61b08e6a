//! Which platforms are to be looked at after an event.

use k8s_openapi::api::core::v1 as core;
use kube::{Resource, api::PartialObjectMeta};
use kube_runtime::{
    reflector::{ObjectRef, Store},
    watcher::Event,
};
use tokio::sync::mpsc;

use super::live::Guarded;
use crate::build::{labels, names};

/// Platforms that are to be looked at.
pub(super) type Wake = mpsc::UnboundedSender<ObjectRef<Guarded>>;

fn send(wake: &Wake, platform: ObjectRef<Guarded>) {
    // The receiver is gone only when the controller is about to stop.
    let _ = wake.send(platform);
}

fn send_all(wake: &Wake, platforms: &Store<Guarded>) {
    for platform in platforms.state() {
        send(wake, ObjectRef::from_obj(platform.as_ref()));
    }
}

/// Wakes the platform that an event is about.
pub(super) fn by_itself(wake: &Wake) -> impl FnMut(&Event<Guarded>) + Send + 'static {
    let (wake, mut coming) = (wake.clone(), Vec::new());
    move |event| match event {
        Event::Apply(platform) | Event::Delete(platform) => send(&wake, ObjectRef::from_obj(platform)),
        Event::Init => coming.clear(),
        // The store shows what a list tells when all of it has come.
        Event::InitApply(platform) => coming.push(ObjectRef::from_obj(platform)),
        Event::InitDone => coming.drain(..).for_each(|platform| send(&wake, platform)),
    }
}

/// Wakes the platform that an object's label names.
pub(super) fn by_label<K: Resource>(wake: &Wake, platforms: &Store<Guarded>) -> impl Fn(&Event<K>) + Send + 'static {
    let (wake, platforms) = (wake.clone(), platforms.clone());
    move |event| match event {
        Event::Apply(object) | Event::Delete(object) => {
            let meta = object.meta();
            let platform = meta.labels.as_ref().and_then(|labels| labels.get(labels::INSTANCE));
            if let (Some(platform), Some(namespace)) = (platform, &meta.namespace) {
                send(&wake, ObjectRef::new(platform).within(namespace));
            }
        }
        // Whatever vanished while the watch was broken can't be told any more.
        Event::InitDone => send_all(&wake, &platforms),
        Event::Init | Event::InitApply(_) => {}
    }
}

/// Wakes the platforms whose spec names the Secret, or whose own it is.
pub(super) fn by_reference(
    wake: &Wake,
    platforms: &Store<Guarded>,
) -> impl Fn(&Event<PartialObjectMeta<core::Secret>>) + Send + 'static {
    let (wake, platforms) = (wake.clone(), platforms.clone());
    move |event| match event {
        Event::Apply(secret) | Event::Delete(secret) => {
            let (Some(namespace), Some(name)) = (&secret.metadata.namespace, &secret.metadata.name) else { return };
            if let Some(platform) = names::whose_cancellation_tokens(name) {
                send(&wake, ObjectRef::new(platform).within(namespace));
            }
            for platform in platforms.state() {
                if let Ok(found) = &platform.0
                    && found.metadata.namespace.as_ref() == Some(namespace)
                    && found.spec.secrets().any(|secret| secret == name)
                {
                    send(&wake, ObjectRef::from_obj(platform.as_ref()));
                }
            }
        }
        Event::InitDone => send_all(&wake, &platforms),
        Event::Init | Event::InitApply(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn platforms_of_a_list_are_told_of_when_the_store_has_them() {
        let (wake, mut woken) = mpsc::unbounded_channel();
        let mut tell = by_itself(&wake);
        let platform = |name: &str| -> Guarded {
            serde_json::from_value(json!({ "metadata": { "name": name, "namespace": "food" } })).unwrap()
        };
        let mut told =
            || -> Vec<String> { std::iter::from_fn(|| woken.try_recv().ok()).map(|told| told.name).collect() };
        tell(&Event::Init);
        tell(&Event::InitApply(platform("a")));
        tell(&Event::InitApply(platform("b")));
        assert_eq!(told(), Vec::<String>::new());
        tell(&Event::InitDone);
        assert_eq!(told(), ["a", "b"]);
        tell(&Event::Apply(platform("c")));
        tell(&Event::InitDone);
        assert_eq!(told(), ["c"]);
    }
}
