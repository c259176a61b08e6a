//! First step: reads what the spec refers to. All of a reconciliation's reading is here and in [`super::live`].

use std::{
    collections::{BTreeMap, HashMap},
    str,
    sync::Mutex,
};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::{
    context::{Context, request},
    error::{Error, Step},
    obstacle::{Obstacle, Reason},
};
use crate::{
    build::{DatabaseSecret, Dereferenced, KafkaCredentials, KafkaSecurity, Missing, Platform, checksum, secret},
    database::{Address, DEFAULT_PORT},
    kafka::connection::Connection,
    sync::lock,
};

/// What was read of Secrets, by the platform's uid.
#[derive(Default)]
pub(super) struct Secrets {
    /// Checksums and addresses, never the values.
    databases: Mutex<HashMap<String, Known>>,
    /// The values, which the checks of topics need.
    kafka: Mutex<HashMap<String, KnownKafka>>,
}

struct KnownKafka {
    security: KafkaSecurity,
    versions: Vec<Option<String>>,
    credentials: KafkaCredentials,
}

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
        let known = lock(&self.databases);
        let known = known.get(&platform.uid)?;
        (known.secret == platform.database && known.version.as_deref() == Some(version)).then(|| known.database.clone())
    }

    fn kafka(&self, platform: &Platform, versions: &[Option<String>]) -> Option<KafkaCredentials> {
        let known = lock(&self.kafka);
        let known = known.get(&platform.uid)?;
        let is_same = known.security == platform.kafka_security && known.versions == versions;
        (is_same && versions.iter().all(Option::is_some)).then(|| known.credentials.clone())
    }

    /// Forgets all platforms but those that `is_there` knows.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.databases).retain(|uid, _| is_there(uid));
        lock(&self.kafka).retain(|uid, _| is_there(uid));
    }
}

/// Reads the Secret with the database's URL, unless the same version of it has been read before.
///
/// # Errors
/// When the API server can't be asked. A Secret that isn't there or lacks the key is an obstacle.
pub(super) async fn database(context: &Context, platform: &Platform) -> Result<Result<Database, Obstacle>, Error> {
    let name = &platform.database.name;
    let watched = context.live.secret_version(&platform.namespace, name);
    if let Some(database) = watched.and_then(|version| context.secrets.get(platform, &version)) {
        return Ok(Ok(database));
    }
    let secret = read(context, platform, name).await?;
    let url = match database_url(platform, secret.as_ref()) {
        Ok(url) => url,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let database = Database { address: address(url), dereferenced: dereferenced(platform, url) };
    let version = secret.as_ref().and_then(ResourceExt::resource_version);
    let known = Known { secret: platform.database.clone(), version, database: database.clone() };
    lock(&context.secrets.databases).insert(platform.uid.clone(), known);
    Ok(Ok(database))
}

/// The way to the platform's Kafka. Reads the Secrets that it takes, unless the same versions of them have been read
/// before.
///
/// # Errors
/// When the API server can't be asked. A Secret that isn't there or lacks a key is an obstacle.
pub(super) async fn kafka(context: &Context, platform: &Platform) -> Result<Result<Connection, Obstacle>, Error> {
    let connection = |credentials| Connection { bootstrap_servers: platform.bootstrap_servers.clone(), credentials };
    let (namespace, security) = (&platform.namespace, &platform.kafka_security);
    let names = security.secrets();
    let watched: Vec<_> = names.iter().map(|name| context.live.secret_version(namespace, name)).collect();
    if let Some(credentials) = context.secrets.kafka(platform, &watched) {
        return Ok(Ok(connection(credentials)));
    }
    let mut secrets = BTreeMap::new();
    for name in &names {
        if let Some(secret) = read(context, platform, name).await? {
            secrets.insert((*name).to_owned(), secret);
        }
    }
    let credentials = match kafka_credentials(platform, &secrets) {
        Ok(credentials) => credentials,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let versions = names.iter().map(|name| secrets.get(*name)?.resource_version()).collect();
    let known = KnownKafka { security: security.clone(), versions, credentials: credentials.clone() };
    lock(&context.secrets.kafka).insert(platform.uid.clone(), known);
    Ok(Ok(connection(credentials)))
}

/// What the platform shows to Kafka, from the Secrets that it takes, by their names.
///
/// # Errors
/// When one of them isn't there or lacks a key.
pub fn kafka_credentials(
    platform: &Platform,
    secrets: &BTreeMap<String, Secret>,
) -> Result<KafkaCredentials, Obstacle> {
    platform.kafka_security.read(secrets).map_err(|Missing { name, what }| lacking(platform, &name, &what))
}

/// What the children of a platform depend on, when this is its database's URL, and nothing that Kafka wants is secret.
pub fn dereferenced(platform: &Platform, url: &[u8]) -> Dereferenced {
    Dereferenced {
        database_checksum: checksum::secret(&platform.salt(), url),
        database_port: Some(address(url).as_ref().map_or(DEFAULT_PORT, Address::port)),
        kafka_checksum: None,
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
    let DatabaseSecret { name, key } = &platform.database;
    secret::value(secret, key, "the database's URL").map_err(|what| lacking(platform, name, &what))
}

/// A Secret lacks something.
fn lacking(platform: &Platform, name: &str, what: &str) -> Obstacle {
    Obstacle::new(Reason::SecretNotFound, format!("Secret {}/{name} {what}", platform.namespace))
}

/// Reads a Secret of the platform's namespace.
async fn read(context: &Context, platform: &Platform, name: &str) -> Result<Option<Secret>, Error> {
    let namespace = &platform.namespace;
    let what = || format!("reading Secret {namespace}/{name}");
    request(Step::Dereference, what, context.api::<Secret>(namespace).get_opt(name)).await
}
