//! What is remembered of the children that were applied or looked at.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher as _},
    io,
    sync::Mutex,
};

use kube::api::{DynamicObject, ObjectMeta};
use serde::Serialize;

use crate::sync::lock;

/// What is remembered, by the platform's uid and the child's key.
#[derive(Default)]
pub(super) struct Applied(Mutex<HashMap<String, HashMap<u64, Memory>>>);

/// What is remembered of one child. All but the version are hashes.
#[derive(Clone, Copy, Default)]
struct Memory {
    /// What was applied last, and what the API server made of it: where it keeps a field in another form than built,
    /// comparing alone would apply for ever.
    applied: Option<(u64, u64)>,
    /// What was built when the live object was as it should be, and the version of that: there is no need to look at it
    /// again.
    good: Option<(u64, u64)>,
}

impl Applied {
    /// Forgets all platforms but those that `is_there` knows.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|uid, _| is_there(uid));
    }

    /// Whether exactly this was applied and became that.
    pub(super) fn became(&self, uid: &str, key: u64, built: u64, live: u64) -> bool {
        self.get(uid, key).applied == Some((built, live))
    }

    /// Remembers what was applied and what became of it.
    pub(super) fn remember(&self, uid: &str, key: u64, built: u64, live: u64) {
        self.set(uid, key, |memory| memory.applied = Some((built, live)));
    }

    /// Whether this version was found to be as it was built.
    pub(super) fn is_good(&self, uid: &str, key: u64, built: u64, version: u64) -> bool {
        self.get(uid, key).good == Some((built, version))
    }

    /// Remembers that this version is as it was built.
    pub(super) fn found_good(&self, uid: &str, key: u64, built: u64, version: u64) {
        self.set(uid, key, |memory| memory.good = Some((built, version)));
    }

    fn get(&self, uid: &str, key: u64) -> Memory {
        lock(&self.0).get(uid).and_then(|children| children.get(&key)).copied().unwrap_or_default()
    }

    fn set(&self, uid: &str, key: u64, set: impl FnOnce(&mut Memory)) {
        let mut platforms = lock(&self.0);
        set(platforms.entry(uid.to_owned()).or_default().entry(key).or_default());
    }
}

/// A hash of what people and we say in an object: without its status and its bookkeeping.
pub(super) fn hash_of_live(live: &DynamicObject) -> u64 {
    let mut metadata =
        ObjectMeta { resource_version: None, managed_fields: None, generation: None, ..live.metadata.clone() };
    if let Some(annotations) = &mut metadata.annotations {
        // Written by the Deployment controller after each of our changes.
        annotations.remove("deployment.kubernetes.io/revision");
        // The caches leave this one out, and an empty map where there was none.
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    metadata.annotations = metadata.annotations.filter(|annotations| !annotations.is_empty());
    let parts: Vec<_> = live.data.as_object().into_iter().flatten().filter(|(part, _)| *part != "status").collect();
    hash(&(metadata, parts))
}

/// A hash of what an object says.
pub(super) fn hash(object: &impl Serialize) -> u64 {
    let mut hasher = Text(DefaultHasher::new());
    // Each side always comes from the same serialiser, so that equal values have equal texts. What can't be serialised is
    // refused when it is applied.
    let _ = serde_json::to_writer(&mut hasher, object);
    hasher.0.finish()
}

/// Takes text in as it comes.
struct Text(DefaultHasher);

impl io::Write for Text {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
