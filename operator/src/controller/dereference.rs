//! First step: reads what the spec refers to. All of a reconciliation's reading is here and in [`super::live`].

use std::{collections::HashMap, str, sync::Mutex};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;

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
    let DatabaseSecret { name, key } = &platform.database;
    let namespace = &platform.namespace;
    let watched = context.live.secret_version(namespace, name);
    if let Some(database) = watched.and_then(|version| context.secrets.get(platform, &version)) {
        return Ok(Ok(database));
    }
    let api = context.api::<Secret>(namespace);
    let what = || format!("reading Secret {namespace}/{name}");
    let Some(secret) = request(Step::Dereference, what, api.get_opt(name)).await? else {
        return Ok(Err(Obstacle::new(
            Reason::SecretNotFound,
            format!("Secret {namespace}/{name} is not there: create it with key {key}, the database's URL"),
        )));
    };
    let value = secret.data.as_ref().and_then(|data| data.get(key)).filter(|value| !value.0.is_empty());
    let Some(value) = value else {
        return Ok(Err(Obstacle::new(
            Reason::SecretNotFound,
            format!("Secret {namespace}/{name} has no key {key}: add it, with the database's URL as its value"),
        )));
    };
    let address: Option<Address> = str::from_utf8(&value.0).ok().and_then(|url| url.parse().ok());
    let database = Database {
        dereferenced: Dereferenced {
            database_checksum: checksum::secret(&platform.uid, &value.0),
            database_port: Some(address.as_ref().map_or(DEFAULT_PORT, Address::port)),
        },
        address,
    };
    let known =
        Known { secret: platform.database.clone(), version: secret.resource_version(), database: database.clone() };
    lock(&context.secrets.0).insert(platform.uid.clone(), known);
    Ok(Ok(database))
}
