//! What can come between an operator and Kafka: every request goes through here, as [`crate::interference`] has those to
//! the API server.
//!
//! Requests and answers are a length and so many bytes. A request begins with the number of what is asked and of its
//! version, two bytes each, and a number of four bytes with which its answer begins
//! (<https://kafka.apache.org/protocol#protocol_messages>).

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, LazyLock, Mutex},
};

use futures::future::pending;
use regex::bytes::Regex;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::{
    calls::Call,
    interference::{Interference, Moment},
    world::kafka,
};

/// What changes topics, by its number.
const WRITES: [(i16, &str); 4] =
    [(19, "CreateTopics"), (20, "DeleteTopics"), (37, "CreatePartitions"), (44, "IncrementalAlterConfigs")];

/// A port of this machine that leads to the tests' Kafka by way of the interference.
pub(crate) struct Broker {
    pub(crate) address: SocketAddr,
    /// While it is silent, connections are taken and requests are kept.
    pub(crate) silent: watch::Sender<bool>,
    way: JoinHandle<()>,
}

impl Broker {
    pub(crate) async fn start(interference: &Arc<Interference>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let interference = Arc::clone(interference);
        let silent = watch::Sender::new(false);
        let silence = silent.subscribe();
        let way = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((operator, _)) = listener.accept().await {
                let (interference, silence) = (Arc::clone(&interference), silence.clone());
                connections.spawn(async move {
                    let mut ended = interference.ended();
                    ended.borrow_and_update();
                    tokio::select! {
                        _ = connect(&interference, operator, address, silence) => {}
                        // With the operator.
                        _ = ended.changed() => {}
                    }
                });
            }
        });
        Self { address, silent, way }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.way.abort();
    }
}

/// Goes on until either side has closed it.
async fn connect(
    interference: &Interference,
    mut operator: TcpStream,
    address: SocketAddr,
    mut silence: watch::Receiver<bool>,
) -> io::Result<Infallible> {
    let mut broker = TcpStream::connect(kafka()).await?;
    let (mut requests, mut to_operator) = operator.split();
    let (mut answers, mut to_broker) = broker.split();
    // Writes whose answers are under way, by the answers' numbers, and whether the operator ends by them.
    let under_way = Mutex::new(HashMap::new());
    let ask = async {
        loop {
            let request = read(&mut requests).await?;
            let _ = silence.wait_for(|is_silent| !is_silent).await;
            if let Some(write) = write_of(&request) {
                let write = interference.numbered(write);
                let end = interference.end_at(&write);
                if end == Some(Moment::Before) {
                    interference.end_by(write);
                    return pending::<io::Result<Infallible>>().await;
                }
                under_way.lock().unwrap().insert(request[4..8].to_vec(), (write, end));
            }
            send(&mut to_broker, &request).await?;
        }
    };
    let answer = async {
        // It tells its clients to go on at its own address.
        let there: SocketAddr = kafka().parse().unwrap();
        let itself = |at: SocketAddr| [at.ip().to_string().as_bytes(), &u32::from(at.port()).to_be_bytes()].concat();
        let (there, here) = (itself(there), itself(address));
        loop {
            let mut answer = read(&mut answers).await?;
            let of = under_way.lock().unwrap().remove(&answer[..4]);
            if let Some((write, end)) = of {
                interference.went_through(&write);
                if end.is_some() {
                    interference.end_by(write);
                    return pending::<io::Result<Infallible>>().await;
                }
            }
            for start in 0..answer.len().saturating_sub(there.len()) {
                let end = start + there.len();
                if answer[start..end] == there {
                    answer[start..end].copy_from_slice(&here);
                }
            }
            send(&mut to_operator, &answer).await?;
        }
    };
    tokio::try_join!(ask, answer).map(|(never, _)| never)
}

async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message = vec![0; length.try_into().unwrap()];
    from.read_exact(&mut message).await?;
    Ok(message)
}

async fn send(to: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    to.write_u32(message.len().try_into().unwrap()).await?;
    to.write_all(message).await
}

/// What the request changes.
fn write_of(request: &[u8]) -> Option<Call> {
    /// The platform's part of a topic's name.
    static TOPIC: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\.shop\.([a-z.-]+)").unwrap());
    let asked = i16::from_be_bytes(request.get(..2)?.try_into().ok()?);
    let (_, verb) = WRITES.into_iter().find(|(number, _)| *number == asked)?;
    let mut topics = TOPIC.captures_iter(request);
    let name = topics.next().map(|topic| String::from_utf8_lossy(&topic[1]).into_owned()).unwrap_or_default();
    // In which order several of them are named is a matter of chance.
    Some(Call::to_kafka(verb, if topics.next().is_some() { "" } else { &name }))
}
