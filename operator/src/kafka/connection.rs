//! The way to a Kafka cluster, and what its client complains of.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};

use rdkafka::{ClientConfig, admin::AdminClient, client::DefaultClientContext, error::KafkaError};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};

use super::{Unreachable, native, session::Turn};
use crate::{build::KafkaCredentials, fence::Fence, sync::lock};

/// Threads that are blocked by asking Kafka at the same time, over all platforms of all namespaces.
pub const THREADS: usize = 4;
/// For opening a connection to one bootstrap server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a client is kept that nobody asks.
const KEPT: Duration = Duration::from_secs(30);

/// Where a Kafka cluster is, and what is shown to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Connection {
    /// Bootstrap servers, `host:port,…`.
    pub bootstrap_servers: String,
    /// What is shown to them.
    pub credentials: KafkaCredentials,
}

/// A client of a cluster. It connects by itself, and again.
pub(super) struct Client {
    pub(super) admin: AdminClient<DefaultClientContext>,
    complaint: Mutex<Option<String>>,
}

impl Client {
    /// The last thing that it complained of, without what differs from time to time: why there is no answer it tells
    /// nowhere else.
    pub(super) fn complaint(&self) -> Option<String> {
        let mut last = lock(&self.complaint);
        // That all brokers are down comes after the reason of each.
        let new = native::complaints(self.admin.inner());
        if let Some(new) = new.into_iter().rfind(|complaint| !complaint.ends_with("brokers are down")) {
            *last = Some(lasting(&new).to_owned());
        }
        last.clone()
    }

    /// All is well by now.
    pub(super) fn forget_complaints(&self) {
        self.complaint();
        *lock(&self.complaint) = None;
    }
}

/// Clients that are kept for whoever asks the same cluster next: to make one, and to end it, takes many times as long as to
/// ask it.
pub(crate) struct Clients {
    kept: Mutex<Vec<Kept>>,
    turns: Arc<Semaphore>,
    /// Of each cluster, by its bootstrap servers, as long as somebody has one or waits for it.
    turns_of: Mutex<HashMap<String, Weak<Semaphore>>>,
    /// Whether they may change anything.
    pub(super) fence: Fence,
}

struct Kept {
    connection: Connection,
    client: Arc<Client>,
    used: Instant,
}

impl Clients {
    /// Whose changes go out only while the fence is open.
    pub(crate) fn new(fence: Fence) -> Self {
        let (kept, turns_of) = (Mutex::default(), Mutex::default());
        Self { kept, turns: Arc::new(Semaphore::new(THREADS)), turns_of, fence }
    }

    /// Waits for a turn at asking a cluster. One is always left to the others, however many wait for this one.
    pub(super) async fn turn(self: &Arc<Self>, connection: &Connection) -> Turn {
        let of_cluster = self.turns_of(&connection.bootstrap_servers);
        let mut permits = Vec::new();
        for turns in [of_cluster, Arc::clone(&self.turns)] {
            // They are never closed; without a permit there would merely be one more.
            permits.extend(turns.acquire_owned().await);
        }
        Turn::new(Arc::clone(self), permits)
    }

    fn turns_of(&self, bootstrap_servers: &str) -> Arc<Semaphore> {
        let mut turns_of = lock(&self.turns_of);
        turns_of.retain(|_, turns| turns.strong_count() > 0);
        turns_of.get(bootstrap_servers).and_then(Weak::upgrade).unwrap_or_else(|| {
            let turns = Arc::new(Semaphore::new(THREADS - 1));
            turns_of.insert(bootstrap_servers.to_owned(), Arc::downgrade(&turns));
            turns
        })
    }

    /// The client for a connection. May block, for it ends those that nobody has asked for a while.
    ///
    /// # Errors
    /// When what is to be shown to the brokers can't be used.
    pub(super) fn get(&self, connection: &Connection) -> Result<Arc<Client>, Unreachable> {
        let now = Instant::now();
        let mut kept = lock(&self.kept);
        let old: Vec<_> = kept.extract_if(.., |kept| now.duration_since(kept.used) > KEPT).collect();
        let found = kept.iter_mut().find(|kept| kept.connection == *connection).map(|found| {
            found.used = now;
            Arc::clone(&found.client)
        });
        let client = match found {
            Some(client) => Ok(client),
            None => connection.client().map(Arc::new).inspect(|client| {
                kept.push(Kept { connection: connection.clone(), client: Arc::clone(client), used: now });
            }),
        };
        drop(kept);
        // Nobody waits for their end.
        drop(old);
        client
    }
}

