//! Whether the platforms' databases answer, asked beside the reconciliations.
//!
//! A question is PostgreSQL's `SSLRequest`, which any server, proxy and pooler answers with one byte before it wants a
//! name or a password ([message flow](https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL)).
//! So it needs no credentials, counts against no connection limit, and tells a server that hangs from one that works.

use std::{
    collections::HashMap,
    fmt, io,
    str::{self, FromStr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
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
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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

/// See the module. Each database is asked once, however many platforms keep their data in it.
#[derive(Default)]
pub(crate) struct DatabaseWatch(Mutex<Watched>);

#[derive(Default)]
struct Watched {
    /// Where each platform's databases are, by the platform's key.
    platforms: HashMap<String, Vec<Address>>,
    databases: HashMap<Address, Entry>,
}

struct Entry {
    known: Arc<Known>,
    _task: AbortOnDropHandle<()>,
}

/// What is known of a database.
#[derive(Default)]
struct Known {
    answer: Mutex<Answer>,
    /// Who is to hear of it, by the platform's key.
    wakes: Mutex<HashMap<String, Wake>>,
}

type Wake = Arc<dyn Fn() + Send + Sync>;

impl DatabaseWatch {
    /// What is known of the databases of the platform `key`: the first that doesn't answer goes before all others. Begins
    /// to ask those that are new; `wake` is called whenever what is known has changed.
    pub(crate) fn observe(&self, key: &str, addresses: &[Address], wake: impl Fn() + Send + Sync + 'static) -> Answer {
        let mut watched = lock(&self.0);
        if watched.platforms.get(key).is_none_or(|before| before != addresses) {
            watched.leave(key);
            let wake: Wake = Arc::new(wake);
            for address in addresses {
                let entry = watched.databases.entry(address.clone()).or_insert_with(|| Entry::new(address.clone()));
                lock(&entry.known.wakes).insert(key.to_owned(), Arc::clone(&wake));
            }
            watched.platforms.insert(key.to_owned(), addresses.to_vec());
        }
        let answers = addresses.iter().filter_map(|address| watched.databases.get(address));
        together(answers.map(|entry| lock(&entry.known.answer).clone()))
    }

    /// Forgets all platforms but those that `is_there` knows.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        let mut watched = lock(&self.0);
        let gone: Vec<_> = watched.platforms.keys().filter(|key| !is_there(key)).cloned().collect();
        gone.iter().for_each(|key| watched.leave(key));
    }
}

impl Watched {
    /// A database of which nobody wants to hear any more isn't asked any more.
    fn leave(&mut self, key: &str) {
        for address in self.platforms.remove(key).into_iter().flatten() {
            let is_wanted = |entry: &Entry| {
                let mut wakes = lock(&entry.known.wakes);
                wakes.remove(key);
                !wakes.is_empty()
            };
            if self.databases.get(&address).is_some_and(|entry| !is_wanted(entry)) {
                self.databases.remove(&address);
            }
        }
    }
}

impl Entry {
    fn new(address: Address) -> Self {
        let known = Arc::<Known>::default();
        let task = AbortOnDropHandle::new(tokio::spawn(ask_for_ever(address, Arc::clone(&known))));
        Self { known, _task: task }
    }
}

/// What several answers come to.
fn together(answers: impl Iterator<Item = Answer>) -> Answer {
    answers.reduce(|before, answer| match (before, answer) {
        (Some(Err(silent)), _) | (_, Some(Err(silent))) => Some(Err(silent)),
        (Some(Ok(())), answer) => answer,
        (None, _) => None,
    })?
}

async fn ask_for_ever(address: Address, known: Arc<Known>) {
    let mut failures = 0;
    loop {
        let answer = ask(&address).await;
        failures = if answer.is_ok() { 0 } else { failures + 1 };
        metrics::database_asked(if answer.is_ok() { "good" } else { "bad" });
        let is_news = is_news(lock(&known.answer).as_ref(), &answer, failures);
        if is_news {
            *lock(&known.answer) = Some(answer);
            let wakes: Vec<_> = lock(&known.wakes).values().cloned().collect();
            wakes.iter().for_each(|wake| wake());
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
    use std::{
        net::Ipv4Addr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tokio::{net::TcpListener, sync::mpsc};

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

    /// A PostgreSQL that says whether it takes TLS; how often it was asked.
    async fn server() -> (Address, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = Address { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                stream.write_all(b"N").await.unwrap();
            }
        });
        (address, asked)
    }

    #[tokio::test]
    async fn a_database_of_many_platforms_is_asked_once_and_told_to_all() {
        let (address, asked) = server().await;
        let watch = DatabaseWatch::default();
        let (told, mut news) = mpsc::unbounded_channel();
        for key in ["a", "b"] {
            let told = told.clone();
            assert_eq!(watch.observe(key, std::slice::from_ref(&address), move || told.send(key).unwrap()), None);
        }
        let mut heard = [news.recv().await.unwrap(), news.recv().await.unwrap()];
        heard.sort_unstable();
        assert_eq!(heard, ["a", "b"]);
        assert_eq!(watch.observe("a", std::slice::from_ref(&address), || ()), Some(Ok(())));
        assert_eq!(asked.load(Ordering::SeqCst), 1);

        // One that nobody names any more is forgotten, one that another names isn't.
        let (other, _) = server().await;
        assert_eq!(watch.observe("a", std::slice::from_ref(&other), || ()), None);
        assert_eq!(lock(&watch.0).databases.len(), 2);
        watch.retain(|key| key == "a");
        assert_eq!(lock(&watch.0).databases.keys().collect::<Vec<_>>(), [&other]);
    }

    #[test]
    fn of_several_databases_the_worst_is_told() {
        let silent = |why: &str| Some(Err(Silent(why.into())));
        let of = |answers: &[Answer]| together(answers.iter().cloned());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[Some(Ok(())), Some(Ok(()))]), Some(Ok(())));
        assert_eq!(of(&[Some(Ok(())), None]), None);
        assert_eq!(of(&[None, silent("a"), Some(Ok(())), silent("b")]), silent("a"));
    }
}
