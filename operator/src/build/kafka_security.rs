//! How the platform and Kafka's brokers prove to each other who they are: which Secrets hold it, how pods see it, and
//! what the operator itself needs of it.

use std::{collections::BTreeMap, fmt};

use k8s_openapi::api::core::v1::{
    EnvVar, KeyToPath, ProjectedVolumeSource, Secret, SecretProjection, Volume, VolumeMount, VolumeProjection,
};

use super::{
    checksum,
    secret::{self, Missing, SecretKey},
};
use crate::api::{KafkaSaslSpec, KafkaSpec, KafkaTlsSpec, SaslMechanism, defaults};

/// The volume's name in a pod.
const VOLUME: &str = "kafka-tls";
/// Where it is mounted.
const DIRECTORY: &str = "/var/run/secrets/foodplatform.dev/kafka";
/// The file with the certificates of authorities.
const CA_FILE: &str = "ca.crt";
/// The file with the platform's own certificate, and its key in a Secret.
const CERTIFICATE: &str = "tls.crt";
/// The file with that certificate's key, and its key in a Secret.
const KEY: &str = "tls.key";

/// What is shown to brokers and asked of them, by reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaSecurity {
    tls: Option<Tls>,
    sasl: Option<Sasl>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tls {
    ca: Option<SecretKey>,
    /// The Secret with the platform's own certificate.
    client: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sasl {
    mechanism: SaslMechanism,
    username: Username,
    password: SecretKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Username {
    Given(String),
    Secret(SecretKey),
}

/// What the references lead to: what the operator shows to brokers itself. It is shown nowhere.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KafkaCredentials {
    /// Certificates and keys (PEM); none without TLS.
    pub tls: Option<TlsCredentials>,
    /// A name and how it is proven.
    pub sasl: Option<SaslCredentials>,
}

/// Certificates and keys (PEM).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsCredentials {
    /// Who vouches for the brokers; none: the well-known authorities.
    pub ca: Option<String>,
    /// The platform's own certificate and its key.
    pub client: Option<(String, String)>,
}

/// A name and how it is proven.
#[derive(Clone, PartialEq, Eq)]
pub struct SaslCredentials {
    /// How.
    pub mechanism: SaslMechanism,
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for KafkaCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaCredentials")
            .field("tls", &self.tls.is_some())
            .field("sasl", &self.sasl.as_ref().map(|sasl| sasl.mechanism))
            .finish_non_exhaustive()
    }
}

impl KafkaCredentials {
    /// What pods depend on, to be shown on objects that more people can read than Secrets; none where nothing is secret.
    pub fn checksum(&self, salt: &str) -> Option<String> {
        let tls = self.tls.iter().flat_map(|tls| {
            let (certificate, key) = tls.client.as_ref().map_or(("", ""), |(certificate, key)| (certificate, key));
            [tls.ca.as_deref().unwrap_or_default(), certificate, key]
        });
        let sasl = self.sasl.iter().flat_map(|sasl| [sasl.username.as_str(), &sasl.password]);
        let parts: Vec<&[u8]> = tls.chain(sasl).map(str::as_bytes).collect();
        parts.iter().any(|part| !part.is_empty()).then(|| checksum::secrets(salt, parts))
    }
}

impl KafkaSecurity {
    /// From the spec.
    #[must_use]
    pub fn new(spec: &KafkaSpec) -> Self {
        let tls = |tls: &KafkaTlsSpec| Tls {
            ca: tls.ca_secret_ref.as_ref().map(|ca| SecretKey::new(&ca.name, ca.key.as_ref(), defaults::CA_KEY)),
            client: tls.client_secret_ref.as_ref().map(|client| client.name.clone()),
        };
        let sasl = |sasl: &KafkaSaslSpec| {
            let secret = &sasl.secret_ref;
            let key = |key: &Option<String>, default| SecretKey::new(&secret.name, key.as_ref(), default);
            Sasl {
                mechanism: sasl.mechanism,
                username: sasl.username.clone().map_or_else(
                    || Username::Secret(key(&secret.username_key, defaults::USERNAME_KEY)),
                    Username::Given,
                ),
                password: key(&secret.password_key, defaults::PASSWORD_KEY),
            }
        };
        Self { tls: spec.tls.as_ref().map(tls), sasl: spec.sasl.as_ref().map(sasl) }
    }

