//! First step: reads what the spec refers to. All of a reconciliation's reading is here and in [`super::live`].

use std::{collections::HashMap, str, sync::Mutex};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::{
    context::{Context, lock, request},
    error::{Error, Step},
    obstacle::{Obstacle, Reason},
};
use crate::{
    build::{DatabaseSecret, Dereferenced, Platform, checksum},
    database::{Address, DEFAULT_PORT},
};

/// What was read of Secrets, by the platform's uid: checksums and addresses, never the values.
#[derive(Default)]
pub(super) struct Secrets(Mutex<HashMap<String, Known>>);

struct Known {
    secret: DatabaseSecret,
    version: Option<String>,
    database: Database,
}

/// What is kept of the database's URL.
#[derive(Clone)]
pub(super) struct Database {
    /// Where it listens, if the URL says so in a way that the operator understands.
    pub address: Option<Address>,
    /// What the children depend on.
    pub dereferenced: Dereferenced,
}

impl Secrets {
    fn get(&self, platform: &Platform, version: &str) -> Option<Database> {
        let known = lock(&self.0);
        let known = known.get(&platform.uid)?;
        (known.secret == platform.database && known.version.as_deref() == Some(version)).then(|| known.database.clone())
    }

    /// Forgets all platforms but those that `is_there` knows.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|uid, _| is_there(uid));
    }
}

/// Reads the Secret with the database's URL, unless the same version of it has been read before.
///
/// # Errors
/// When the API server can't be asked. A Secret that isn't there or lacks the key is an obstacle.
pub(super) async fn database(context: &Context, platform: &Platform) -> Result<Result<Database, Obstacle>, Error> {
    let name = &platform.database.name;
    let namespace = &platform.namespace;
    let watched = context.live.secret_version(namespace, name);
    if let Some(database) = watched.and_then(|version| context.secrets.get(platform, &version)) {
        return Ok(Ok(database));
    }
    let api = context.api::<Secret>(namespace);
    let what = || format!("reading Secret {namespace}/{name}");
    let secret = request(Step::Dereference, what, api.get_opt(name)).await?;
    let url = match database_url(platform, secret.as_ref()) {
        Ok(url) => url,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let database = Database { address: address(url), dereferenced: dereferenced(platform, url) };
    let version = secret.as_ref().and_then(ResourceExt::resource_version);
    let known = Known { secret: platform.database.clone(), version, database: database.clone() };
    lock(&context.secrets.0).insert(platform.uid.clone(), known);
    Ok(Ok(database))
}

/// What the children of a platform depend on, when this is its database's URL.
pub fn dereferenced(platform: &Platform, url: &[u8]) -> Dereferenced {
    Dereferenced {
        database_checksum: checksum::secret(&platform.uid, url),
        database_port: Some(address(url).as_ref().map_or(DEFAULT_PORT, Address::port)),
    }
}

fn address(url: &[u8]) -> Option<Address> {
    str::from_utf8(url).ok()?.parse().ok()
}

/// The database's URL in the Secret that the spec names, which is `None` when it isn't there.
///
/// # Errors
/// When the Secret isn't there or lacks the key.
pub fn database_url<'a>(platform: &Platform, secret: Option<&'a Secret>) -> Result<&'a [u8], Obstacle> {
    let Platform { namespace, database: DatabaseSecret { name, key }, .. } = platform;
    let missing = |what: String| Obstacle::new(Reason::SecretNotFound, format!("Secret {namespace}/{name} {what}"));
    let Some(secret) = secret else {
        return Err(missing(format!("is not there: create it with key {key}, the database's URL")));
    };
    match secret.data.as_ref().and_then(|data| data.get(key)) {
        Some(url) if !url.0.is_empty() => Ok(&url.0),
        _ => Err(missing(format!("has no key {key}: add it, with the database's URL as its value"))),
    }
}