/// A complaint without the broker before it and the time after it.
fn lasting(complaint: &str) -> &str {
    let text = complaint.split(" (after ").next().unwrap_or(complaint);
    match text.split_once(": ") {
        Some((broker, text)) if broker.contains('/') => text,
        _ => text,
    }
}

impl Connection {
    /// Opens and closes a connection to one of the servers: librdkafka itself never says why it can't.
    ///
    /// # Errors
    /// When none of them takes one.
    pub(super) async fn probe(&self) -> Result<(), Unreachable> {
        let servers = &self.bootstrap_servers;
        let mut reason = "no bootstrap server is named".to_owned();
        for server in servers.split(',').map(str::trim).filter(|server| !server.is_empty()) {
            reason = match timeout(CONNECT_TIMEOUT, TcpStream::connect(server)).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => plain(&error),
                Err(_) => format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
            };
        }
        Err(Unreachable(format!("Kafka at {servers} can't be reached: {reason}; retrying")))
    }

    /// A new client.
    ///
    /// # Errors
    /// When what is to be shown to the brokers can't be used.
    fn client(&self) -> Result<Client, Unreachable> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "foodplatform-operator")
            // Asking for a topic must not make it, with the broker's defaults.
            .set("allow.auto.create.topics", "false")
            .set("socket.connection.setup.timeout.ms", CONNECT_TIMEOUT.as_millis().to_string());
        secure(&self.credentials, &mut config);
        let admin = config.create().map_err(|error| {
            let why = match error {
                // The whole of it has the value in it.
                KafkaError::ClientConfig(_, why, property, _) => format!("{property}: {why}"),
                error => error.to_string(),
            };
            Unreachable(format!("what kafka.tls and kafka.sasl refer to can't be used: {why}"))
        })?;
        Ok(Client { admin, complaint: Mutex::default() })
    }
}

/// Tells librdkafka.
fn secure(credentials: &KafkaCredentials, config: &mut ClientConfig) {
    let protocol = match (&credentials.tls, &credentials.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &credentials.tls {
        match &tls.ca {
            Some(ca) => config.set("ssl.ca.pem", ca),
            None => config.set("ssl.ca.location", "probe"),
        };
        if let Some((certificate, key)) = &tls.client {
            config.set("ssl.certificate.pem", certificate).set("ssl.key.pem", key);
        }
    }
    if let Some(sasl) = &credentials.sasl {
        config.set("sasl.mechanism", sasl.mechanism.as_str());
        config.set("sasl.username", &sasl.username).set("sasl.password", &sasl.password);
    }
}

/// The error without the number of the operating system.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::TlsCredentials;

    #[test]
    fn complaints_are_the_same_each_time() {
        let refused = "sasl_ssl://k:9093/bootstrap: SASL authentication error: Authentication failed (after 312ms in \
                       state AUTH_REQ, 4 identical error(s) suppressed)";
        assert_eq!(lasting(refused), "SASL authentication error: Authentication failed");
        assert_eq!(lasting("k:9093/1: Receive failed: Connection reset"), "Receive failed: Connection reset");
        assert_eq!(lasting("SSL handshake failed: bad"), "SSL handshake failed: bad");
    }

    #[tokio::test]
    async fn who_asks_in_the_same_way_has_the_same_client() {
        let clients = Clients::new(Fence::open());
        let plain = |servers: &str| Connection {
            bootstrap_servers: servers.to_owned(),
            credentials: KafkaCredentials::default(),
        };
        let first = clients.get(&plain("a:9092")).unwrap();
        assert!(Arc::ptr_eq(&first, &clients.get(&plain("a:9092")).unwrap()));
        assert!(!Arc::ptr_eq(&first, &clients.get(&plain("b:9092")).unwrap()));
        let tls = KafkaCredentials { tls: Some(TlsCredentials::default()), sasl: None };
        let secure = Connection { credentials: tls, ..plain("a:9092") };
        assert!(!Arc::ptr_eq(&first, &clients.get(&secure).unwrap()));
    }

    #[tokio::test]
    async fn what_can_not_be_used_is_told_without_its_value() {
        let tls = TlsCredentials { ca: Some("no certificate".to_owned()), client: None };
        let credentials = KafkaCredentials { tls: Some(tls), sasl: None };
        let connection = Connection { bootstrap_servers: "k:9093".to_owned(), credentials };
        let Err(Unreachable(told)) = connection.client() else { panic!("it took rubbish for certificates") };
        assert!(told.starts_with("what kafka.tls and kafka.sasl refer to can't be used: "), "{told}");
        assert!(told.contains("ssl.ca.pem") && !told.contains("no certificate"), "{told}");
    }
}
