//! What order shows to cook when it cancels, and nobody else knows: tokens in a Secret, which are changed in turn.
//!
//! The Secret holds three. Order shows the current one; cook accepts all three. At each change the next one becomes the
//! current one, and the current one the previous one. So two pods that see the Secret of two successive changes agree,
//! and it doesn't matter when which pod gets to see a change.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use k8s_openapi::{
    ByteString,
    api::core::v1::{EnvVar, KeyToPath, Secret, SecretVolumeSource, Volume, VolumeMount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{labels, names, platform::Platform, secret};
use crate::api::FoodService;

/// The annotation that says since when the tokens are these.
const CHANGED_AT: &str = "foodplatform.dev/changed-at";

const PREVIOUS: &str = "previous";
const CURRENT: &str = "current";
const NEXT: &str = "next";

/// The volume's name in a pod.
const VOLUME: &str = "cancellation-tokens";
/// Where it is mounted.
const DIRECTORY: &str = "/var/run/secrets/foodplatform.dev/cancellation-tokens";

/// The tokens.
#[derive(Clone, Eq, PartialEq)]
pub struct CancellationTokens {
    previous: String,
    current: String,
    next: String,
}

impl fmt::Debug for CancellationTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationTokens").finish_non_exhaustive()
    }
}

impl CancellationTokens {
    /// The first ones, each of which `fresh` makes.
    pub fn new(mut fresh: impl FnMut() -> String) -> Self {
        Self { previous: fresh(), current: fresh(), next: fresh() }
    }

    /// Those of a Secret, and since when it has them; none where one of them, or the time, isn't there.
    #[must_use]
    pub fn read(secret: &Secret) -> Option<(Self, Timestamp)> {
        let data = secret.data.as_ref()?;
        let token = |key: &str| {
            let text = str::from_utf8(&data.get(key)?.0).ok()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let since = secret.metadata.annotations.as_ref()?.get(CHANGED_AT)?.parse().ok()?;
        Some((Self { previous: token(PREVIOUS)?, current: token(CURRENT)?, next: token(NEXT)? }, since))
    }

    /// Those after them.
    #[must_use]
    pub fn advance(self, fresh: String) -> Self {
        Self { previous: self.current, current: self.next, next: fresh }
    }

    /// The Secret that holds them.
    #[must_use]
    pub fn secret(&self, platform: &Platform, since: Timestamp) -> Secret {
        let data = [(PREVIOUS, &self.previous), (CURRENT, &self.current), (NEXT, &self.next)];
        let metadata = labels::metadata_of_platform(platform, names::cancellation_tokens(&platform.name));
        Secret {
            metadata: ObjectMeta {
                owner_references: Some(vec![platform.owner_reference()]),
                annotations: Some(BTreeMap::from([(CHANGED_AT.to_owned(), since.to_string())])),
                ..metadata
            },
            data: Some(data.map(|(key, token)| (key.to_owned(), ByteString(token.clone().into_bytes()))).into()),
            type_: Some("Opaque".to_owned()),
            ..Default::default()
        }
    }
}

/// How the pods of a service see the tokens; none where they have no need to.
pub(super) fn mounted(platform: &Platform, service: FoodService) -> Option<(Volume, VolumeMount, EnvVar)> {
    let shown = || vec![KeyToPath { key: CURRENT.to_owned(), path: CURRENT.to_owned(), ..Default::default() }];
    let (items, name, value) = match service {
        FoodService::Order => (Some(shown()), "CANCELLATION_TOKEN_FILE", format!("{DIRECTORY}/{CURRENT}")),
        FoodService::Cook => (None, "CANCELLATION_TOKENS", DIRECTORY.to_owned()),
        FoodService::Delivery | FoodService::MyPage | FoodService::Gateway => return None,
    };
    let volume = Volume {
        name: VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::cancellation_tokens(&platform.name)),
            items,
            default_mode: Some(secret::MODE),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mount = secret::mount(VOLUME, DIRECTORY);
    Some((volume, mount, EnvVar { name: name.to_owned(), value: Some(value), ..Default::default() }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::FoodPlatform;

    fn numbered() -> impl FnMut() -> String {
        let mut made = 0;
        move || {
            made += 1;
            format!("token-{made}")
        }
    }

    #[test]
    fn whoever_is_one_change_behind_or_ahead_is_understood() {
        let now = CancellationTokens::new(numbered());
        let accepted = |tokens: &CancellationTokens, shown: &str| {
            [&tokens.previous, &tokens.current, &tokens.next].iter().any(|token| *token == shown)
        };
        let later = now.clone().advance("fresh".to_owned());
        assert_ne!(now.current, later.current);
        assert!(accepted(&now, &later.current) && accepted(&later, &now.current));
        let much_later = later.advance("fresher".to_owned()).advance("freshest".to_owned());
        assert!(!accepted(&much_later, &now.current), "what leaks is of no use for ever");
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_broken_is_not() {
        let platform: FoodPlatform = serde_json::from_value(json!({
            "apiVersion": "foodplatform.dev/v1alpha1", "kind": "FoodPlatform",
            "metadata": { "name": "shop", "namespace": "food", "uid": "u" },
            "spec": {
                "image": { "registry": "r", "tag": "1" },
                "kafka": { "bootstrapServers": "k:9092" },
                "database": { "secretRef": { "name": "db" } },
            },
        }))
        .unwrap();
        let platform = Platform::new(&platform).unwrap();
        let tokens = CancellationTokens::new(numbered());
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let secret = tokens.secret(&platform, since);
        assert_eq!(secret.metadata.name.as_deref(), Some("shop-cancellation-tokens"));
        assert_eq!(CancellationTokens::read(&secret), Some((tokens.clone(), since)));
        assert!(!format!("{tokens:?}").contains("token-"), "they stay out of logs");
        for key in [PREVIOUS, CURRENT, NEXT] {
            let mut broken = secret.clone();
            broken.data.as_mut().unwrap().insert(key.to_owned(), ByteString(b" ".to_vec()));
            assert_eq!(CancellationTokens::read(&broken), None, "{key}");
        }
        let mut broken = secret;
        broken.metadata.annotations = None;
        assert_eq!(CancellationTokens::read(&broken), None);
    }
}
