//! How Kafka's brokers and the platform prove to each other who they are.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// Encrypted connections to brokers that show certificates. `{}` is enough where their certificates come from one of the
/// well-known authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaTlsSpec {
    /// The Secret in the platform's namespace with the certificates (PEM) of who vouches for the brokers, such as Strimzi's
    /// `CLUSTER-cluster-ca-cert`. Default: the well-known authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
    /// The Secret of type `kubernetes.io/tls` in the platform's namespace, keys `tls.crt` and `tls.key` (PEM): the
    /// platform's own certificate, for brokers that ask for one (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_ref: Option<CertificateSecretRef>,
}

/// A Secret in the platform's namespace that holds certificates of authorities.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaSecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_name())]
    pub name: String,
    /// The key in the Secret's data. Default: `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_key())]
    pub key: Option<String>,
}

/// A Secret of type `kubernetes.io/tls` in the platform's namespace: the keys `tls.crt` and `tls.key`, both PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateSecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_name())]
    pub name: String,
}

/// A name and a password that the platform shows to the brokers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct KafkaSaslSpec {
    /// How the password is proven.
    pub mechanism: SaslMechanism,
    /// The user's name. Default: the Secret's key `usernameKey`. Strimzi's Secrets hold the password alone: there it is the
    /// KafkaUser's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::sasl_username())]
    pub username: Option<String>,
    /// The Secret in the platform's namespace with the password, and with the name where `username` doesn't say it.
    pub secret_ref: CredentialsSecretRef,
}

/// How a password is proven: by a challenge that doesn't show it (`SCRAM-SHA-512`, `SCRAM-SHA-256`), or as it is
/// (`PLAIN`), which takes TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// RFC 5802 with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// RFC 7677.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// RFC 4616.
    #[serde(rename = "PLAIN")]
    Plain,
}

impl SaslMechanism {
    /// Its name in IANA's registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::Plain => "PLAIN",
        }
    }
}

/// A Secret in the platform's namespace that holds a name and a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecretRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_name())]
    pub name: String,
    /// The key of the user's name in the Secret's data. Default: `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_key())]
    pub username_key: Option<String>,
    /// The key of the password in the Secret's data. Default: `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::secret_key())]
    pub password_key: Option<String>,
}
