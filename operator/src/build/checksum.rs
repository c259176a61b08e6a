//! Checksums: short names for contents.

use std::iter;

use k8s_openapi::api::core::v1::{ConfigMap, PodTemplateSpec};
use sha2::{Digest as _, Sha256};

/// Ten hexadecimal digits for names: 40 bits, of which no platform has more than a handful.
pub fn short(parts: &[&str]) -> String {
    hex(parts.iter().map(|part| part.as_bytes()))[..10].to_owned()
}

/// The checksum of a secret's value, to be shown on objects that more people can read than the secret. It is salted
/// ([`super::Platform::salt`]), so that equal values of different platforms don't show as such.
pub fn secret(salt: &str, value: &[u8]) -> String {
    secrets(salt, [value])
}

/// The same for several values.
pub(super) fn secrets<'a>(salt: &'a str, values: impl IntoIterator<Item = &'a [u8]>) -> String {
    hex(iter::once(salt.as_bytes()).chain(values))[..32].to_owned()
}

/// The checksum of a ConfigMap's data.
pub(super) fn config_map(config: &ConfigMap) -> String {
    let data = config.data.iter().flatten();
    hex(data.flat_map(|(key, value)| [key.as_bytes(), value.as_bytes()]))[..32].to_owned()
}

/// The checksum of a pod template.
pub(super) fn template(template: &PodTemplateSpec) -> String {
    // A Kubernetes type always can be serialised.
    let text = serde_json::to_vec(template).unwrap_or_default();
    hex([text.as_slice()])[..32].to_owned()
}

/// SHA-256 over the parts and their lengths.
fn hex<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    format!("{:x}", hasher.finalize())
}
