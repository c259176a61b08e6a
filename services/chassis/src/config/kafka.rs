//! The settings for Kafka, and how its brokers and this process prove to each other who they are.

use std::{fmt, path::PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use rdkafka::ClientConfig;

use super::Retention;

/// The Kafka cluster, and this service's place in it.
#[derive(Debug, Clone, Args)]
pub struct KafkaSettings {
    /// Where Kafka is: "host:port", several with commas.
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", value_name = "KAFKA_BOOTSTRAP_SERVERS")]
    pub kafka_bootstrap_servers: String,
    /// Proof of identity, both ways.
    #[command(flatten)]
    pub kafka_security: KafkaSecurity,
    /// What the names of all topics of the platform begin with.
    #[arg(long, env = "TOPIC_PREFIX", value_name = "TOPIC_PREFIX")]
    pub topic_prefix: String,
    /// The consumer group, shared by the service's replicas. A service that reads no topic leaves it unset.
    #[arg(long, env = "CONSUMER_GROUP", value_name = "CONSUMER_GROUP")]
    pub consumer_group: Option<String>,
    /// How long it is remembered which events were applied, for example "10days", or "forever": longer than the topics
    /// keep them.
    #[arg(long, env = "INBOX_RETENTION", value_name = "INBOX_RETENTION", default_value = "10days")]
    pub inbox_retention: Retention,
}

impl KafkaSettings {
    /// The consumer group.
    ///
    /// # Errors
    /// When none is set.
    pub(crate) fn reader(&self) -> anyhow::Result<&str> {
        let group = self.consumer_group.as_deref();
        group.context("CONSUMER_GROUP is not set: expected the name of the service's consumer group")
    }
}

/// How the brokers and this process prove to each other who they are. Without any of it they don't.
#[derive(Clone, Default, Args)]
pub struct KafkaSecurity {
    /// Whether connections are encrypted and the brokers show certificates.
    #[arg(long, env = "KAFKA_TLS", value_name = "KAFKA_TLS")]
    pub kafka_tls: bool,
    /// The file with the certificates (PEM) of who vouches for the brokers; without it those of the system.
    #[arg(long, env = "KAFKA_CA_FILE", value_name = "KAFKA_CA_FILE", requires = "kafka_tls")]
    pub kafka_ca_file: Option<PathBuf>,
    /// The file with this process' own certificate (PEM), for brokers that ask for one.
    #[arg(long, env = "KAFKA_CERTIFICATE_FILE", value_name = "KAFKA_CERTIFICATE_FILE", requires_all = ["kafka_tls", "kafka_key_file"])]
    pub kafka_certificate_file: Option<PathBuf>,
    /// The file with its private key (PEM).
    #[arg(long, env = "KAFKA_KEY_FILE", value_name = "KAFKA_KEY_FILE", requires = "kafka_certificate_file")]
    pub kafka_key_file: Option<PathBuf>,
    /// How this process proves its name to the brokers.
    #[arg(long, env = "KAFKA_SASL_MECHANISM", value_name = "KAFKA_SASL_MECHANISM", requires_all = ["kafka_username", "kafka_password"])]
    pub kafka_sasl_mechanism: Option<SaslMechanism>,
    /// That name.
    #[arg(long, env = "KAFKA_USERNAME", value_name = "KAFKA_USERNAME", requires = "kafka_sasl_mechanism")]
    pub kafka_username: Option<String>,
    /// Its password.
    #[arg(
        long,
        env = "KAFKA_PASSWORD",
        value_name = "KAFKA_PASSWORD",
        requires = "kafka_sasl_mechanism",
        hide_env_values = true
    )]
    pub kafka_password: Option<String>,
}