    /// The names of the Secrets; one may come more than once.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let tls = self
            .tls
            .iter()
            .flat_map(|tls| tls.ca.as_ref().map(|ca| ca.name.as_str()).into_iter().chain(tls.client.as_deref()));
        tls.chain(self.sasl.as_ref().map(|sasl| sasl.password.name.as_str()))
    }

    /// What the Secrets hold, which are by their names.
    ///
    /// # Errors
    /// When a Secret isn't there, or lacks a key, or its value is no text.
    pub fn read(&self, secrets: &BTreeMap<String, Secret>) -> Result<KafkaCredentials, Missing> {
        let of = |at: &SecretKey, content: &str| {
            let what = || format!("holds no text under key {}: put {content} there", at.key);
            String::from_utf8(at.value(secrets, content)?.to_vec())
                .map_err(|_| Missing { name: at.name.clone(), what: what() })
        };
        let tls = self.tls.as_ref().map(|tls| {
            let ca = tls.ca.as_ref().map(|ca| of(ca, "the certificates (PEM) that vouch for Kafka's brokers"));
            let client = tls.client.as_ref().map(|name| {
                let value = |key, content| of(&SecretKey::new(name, None, key), content);
                let certificate = value(CERTIFICATE, "the platform's certificate (PEM) for Kafka")?;
                Ok((certificate, value(KEY, "the private key (PEM) of the platform's certificate for Kafka")?))
            });
            Ok(TlsCredentials { ca: ca.transpose()?, client: client.transpose()? })
        });
        let sasl = self.sasl.as_ref().map(|sasl| {
            let username = match &sasl.username {
                Username::Given(username) => username.clone(),
                Username::Secret(at) => of(at, "the user's name at Kafka")?,
            };
            let password = of(&sasl.password, "the user's password at Kafka")?;
            Ok(SaslCredentials { mechanism: sasl.mechanism, username, password })
        });
        Ok(KafkaCredentials { tls: tls.transpose()?, sasl: sasl.transpose()? })
    }

    /// What tells a service's process of it.
    pub(super) fn environment(&self) -> Vec<EnvVar> {
        let plain = |name: &str, value: &str| EnvVar {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..Default::default()
        };
        let file = |name: &str, file: &str| plain(name, &format!("{DIRECTORY}/{file}"));
        let mut environment = Vec::new();
        if let Some(tls) = &self.tls {
            environment.push(plain("KAFKA_TLS", "true"));
            environment.extend(tls.ca.as_ref().map(|_| file("KAFKA_CA_FILE", CA_FILE)));
            if tls.client.is_some() {
                environment.extend([file("KAFKA_CERTIFICATE_FILE", CERTIFICATE), file("KAFKA_KEY_FILE", KEY)]);
            }
        }
        if let Some(sasl) = &self.sasl {
            environment.push(plain("KAFKA_SASL_MECHANISM", sasl.mechanism.as_str()));
            environment.push(match &sasl.username {
                Username::Given(username) => plain("KAFKA_USERNAME", username),
                Username::Secret(at) => at.variable("KAFKA_USERNAME"),
            });
            environment.push(sasl.password.variable("KAFKA_PASSWORD"));
        }
        environment
    }

    /// The files that go with it; none where there are none.
    pub(super) fn mounted(&self) -> Option<(Volume, VolumeMount)> {
        let tls = self.tls.as_ref()?;
        let path =
            |key: &str, path: &str| KeyToPath { key: key.to_owned(), path: path.to_owned(), ..Default::default() };
        let source = |name: &str, items| VolumeProjection {
            secret: Some(SecretProjection { name: name.to_owned(), items: Some(items), ..Default::default() }),
            ..Default::default()
        };
        let ca = tls.ca.as_ref().map(|ca| source(&ca.name, vec![path(&ca.key, CA_FILE)]));
        let client = tls.client.as_deref();
        let client = client.map(|name| source(name, vec![path(CERTIFICATE, CERTIFICATE), path(KEY, KEY)]));
        let sources: Vec<_> = ca.into_iter().chain(client).collect();
        if sources.is_empty() {
            return None;
        }
        let volume = Volume {
            name: VOLUME.to_owned(),
            projected: Some(ProjectedVolumeSource { default_mode: Some(secret::MODE), sources: Some(sources) }),
            ..Default::default()
        };
        Some((volume, secret::mount(VOLUME, DIRECTORY)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn security(spec: serde_json::Value) -> KafkaSecurity {
        let mut spec = spec;
        spec["bootstrapServers"] = json!("k:9092");
        KafkaSecurity::new(&serde_json::from_value(spec).unwrap())
    }

    fn full() -> KafkaSecurity {
        security(json!({
            "tls": { "caSecretRef": { "name": "ca" }, "clientSecretRef": { "name": "client" } },
            "sasl": { "mechanism": "SCRAM-SHA-512", "secretRef": { "name": "user" } },
        }))
    }

    fn secrets(entries: &[(&str, &[(&str, &str)])]) -> BTreeMap<String, Secret> {
        let secret = |pairs: &[(&str, &str)]| {
            let data: serde_json::Map<_, _> =
                pairs.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
            let secret: Secret = serde_json::from_value(json!({ "stringData": data })).unwrap();
            let data = secret.string_data.into_iter().flatten();
            let data = data.map(|(key, value)| (key, k8s_openapi::ByteString(value.into_bytes()))).collect();
            Secret { data: Some(data), ..Default::default() }
        };
        entries.iter().map(|(name, pairs)| ((*name).to_owned(), secret(pairs))).collect()
    }

    const ALL: [(&str, &[(&str, &str)]); 3] = [
        ("ca", &[("ca.crt", "CA")]),
        ("client", &[("tls.crt", "CERT"), ("tls.key", "KEY")]),
        ("user", &[("username", "food"), ("password", "p")]),
    ];

    #[test]
    fn what_the_secrets_hold_is_read_and_shown_nowhere() {
        let credentials = full().read(&secrets(&ALL)).unwrap();
        let tls = credentials.tls.clone().unwrap();
        assert_eq!((tls.ca.as_deref(), tls.client), (Some("CA"), Some(("CERT".to_owned(), "KEY".to_owned()))));
        let sasl = credentials.sasl.clone().unwrap();
        assert_eq!((sasl.username.as_str(), sasl.password.as_str()), ("food", "p"));
        let shown = format!("{credentials:?}");
        assert_eq!(shown, "KafkaCredentials { tls: true, sasl: Some(ScramSha512), .. }");
    }

    #[test]
    fn whatever_is_missing_is_named() {
        for (index, (name, pairs)) in ALL.iter().enumerate() {
            let mut fewer = ALL.to_vec();
            fewer.remove(index);
            let missing = full().read(&secrets(&fewer)).unwrap_err();
            assert_eq!(missing.name, *name);
            assert!(missing.what.starts_with("is not there: create it with key "), "{}", missing.what);
            for (key, _) in *pairs {
                let rest: Vec<_> = pairs.iter().filter(|(other, _)| other != key).copied().collect();
                fewer = ALL.to_vec();
                fewer[index] = (name, &rest);
                let missing = full().read(&secrets(&fewer)).unwrap_err();
                assert_eq!(missing.name, *name);
                assert!(missing.what.starts_with(&format!("has no key {key}: add it")), "{}", missing.what);
            }
        }
    }

    #[test]
    fn strimzi_s_user_is_named_by_the_spec() {
        let security = security(json!({ "sasl": {
            "mechanism": "SCRAM-SHA-512", "username": "food", "secretRef": { "name": "user" },
        } }));
        let credentials = security.read(&secrets(&[("user", &[("password", "p")])])).unwrap();
        assert_eq!(credentials.sasl.unwrap().username, "food");
        assert!(security.mounted().is_none());
    }

    #[test]
    fn the_checksum_changes_with_each_part_and_is_none_where_nothing_is_secret() {
        let of = |entries: &[(&str, &[(&str, &str)])]| {
            full().read(&secrets(entries)).unwrap().checksum("food/shop").unwrap()
        };
        let before = of(&ALL);
        assert_eq!(before, of(&ALL));
        for (index, (name, pairs)) in ALL.iter().enumerate() {
            for changed in 0..pairs.len() {
                let mut pairs = pairs.to_vec();
                pairs[changed].1 = "other";
                let mut entries = ALL.to_vec();
                entries[index] = (name, &pairs);
                assert_ne!(of(&entries), before);
            }
        }
        let none = |spec| security(spec).read(&BTreeMap::new()).unwrap().checksum("food/shop");
        assert_eq!((none(json!({})), none(json!({ "tls": {} }))), (None, None));
    }
}
