//! What Secrets hold, and how pods see it.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, Secret, SecretKeySelector, VolumeMount};

/// The mode of a mounted secret: the group of the pod may read, and nobody may write.
pub(super) const MODE: i32 = 0o440;

/// The value under a key of a Secret, which is `None` when it isn't there; `content` says what it is.
///
/// # Errors
/// What is wrong and what to do, to be put after the Secret's name.
pub fn value<'a>(secret: Option<&'a Secret>, key: &str, content: &str) -> Result<&'a [u8], String> {
    let Some(secret) = secret else { return Err(format!("is not there: create it with key {key}, {content}")) };
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        Some(value) if !value.0.is_empty() => Ok(&value.0),
        _ => Err(format!("has no key {key}: add it, with {content} as its value")),
    }
}

/// An environment variable with the value under a Secret's key.
pub(super) fn variable(name: &str, secret: &str, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret.to_owned(),
                key: key.to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
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
