//! What Secrets hold, and how pods see it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, Secret, SecretKeySelector, VolumeMount};

/// The mode of a mounted secret: the group of the pod may read, and nobody may write.
pub(super) const MODE: i32 = 0o440;

/// A key of a Secret in the platform's namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SecretKey {
    pub name: String,
    pub key: String,
}

/// Something that a Secret lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The Secret.
    pub name: String,
    /// What is wrong and what to do, to be put after the Secret's name.
    pub what: String,
}

impl SecretKey {
    pub(super) fn new(name: &str, key: Option<&String>, default: &str) -> Self {
        Self { name: name.to_owned(), key: key.map_or(default, String::as_str).to_owned() }
    }

    /// The value in the Secrets, which are by their names; `content` says what it is.
    ///
    /// # Errors
    /// When the Secret isn't there or lacks the key.
    pub(super) fn value<'a>(&self, secrets: &'a BTreeMap<String, Secret>, content: &str) -> Result<&'a [u8], Missing> {
        let Self { name, key } = self;
        let what = match secrets.get(name) {
            None => format!("is not there: create it with key {key}, {content}"),
            Some(secret) => match secret.data.as_ref().and_then(|data| data.get(key)) {
                Some(value) if !value.0.is_empty() => return Ok(&value.0),
                _ => format!("has no key {key}: add it, with {content} as its value"),
            },
        };
        Err(Missing { name: name.clone(), what })
    }

    /// An environment variable with the value.
    pub(super) fn variable(&self, variable: &str) -> EnvVar {
        EnvVar {
            name: variable.to_owned(),
            value_from: Some(EnvVarSource {
                secret_key_ref: Some(SecretKeySelector {
                    name: self.name.clone(),
                    key: self.key.clone(),
                    ..Default::default()
                }),
                ..Default::default()
            }),
            ..Default::default()
        }
    }
}

/// Where a volume of secrets is mounted.
pub(super) fn mount(volume: &str, directory: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: directory.to_owned(),
        read_only: Some(true),
        ..Default::default()
    }
}
