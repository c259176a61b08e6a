//! Sees to it that order and cook have the tokens by which cook knows order, and changes them in turn.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    ResourceExt as _,
    api::{DynamicObject, PostParams},
};
use rand::{Rng as _, distr::Alphanumeric};
use tracing::info;

use super::{
    apply::{self, Failure},
    context::{Context, request},
    diff,
    error::{Error, Step},
};
use crate::{
    build::{CancellationTokens, FIELD_MANAGER, Platform, names},
    metrics,
    sync::lock,
};

/// How long a token is the current one. A pod sees a change of a Secret within minutes, far sooner.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Characters of a token, of 62 kinds each: more than 256 bits.
const LENGTH: usize = 44;

/// Which version of each platform's Secret is known to be good, and since when it has its tokens, by the platform's uid.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<HashMap<String, (String, Timestamp)>>);

impl Known {
    /// Whether this version of the Secret needs no look.
    fn is_good(&self, platform: &Platform, version: &str, now: Timestamp) -> bool {
        lock(&self.0).get(&platform.uid).is_some_and(|(good, since)| good == version && !is_old(*since, now))
    }

    fn remember(&self, platform: &Platform, secret: &Secret, since: Timestamp) {
        if let Some(version) = secret.resource_version() {
            lock(&self.0).insert(platform.uid.clone(), (version, since));
        }
    }

    /// Forgets all platforms but those that `is_there` knows.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|uid, _| is_there(uid));
    }
}

fn is_old(since: Timestamp, now: Timestamp) -> bool {
    // Two operators' clocks may differ a little; a time far ahead is one that somebody made up.
    now.duration_since(since).unsigned_abs() >= LIFETIME
}

/// Makes the Secret, mends it, or changes its tokens when their time has come.
///
/// # Errors
/// See [`Failure`].
pub(super) async fn ensure(context: &Context, platform: &Platform, now: Timestamp) -> Result<(), Failure> {
    let (namespace, name) = (&platform.namespace, names::cancellation_tokens(&platform.name));
    let version = context.live.secret_version(namespace, &name);
    if version.as_ref().is_some_and(|version| context.cancellation_tokens.is_good(platform, version, now)) {
        return Ok(());
    }
    let mut refusal = None;
    if version.is_none() {
        match create(context, platform, now).await {
            // The watch may have yet to tell of it; what may be made is asked before whether it is there.
            Err(error) if error.is_there_already() || error.is_refusal() => refusal = Some(error),
            created => return Ok(created?),
        }
    }
    let api = context.api::<Secret>(namespace);
    let what = |doing: &str| format!("{doing} Secret {namespace}/{name}");
    let Some(live) = request(Step::Apply, || what("reading"), api.get_opt(&name)).await? else {
        return match refusal {
            Some(error) => Err(error.into()),
            None => Ok(create(context, platform, now).await?),
        };
    };
    apply::admit(platform, "Secret", &head(&live))?;
    let (tokens, since) = match CancellationTokens::read(&live) {
        Some((tokens, since)) if !is_old(since, now) => (tokens, since),
        Some((tokens, _)) => (tokens.advance(fresh()), now),
        None => (CancellationTokens::new(fresh), now),
    };
    let secret = tokens.secret(platform, since);
    if live.data == secret.data && diff::covers(&live.metadata, &secret.metadata) {
        context.cancellation_tokens.remember(platform, &live, since);
        return Ok(());
    }
    let replaced = laid_over(live, secret);
    let written = request(Step::Apply, || what("replacing"), api.replace(&name, &parameters(), &replaced)).await?;
    took(context, platform, &written, since);
    Ok(())
}

/// The live Secret with everything that was built, and what others have noted on it. It has its version, so that exactly that
/// one is replaced: of two writers one is told to look again.
fn laid_over(mut live: Secret, built: Secret) -> Secret {
    live.labels_mut().extend(built.metadata.labels.unwrap_or_default());
    live.annotations_mut().extend(built.metadata.annotations.unwrap_or_default());
    Secret { metadata: ObjectMeta { owner_references: built.metadata.owner_references, ..live.metadata }, ..built }
}

/// Makes the Secret.
///
/// # Errors
/// When the API server can't be asked, or refuses: also when one of that name is there.
async fn create(context: &Context, platform: &Platform, now: Timestamp) -> Result<(), Error> {
    let secret = CancellationTokens::new(fresh).secret(platform, now);
    let what = || format!("creating Secret {}/{}", platform.namespace, secret.name_any());
    let api = context.api::<Secret>(&platform.namespace);
    let written = request(Step::Apply, what, api.create(&parameters(), &secret)).await?;
    took(context, platform, &written, now);
    Ok(())
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() }
}

/// The Secret is as it should be, with tokens of that time.
fn took(context: &Context, platform: &Platform, written: &Secret, since: Timestamp) {
    info!(namespace = platform.namespace, name = written.name_any(), %since, "the tokens between order and cook");
    metrics::written("Secret", "apply");
    context.cancellation_tokens.remember(platform, written, since);
}

/// What tells whose it is.
fn head(secret: &Secret) -> DynamicObject {
    DynamicObject { types: None, metadata: secret.metadata.clone(), data: serde_json::Value::Null }
}

/// A token that nobody can guess.
fn fresh() -> String {
    rand::rng().sample_iter(Alphanumeric).take(LENGTH).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_last_a_day() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let old = |at: &str| is_old(since, at.parse().unwrap());
        assert!(!old("2026-01-01T00:00:00Z") && !old("2026-01-01T23:59:59Z"));
        assert!(old("2026-01-02T00:00:00Z"));
        assert!(!old("2025-12-31T23:59:59Z") && old("2025-12-01T00:00:00Z"), "from a time to come");
    }

    #[test]
    fn no_two_tokens_are_the_same() {
        let (one, other) = (fresh(), fresh());
        assert_ne!(one, other);
        assert!(one.len() == LENGTH && one.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{one}");
    }
}
