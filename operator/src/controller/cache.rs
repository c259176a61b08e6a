//! Objects of one kind as a watch tells of them: found by name, and by the platform that their label names.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use kube::{Resource, ResourceExt as _};
use kube_runtime::watcher::Event;
use tokio::sync::watch;

use crate::build::labels;

/// See the module. `T` is what is kept of an object.
pub(super) struct Cache<T> {
    objects: RwLock<Objects<T>>,
    filled: watch::Sender<bool>,
    changed: watch::Sender<()>,
}

struct Objects<T> {
    /// By namespace.
    there: HashMap<String, Namespace<T>>,
    /// What a watch that begins has told so far. It takes the place of the rest when it is complete.
    coming: HashMap<String, Namespace<T>>,
}

struct Namespace<T> {
    by_name: HashMap<Arc<str>, (Arc<str>, T)>,
    by_platform: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

impl<T> Default for Namespace<T> {
    fn default() -> Self {
        Self { by_name: HashMap::new(), by_platform: HashMap::new() }
    }
}

impl<T> Namespace<T> {
    fn insert(&mut self, name: &str, platform: &str, object: T) {
        let former =
            self.by_name.get_key_value(name).map(|(name, (platform, _))| (Arc::clone(name), Arc::clone(platform)));
        let name = former.as_ref().map_or_else(|| name.into(), |(name, _)| Arc::clone(name));
        if let Some((_, former)) = former.filter(|(_, former)| **former != *platform) {
            self.leave(&former, &name);
        }
        let platform =
            self.by_platform.get_key_value(platform).map_or_else(|| platform.into(), |(key, _)| Arc::clone(key));
        self.by_platform.entry(Arc::clone(&platform)).or_default().insert(Arc::clone(&name));
        self.by_name.insert(name, (platform, object));
    }

    fn remove(&mut self, name: &str) {
        if let Some((platform, _)) = self.by_name.remove(name) {
            self.leave(&platform, name);
        }
    }

    fn leave(&mut self, platform: &str, name: &str) {
        if let Some(names) = self.by_platform.get_mut(platform) {
            names.remove(name);
            if names.is_empty() {
                self.by_platform.remove(platform);
            }
        }
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        let objects = Objects { there: HashMap::new(), coming: HashMap::new() };
        Self { objects: RwLock::new(objects), filled: watch::Sender::new(false), changed: watch::Sender::new(()) }
    }
}

impl<T: Clone> Cache<T> {
    /// Takes in an event of the watch; `keep` is what is kept of an object.
    pub(super) fn take_in<K: Resource>(&self, event: &Event<K>, keep: impl Fn(&K) -> T) {
        // Whoever reads need not wait for this.
        let kept = match event {
            Event::Apply(object) | Event::InitApply(object) => Some(keep(object)),
            Event::Delete(_) | Event::Init | Event::InitDone => None,
        };
        // Every change under the lock is complete in itself, so a panic elsewhere leaves nothing half done.
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let insert = |namespaces: &mut HashMap<String, Namespace<T>>, object: &K| {
            let Some(kept) = kept else { return };
            let (namespace, platform) = (object.namespace().unwrap_or_default(), object.labels().get(labels::INSTANCE));
            let platform = platform.map_or("", String::as_str);
            namespaces.entry(namespace).or_default().insert(&object.name_any(), platform, kept);
        };
        match event {
            Event::Apply(object) => insert(&mut objects.there, object),
            Event::Delete(object) => {
                if let Some(namespace) = objects.there.get_mut(&object.namespace().unwrap_or_default()) {
                    namespace.remove(&object.name_any());
                }
            }
            Event::Init => objects.coming.clear(),
            Event::InitApply(object) => insert(&mut objects.coming, object),
            Event::InitDone => {
                objects.there = mem::take(&mut objects.coming);
                self.filled.send_replace(true);
            }
        }
        drop(objects);
        self.changed.send_replace(());
    }

    /// Tells of each event that has been taken in.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits until a watch has told of everything that is there.
    pub(super) async fn filled(&self) {
        // The sender lives as long as the cache.
        let _ = self.filled.subscribe().wait_for(|filled| *filled).await;
    }

    /// The object of that name.
    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<T> {
        Some(self.read().there.get(namespace)?.by_name.get(name)?.1.clone())
    }

    /// The objects that carry the platform's label, with their names.
    pub(super) fn of(&self, namespace: &str, platform: &str) -> Vec<(Arc<str>, T)> {
        let objects = self.read();
        let Some(namespace) = objects.there.get(namespace) else { return Vec::new() };
        let names = namespace.by_platform.get(platform).into_iter().flatten();
        names.filter_map(|name| Some((Arc::clone(name), namespace.by_name.get(name)?.1.clone()))).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Objects<T>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::json;

    use super::*;
    use crate::controller::pack::{Packed, Packer};

    fn object(name: &str, platform: &str, version: u64) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {
                "name": name, "namespace": "food", "labels": { "app.kubernetes.io/instance": platform },
                "resourceVersion": version.to_string(),
            },
            "data": { "a": "b" },
        }))
        .unwrap()
    }

    fn names(cache: &Cache<Packed>, platform: &str) -> Vec<String> {
        let mut names: Vec<_> = cache.of("food", platform).into_iter().map(|(name, _)| name.to_string()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn objects_are_found_by_name_and_by_platform() {
        let (cache, packer) = (Cache::default(), Packer::default());
        let tell = |event: Event<DynamicObject>| cache.take_in(&event, |object| packer.pack(object));
        tell(Event::Init);
        tell(Event::InitApply(object("a", "shop", 1)));
        tell(Event::InitApply(object("b", "shop", 2)));
        assert!(cache.get("food", "a").is_none(), "the list isn't complete");
        tell(Event::InitDone);
        cache.filled().await;
        tell(Event::Apply(object("c", "bar", 3)));
        assert_eq!((names(&cache, "shop"), names(&cache, "bar")), (vec!["a".into(), "b".into()], vec!["c".into()]));

        // Somebody gives it to another platform.
        tell(Event::Apply(object("b", "bar", 4)));
        assert_eq!((names(&cache, "shop"), names(&cache, "bar")), (vec!["a".into()], vec!["b".into(), "c".into()]));
        assert_eq!(cache.get("food", "b").and_then(|object| object.version), Some(4));
        tell(Event::Delete(object("a", "shop", 5)));
        assert_eq!(names(&cache, "shop"), Vec::<String>::new());

        // A watch that begins anew tells of what is left.
        tell(Event::Init);
        tell(Event::InitApply(object("c", "bar", 6)));
        assert_eq!(names(&cache, "bar"), ["b", "c"]);
        tell(Event::InitDone);
        assert_eq!(names(&cache, "bar"), ["c"]);
    }
}
