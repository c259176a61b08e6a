//! Turns at asking Kafka: it blocks a thread, of which there are few.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::OwnedSemaphorePermit};

use super::{
    Unreachable,
    connection::{Client, Clients, Connection},
};
use crate::fence::Fence;

/// A turn lasts until its last copy goes: a thread that nobody waits for any more is blocked all the same.
#[derive(Clone)]
pub(super) struct Turn {
    clients: Arc<Clients>,
    _permits: Arc<Vec<OwnedSemaphorePermit>>,
}

impl Turn {
    /// A turn as long as the permits last.
    pub(super) fn new(clients: Arc<Clients>, permits: Vec<OwnedSemaphorePermit>) -> Self {
        Self { clients, _permits: Arc::new(permits) }
    }

    fn session(&self, connection: Connection, runtime: Handle) -> Result<Session, Unreachable> {
        let client = self.clients.get(&connection)?;
        Ok(Session { client, connection, runtime, fence: self.clients.fence.clone() })
    }
}

/// A connection to one cluster. Its methods block.
pub(super) struct Session {
    pub(super) client: Arc<Client>,
    pub(super) connection: Connection,
    pub(super) runtime: Handle,
    pub(super) fence: Fence,
}

/// Does the work on a thread that may be blocked.
///
/// # Errors
/// When no bootstrap server can be reached, what is to be shown to it can't be used, or the work fails.
pub(super) async fn on_session<T: Send + 'static>(
    turn: &Turn,
    connection: &Connection,
    work: impl FnOnce(&Session) -> Result<T, Unreachable> + Send + 'static,
) -> Result<T, Unreachable> {
    connection.probe().await?;
    let (turn, connection, runtime) = (turn.clone(), connection.clone(), Handle::current());
    // Describing blocks its thread, and so does ending a client.
    let work = move || {
        let session = turn.session(connection, runtime)?;
        let result = work(&session)?;
        session.client.forget_complaints();
        Ok(result)
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Unreachable(format!("the work on the topics was broken off: {error}")))?
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use tokio::{net::TcpListener, time::timeout};

    use super::*;
    use crate::{build::KafkaCredentials, kafka::connection::THREADS};

    #[tokio::test]
    async fn a_thread_that_nobody_waits_for_keeps_its_turn() {
        const MOMENT: Duration = Duration::from_millis(200);
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = Connection {
            bootstrap_servers: silent.local_addr().unwrap().to_string(),
            credentials: KafkaCredentials::default(),
        };
        let clients = Arc::new(Clients::new(Fence::open()));
        let (end, ended) = mpsc::channel::<()>();
        let turn = clients.turn(&connection).await;
        let work = on_session(&turn, &connection, move |_| Ok(ended.recv().is_ok()));
        assert!(timeout(MOMENT, work).await.is_err());
        drop(turn);
        let mut others = Vec::new();
        for _ in 2..THREADS {
            others.push(clients.turn(&connection).await);
        }
        assert!(timeout(MOMENT, clients.turn(&connection)).await.is_err(), "one more is blocked");
        let other = Connection { bootstrap_servers: "other:9092".to_owned(), ..connection.clone() };
        drop(timeout(MOMENT, clients.turn(&other)).await.expect("there is one for the others"));
        drop(end);
        clients.turn(&connection).await;
    }
}
