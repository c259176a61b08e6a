//! Where a service keeps its data: which Secrets say so, and how pods see them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, KeyToPath, Secret, SecretVolumeSource, Volume, VolumeMount};

use super::{
    Missing,
    secret::{self, SecretKey},
};
use crate::api::{DatabaseSpec, defaults};

/// The volume's name in a pod.
const VOLUME: &str = "database-ca";
/// Where it is mounted.
const DIRECTORY: &str = "/var/run/secrets/foodplatform.dev/database";
/// The file with the certificates of authorities.
const CA_FILE: &str = "ca.crt";

/// Where a database's URL is, and who vouches for its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSecrets {
    url: SecretKey,
    ca: Option<SecretKey>,
}

impl DatabaseSecrets {
    /// From the spec.
    #[must_use]
    pub fn new(spec: &DatabaseSpec) -> Self {
        let ca = spec.ca_secret_ref.as_ref();
        Self {
            url: SecretKey::new(&spec.secret_ref.name, spec.secret_ref.key.as_ref(), defaults::DATABASE_KEY),
            ca: ca.map(|ca| SecretKey::new(&ca.name, ca.key.as_ref(), defaults::CA_KEY)),
        }
    }

    /// The names of the Secrets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.url].into_iter().chain(&self.ca).map(|secret| secret.name.as_str())
    }

    /// The database's URL in the Secrets, which are by their names.
    ///
    /// # Errors
    /// When a Secret isn't there or lacks a key: pods would wait for it.
    pub fn url<'a>(&self, secrets: &'a BTreeMap<String, Secret>) -> Result<&'a [u8], Missing> {
        if let Some(ca) = &self.ca {
            ca.value(secrets, "the certificates (PEM) that vouch for the database's server")?;
        }
        self.url.value(secrets, "the database's URL")
    }

    /// What a migration is told, besides the URL itself. Its Job can't be told anything else later.
    pub(super) fn parts(&self) -> Vec<&str> {
        [&self.url].into_iter().chain(&self.ca).flat_map(|secret| [secret.name.as_str(), &secret.key]).collect()
    }

    /// What tells a service's process of it.
    pub(super) fn environment(&self) -> Vec<EnvVar> {
        let ca = self.ca.as_ref().map(|_| EnvVar {
            name: "DATABASE_CA_FILE".to_owned(),
            value: Some(format!("{DIRECTORY}/{CA_FILE}")),
            ..Default::default()
        });
        [self.url.variable("DATABASE_URL")].into_iter().chain(ca).collect()
    }

    /// The files that go with it; none where there are none.
    pub(super) fn mounted(&self) -> Option<(Volume, VolumeMount)> {
        let ca = self.ca.as_ref()?;
        let volume = Volume {
            name: VOLUME.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(ca.name.clone()),
                default_mode: Some(secret::MODE),
                items: Some(vec![KeyToPath { key: ca.key.clone(), path: CA_FILE.to_owned(), ..Default::default() }]),
                ..Default::default()
            }),
            ..Default::default()
        };
        Some((volume, secret::mount(VOLUME, DIRECTORY)))
    }
}