/// A way to prove a name by a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    /// The password goes to the broker as it is: with TLS only.
    #[value(name = "PLAIN")]
    Plain,
    /// The password stays here (RFC 5802, RFC 7677).
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// The same with another hash.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl fmt::Debug for KafkaSecurity {
    /// Leaves the password out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSecurity")
            .field("kafka_tls", &self.kafka_tls)
            .field("kafka_sasl_mechanism", &self.kafka_sasl_mechanism)
            .finish_non_exhaustive()
    }
}

impl KafkaSecurity {
    /// Tells librdkafka.
    pub(crate) fn configure(&self, config: &mut ClientConfig) {
        let sasl = self.kafka_sasl_mechanism;
        config.set(
            "security.protocol",
            match (self.kafka_tls, sasl.is_some()) {
                (false, false) => "plaintext",
                (true, false) => "ssl",
                (false, true) => "sasl_plaintext",
                (true, true) => "sasl_ssl",
            },
        );
        if self.kafka_tls && self.kafka_ca_file.is_none() {
            // A library that is part of the program knows no place of the system's by itself.
            config.set("ssl.ca.location", "probe");
        }
        let files = [
            ("ssl.ca.location", &self.kafka_ca_file),
            ("ssl.certificate.location", &self.kafka_certificate_file),
            ("ssl.key.location", &self.kafka_key_file),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                config.set(name, file.to_string_lossy());
            }
        }
        if let (Some(mechanism), Some(username), Some(password)) = (sasl, &self.kafka_username, &self.kafka_password) {
            config.set("sasl.mechanism", mechanism.as_str());
            config.set("sasl.username", username).set("sasl.password", password);
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Settings {
        #[command(flatten)]
        security: KafkaSecurity,
    }

    fn parse(arguments: &[&str]) -> Result<KafkaSecurity, String> {
        let arguments = [&["service"], arguments].concat();
        Settings::try_parse_from(arguments).map(|settings| settings.security).map_err(|error| error.to_string())
    }

    fn configured(arguments: &[&str]) -> Vec<Option<String>> {
        let mut config = ClientConfig::new();
        parse(arguments).unwrap().configure(&mut config);
        let names = ["security.protocol", "ssl.ca.location", "ssl.key.location", "sasl.mechanism", "sasl.password"];
        names.map(|name| config.get(name).map(str::to_owned)).to_vec()
    }

    #[test]
    fn librdkafka_is_told_what_is_set() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(configured(&[]), [some("plaintext"), None, None, None, None]);
        let tls = ["--kafka-tls", "--kafka-ca-file", "/ca", "--kafka-certificate-file", "/c", "--kafka-key-file", "/k"];
        assert_eq!(configured(&tls), [some("ssl"), some("/ca"), some("/k"), None, None]);
        assert_eq!(configured(&["--kafka-tls"]), [some("ssl"), some("probe"), None, None, None]);
        let sasl = ["--kafka-sasl-mechanism", "SCRAM-SHA-512", "--kafka-username", "u", "--kafka-password", "p"];
        assert_eq!(configured(&sasl), [some("sasl_plaintext"), None, None, some("SCRAM-SHA-512"), some("p")]);
        assert_eq!(configured(&[&["--kafka-tls"], &sasl[..]].concat())[0], some("sasl_ssl"));
    }

    #[test]
    fn half_of_a_pair_is_refused_and_the_other_half_named() {
        for (given, missing) in [
            (&["--kafka-ca-file", "/ca"][..], "--kafka-tls"),
            (&["--kafka-tls", "--kafka-certificate-file", "/c"], "--kafka-key-file"),
            (&["--kafka-sasl-mechanism", "PLAIN", "--kafka-username", "u"], "--kafka-password"),
            (&["--kafka-password", "p"], "--kafka-sasl-mechanism"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.contains(missing), "{given:?}: {error}");
        }
    }

    #[test]
    fn the_password_is_shown_nowhere() {
        let sasl = ["--kafka-sasl-mechanism", "PLAIN", "--kafka-username", "u", "--kafka-password", "very-secret"];
        assert!(!format!("{:?}", parse(&sasl).unwrap()).contains("very-secret"));
    }
}
