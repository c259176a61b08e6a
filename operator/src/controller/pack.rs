//! Objects in little room: thousands of platforms have hundreds of thousands of children, few of which are looked at.
//!
//! Those of one kind and service are nearly the same text. So each is packed against the first of its like, as
//! [LZ4 blocks](https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md) with a dictionary.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use kube::{Resource, ResourceExt as _, api::DynamicObject};
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};

use crate::{api::FoodService, build::labels, sync::lock};

/// How far back LZ4 can refer.
const MOST: usize = 64 * 1024;

/// Packs objects of one kind.
#[derive(Default)]
pub(super) struct Packer {
    /// The text of the first object of each service, and of those of none.
    first: Mutex<HashMap<Option<FoodService>, Arc<[u8]>>>,
}

/// A packed object.
#[derive(Clone)]
pub(super) struct Packed {
    /// Its version as a number.
    pub version: Option<u64>,
    text: Arc<[u8]>,
    like: Arc<[u8]>,
}

impl Packer {
    /// Packs an object.
    pub(super) fn pack(&self, object: &DynamicObject) -> Packed {
        // What came as JSON goes back to it.
        let text = serde_json::to_vec(object).unwrap_or_default();
        let label = object.labels().get(labels::NAME);
        let service = FoodService::ALL.into_iter().find(|service| label.is_some_and(|label| label == service.as_str()));
        let first = || text[..text.len().min(MOST)].into();
        let like = Arc::clone(lock(&self.first).entry(service).or_insert_with(first));
        Packed { version: version(object), text: compress_prepend_size_with_dict(&text, &like).into(), like }
    }
}

impl Packed {
    /// The object.
    pub(super) fn unpack(&self) -> Option<DynamicObject> {
        let text = decompress_size_prepended_with_dict(&self.text, &self.like).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// Kubernetes' resource versions can be compared as numbers since 1.35 (KEP-5504), and always could in practice.
pub(super) fn version(object: &impl Resource) -> Option<u64> {
    object.meta().resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, service: &str, data: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": name, "labels": { "app.kubernetes.io/name": service }, "resourceVersion": "7" },
            "data": { "a": data },
        }))
        .unwrap()
    }

    #[test]
    fn what_is_packed_comes_out_again() {
        let packer = Packer::default();
        let long = "0123456789".repeat(MOST);
        for data in ["", "b", &long, "c"] {
            for service in ["order", "cook", ""] {
                let object = object("a", service, data);
                let packed = packer.pack(&object);
                assert_eq!((packed.version, packed.unpack()), (Some(7), Some(object)));
            }
        }
    }

    #[test]
    fn an_object_like_another_takes_little_room() {
        let packer = Packer::default();
        // Nothing in it is said twice.
        let data: String = (0..2_000).map(|number| format!("{number:x}")).collect();
        packer.pack(&object("first", "order", &data));
        assert!(packer.pack(&object("second", "order", &data)).text.len() < 100);
    }
}
