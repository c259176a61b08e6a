//! First step: reads what the spec refers to. All of a reconciliation's reading is here and in [`super::live`].

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    str,
    sync::Mutex,
};

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use super::{
    context::{Context, request},
    error::{Error, Step},
    obstacle::Obstacle,
};
use crate::{
    api::{FoodService, Reason},
    build::{Database, DatabaseSecrets, KafkaCredentials, KafkaSecurity, Missing, Platform, checksum},
    database::{Address, DEFAULT_PORT},
    kafka::connection::Connection,
    sync::lock,
};

/// What was read of Secrets.
#[derive(Default)]
pub(super) struct Secrets {
    /// Checksums and addresses, never the values.
    databases: Memory<Vec<Option<DatabaseSecrets>>, Databases>,
    /// The values, which the checks of topics need.
    kafka: Memory<KafkaSecurity, KafkaCredentials>,
}

/// What references led to, by the platform's uid.
struct Memory<R, V>(Mutex<HashMap<String, Known<R, V>>>);

struct Known<R, V> {
    references: R,
    /// Of the Secrets that they name, in the order of the names.
    versions: Vec<Option<String>>,
    value: V,
}

impl<R, V> Default for Memory<R, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: PartialEq, V: Clone> Memory<R, V> {
    /// What they led to when the Secrets had these versions. One that wasn't there may be there by now.
    fn get(&self, uid: &str, references: &R, versions: &[Option<String>]) -> Option<V> {
        let known = lock(&self.0);
        let known = known.get(uid)?;
        let is_same = known.references == *references && known.versions == versions;
        (is_same && versions.iter().all(Option::is_some)).then(|| known.value.clone())
    }

    /// What they led to last, whatever became of the Secrets.
    fn last(&self, uid: &str, references: &R) -> Option<V> {
        lock(&self.0).get(uid).filter(|known| known.references == *references).map(|known| known.value.clone())
    }

    fn set(&self, uid: &str, references: R, versions: Vec<Option<String>>, value: V) {
        lock(&self.0).insert(uid.to_owned(), Known { references, versions, value });
    }

    fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|uid, _| is_there(uid));
    }
}

/// What is kept of the databases' URLs.
#[derive(Clone)]
pub(super) struct Databases {
    /// Where they listen.
    pub addresses: Vec<Address>,
    /// What the children depend on.
    pub known: BTreeMap<FoodService, Database>,
}

impl Secrets {
    /// Forgets all platforms but those that `is_there` knows.
    pub(super) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.databases.retain(&is_there);
        self.kafka.retain(&is_there);
    }
}

