//! A listener of the tests' Kafka at which brokers and clients prove who they are: TLS and SCRAM.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::pki::{Authority, params, write_private};

/// The user that it knows.
const USERNAME: &str = "food";
/// That user's password: brokers on loopback, for the time of a test.
const PASSWORD: &str = "a password of tests";

/// The secure listener of a broker, and what a client has to have for it.
#[derive(Debug, Clone)]
pub struct SecureListener {
    address: SocketAddr,
    directory: PathBuf,
}

impl SecureListener {
    /// Makes certificates for a broker at `address`, or takes those that `directory` has already, for another broker of
    /// its cluster.
    pub(crate) fn ensure(directory: PathBuf, address: SocketAddr) -> Result<Self> {
        if !directory.join("broker.pem").exists() {
            fs::create_dir_all(&directory)?;
            let authority = Authority::new(&directory)?;
            let everywhere: [IpAddr; 1] = [address.ip()];
            authority.issue(&directory, "broker", params("broker", None), &[], &everywhere)?;
            authority.issue(&directory, "client", params(USERNAME, None), &[], &[])?;
            let pair = fs::read_to_string(directory.join("broker.key"))?;
            write_private(&directory.join("broker.pem"), &(pair + &fs::read_to_string(directory.join("broker.crt"))?))?;
        }
        Ok(Self { address, directory })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Certificates and keys (PEM): `ca.crt` vouches for the brokers; `client.crt` with `client.key` is one for clients, for
    /// which the brokers ask everybody.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// For the clients' `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> String {
        self.address.to_string()
    }

    /// A user's name and password, for SCRAM-SHA-512.
    pub fn user(&self) -> (&'static str, &'static str) {
        (USERNAME, PASSWORD)
    }

    /// What makes the storage know the user.
    pub(crate) fn scram() -> String {
        format!("SCRAM-SHA-512=[name={USERNAME},password={PASSWORD}]")
    }

    /// The broker's settings for the listener of that name.
    pub(crate) fn properties(&self, name: &str) -> String {
        let prefix = format!("listener.name.{}", name.to_lowercase());
        let (own, ca) = (self.directory.join("broker.pem"), self.directory.join("ca.crt"));
        format!(
            "{prefix}.ssl.keystore.type=PEM\n\
             {prefix}.ssl.keystore.location={}\n\
             {prefix}.ssl.truststore.type=PEM\n\
             {prefix}.ssl.truststore.location={}\n\
             {prefix}.ssl.client.auth=required\n\
             {prefix}.sasl.enabled.mechanisms=SCRAM-SHA-512\n\
             {prefix}.scram-sha-512.sasl.jaas.config=\
             org.apache.kafka.common.security.scram.ScramLoginModule required;\n",
            own.display(),
            ca.display()
        )
    }
}
