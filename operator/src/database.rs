//! Whether the platforms' databases answer, asked beside the reconciliations.
//!
//! A question is PostgreSQL's `SSLRequest`, which any server, proxy and pooler answers with one byte before it wants a
//! name or a password ([message flow](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL)).
//! So it needs no credentials, counts against no connection limit, and tells a server that hangs from one that works.

use std::{
    collections::HashMap,
    fmt, io,
    str::{self, FromStr},
    sync::Mutex,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::watch,
    time,
};
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use crate::{controller::backoff, metrics, sync::lock};

/// Between two questions to a database that answers.
const INTERVAL: Duration = Duration::from_secs(15);
/// Between two questions to one that doesn't, growing from the first to the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// For one question and its answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// So many failures in a row are more than a lost packet, for a database that has answered before.
const TOLERATED: u32 = 1;
/// Where PostgreSQL listens unless it is told otherwise.
pub(crate) const DEFAULT_PORT: u16 = 5432;
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];

/// Where a database listens. Nothing of it is secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    host: String,
    port: u16,
}

impl Address {
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }
}

/// The URL names no host that could be asked.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct NoAddress;

impl FromStr for Address {
    type Err = NoAddress;

    /// From a PostgreSQL URL, whose parameters `host`, `hostaddr` and `port` go before what stands in front of the path.
    fn from_str(url: &str) -> Result<Self, NoAddress> {
        let url = Url::parse(url.trim()).map_err(|_| NoAddress)?;
        let parameter = |names: &[&str]| {
            url.query_pairs()
                .filter(|(name, _)| names.contains(&name.as_ref()))
                .last()
                .map(|(_, value)| value.into_owned())
        };
        // A scheme that browsers don't know keeps an address in its brackets.
        let before_path = url.host().map(|host| match host {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        });
        let host = parameter(&["host", "hostaddr"]).or(before_path);
        // A path is a socket of this machine, which is another one for the pods.
        let host = host.filter(|host| !host.is_empty() && !host.starts_with('/')).ok_or(NoAddress)?;
        let port = match parameter(&["port"]) {
            Some(port) => port.parse().map_err(|_| NoAddress)?,
            None => url.port().unwrap_or(DEFAULT_PORT),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The database doesn't answer, in a sentence that says where and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Silent(pub String);

/// What the last question came to; `None` before the first has ended.
pub(crate) type Answer = Option<Result<(), Silent>>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct DatabaseWatch(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    address: Address,
    answer: watch::Receiver<Answer>,
    _task: AbortOnDropHandle<()>,
}

impl DatabaseWatch {
    /// What is known of the database of the platform `key`. Begins to ask when it is new; `wake` is called whenever what
    /// is known has changed.
    pub(crate) fn observe(&self, key: &str, address: &Address, wake: impl Fn() + Send + 'static) -> Answer {
        let mut entries = lock(&self.0);
        if let Some(entry) = entries.get(key).filter(|entry| entry.address == *address) {
            return entry.answer.borrow().clone();
        }
        let (sender, answer) = watch::channel(None);
        let task = AbortOnDropHandle::new(tokio::spawn(ask_for_ever(address.clone(), sender, wake)));
        entries.insert(key.to_owned(), Entry { address: address.clone(), answer, _task: task });
        None
    }

    /// Forgets all platforms but those that `is_there` knows.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        lock(&self.0).retain(|key, _| is_there(key));
    }
}

async fn ask_for_ever(address: Address, known: watch::Sender<Answer>, wake: impl Fn()) {
    let mut failures = 0;
    loop {
        let answer = ask(&address).await;
        failures = if answer.is_ok() { 0 } else { failures + 1 };
        metrics::database_asked(if answer.is_ok() { "good" } else { "bad" });
        let is_news = is_news(known.borrow().as_ref(), &answer, failures);
        if is_news {
            known.send_replace(Some(answer));
            wake();
        }
        time::sleep(match failures {
            0 => backoff::jittered(INTERVAL),
            failures => backoff::exponential(RETRY.0, RETRY.1, failures - 1),
        })
        .await;
    }
}

/// Whether an answer, the last of `failures` in a row, changes what is known.
fn is_news(known: Option<&Result<(), Silent>>, answer: &Result<(), Silent>, failures: u32) -> bool {
    match (known, answer) {
        (Some(Ok(())), Err(_)) => failures > TOLERATED,
        // Why exactly it fails may change from one time to the next; the first reason stays.
        (Some(Err(_)), Err(_)) | (Some(Ok(())), Ok(())) => false,
        (None, _) | (Some(Err(_)), Ok(())) => true,
    }
}

/// Asks once.
async fn ask(address: &Address) -> Result<(), Silent> {
    let why = match time::timeout(TIMEOUT, exchange(address)).await {
        Ok(Ok(b'S' | b'N')) => return Ok(()),
        Ok(Ok(_)) => "what listens there is no PostgreSQL".to_owned(),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => "it hangs up".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
    };
    Err(Silent(format!("the database at {address} can't be reached: {why}; retrying")))
}

async fn exchange(address: &Address) -> io::Result<u8> {
    let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.write_all(&SSL_REQUEST).await?;
    stream.read_u8().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Option<String> {
        url.parse().ok().map(|address: Address| address.to_string())
    }

    #[test]
    fn a_url_tells_the_address() {
        for (url, expected) in [
            ("postgres://food:p%40ss@db.example:6432/food?sslmode=require", Some("db.example:6432")),
            ("postgresql://food@db.example/food\n", Some("db.example:5432")),
            ("postgres://food@[2001:db8::1]/food", Some("[2001:db8::1]:5432")),
            ("postgres://food@ignored/food?host=10.0.0.1&port=7000", Some("10.0.0.1:7000")),
            ("postgres:///food?host=/var/run/postgresql", None),
            ("postgres:///food", None),
            ("postgres://food@db/food?port=none", None),
            ("not a URL", None),
        ] {
            assert_eq!(address(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn one_failure_of_many_answers_is_no_news() {
        let silent = || Err(Silent("away".into()));
        assert!(is_news(None, &silent(), 1), "the first answer is told as it is");
        assert!(!is_news(Some(&Ok(())), &silent(), 1));
        assert!(is_news(Some(&Ok(())), &silent(), 2));
        assert!(!is_news(Some(&silent()), &Err(Silent("in another way".into())), 3));
        assert!(is_news(Some(&silent()), &Ok(()), 0));
        assert!(!is_news(Some(&Ok(())), &Ok(()), 0));
    }
}