/// Reads the Secrets with the databases' URLs, unless the same versions of them have been read before.
///
/// # Errors
/// When the API server can't be asked. A Secret that isn't there or lacks a key is an obstacle.
pub(super) async fn databases(context: &Context, platform: &Platform) -> Result<Result<Databases, Obstacle>, Error> {
    let references: Vec<_> = platform.services.iter().map(|settings| settings.database.clone()).collect();
    let names: BTreeSet<_> = references.iter().flatten().flat_map(DatabaseSecrets::names).collect();
    let watched = versions(context, platform, &names);
    if let Some(databases) = context.secrets.databases.get(&platform.uid, &references, &watched) {
        return Ok(Ok(databases));
    }
    let secrets = read(context, platform, &names).await?;
    let databases = match known_databases(platform, &secrets) {
        Ok(known) => Databases { addresses: addresses(platform, &secrets), known },
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let versions = names.iter().map(|name| secrets.get(*name)?.resource_version()).collect();
    context.secrets.databases.set(&platform.uid, references.clone(), versions, databases.clone());
    Ok(Ok(databases))
}

/// The way to the platform's Kafka. Reads the Secrets that it takes, unless the same versions of them have been read
/// before.
///
/// # Errors
/// When the API server can't be asked. A Secret that isn't there or lacks a key is an obstacle.
pub(super) async fn kafka(context: &Context, platform: &Platform) -> Result<Result<Connection, Obstacle>, Error> {
    let connection = |credentials| Connection { bootstrap_servers: platform.bootstrap_servers.clone(), credentials };
    let security = &platform.kafka_security;
    let names: BTreeSet<_> = security.secrets().collect();
    let watched = versions(context, platform, &names);
    if let Some(credentials) = context.secrets.kafka.get(&platform.uid, security, &watched) {
        return Ok(Ok(connection(credentials)));
    }
    let secrets = read(context, platform, &names).await?;
    let credentials = match kafka_credentials(platform, &secrets) {
        Ok(credentials) => credentials,
        Err(obstacle) => return Ok(Err(obstacle)),
    };
    let versions = names.iter().map(|name| secrets.get(*name)?.resource_version()).collect();
    context.secrets.kafka.set(&platform.uid, security.clone(), versions, credentials.clone());
    Ok(Ok(connection(credentials)))
}

/// The way to the platform's Kafka as it was when its Secrets were last there, as far as this process knows.
pub(super) fn last_kafka(context: &Context, platform: &Platform) -> Option<Connection> {
    let credentials = context.secrets.kafka.last(&platform.uid, &platform.kafka_security)?;
    Some(Connection { bootstrap_servers: platform.bootstrap_servers.clone(), credentials })
}

/// What the children depend on, from the Secrets with the databases' URLs, by their names.
///
/// # Errors
/// When one of the Secrets isn't there or lacks a key.
pub fn known_databases(
    platform: &Platform,
    secrets: &BTreeMap<String, Secret>,
) -> Result<BTreeMap<FoodService, Database>, Obstacle> {
    let with_database =
        platform.services.iter().filter_map(|settings| Some((settings.service, settings.database.as_ref()?)));
    let known = with_database.map(|(service, database)| {
        let url = database.url(secrets).map_err(|missing| lacking(platform, &missing))?;
        let port = Some(address(url).as_ref().map_or(DEFAULT_PORT, Address::port));
        Ok((service, Database { checksum: checksum::secret(&platform.salt(), url), port }))
    });
    known.collect()
}

/// Where the databases listen, as far as their URLs say so in a way that the operator understands.
fn addresses(platform: &Platform, secrets: &BTreeMap<String, Secret>) -> Vec<Address> {
    let databases = platform.services.iter().filter_map(|settings| settings.database.as_ref());
    let mut addresses: Vec<_> = databases.filter_map(|database| address(database.url(secrets).ok()?)).collect();
    // Most services share one.
    addresses.dedup();
    addresses
}

fn address(url: &[u8]) -> Option<Address> {
    str::from_utf8(url).ok()?.parse().ok()
}

/// What the platform shows to Kafka, from the Secrets that it takes, by their names.
///
/// # Errors
/// When one of them isn't there or lacks a key.
pub fn kafka_credentials(
    platform: &Platform,
    secrets: &BTreeMap<String, Secret>,
) -> Result<KafkaCredentials, Obstacle> {
    platform.kafka_security.read(secrets).map_err(|missing| lacking(platform, &missing))
}

/// A Secret lacks something.
fn lacking(platform: &Platform, Missing { name, what }: &Missing) -> Obstacle {
    Obstacle::new(Reason::SecretNotFound, format!("Secret {}/{name} {what}", platform.namespace))
}

/// Which versions of the Secrets are there.
fn versions(context: &Context, platform: &Platform, names: &BTreeSet<&str>) -> Vec<Option<String>> {
    names.iter().map(|name| context.live.secret_version(&platform.namespace, name)).collect()
}

/// Reads Secrets of the platform's namespace, as far as they are there.
async fn read(
    context: &Context,
    platform: &Platform,
    names: &BTreeSet<&str>,
) -> Result<BTreeMap<String, Secret>, Error> {
    let namespace = &platform.namespace;
    let mut secrets = BTreeMap::new();
    for name in names {
        let what = || format!("reading Secret {namespace}/{name}");
        if let Some(secret) = request(Step::Dereference, what, context.api::<Secret>(namespace).get_opt(name)).await? {
            secrets.insert((*name).to_owned(), secret);
        }
    }
    Ok(secrets)
}
