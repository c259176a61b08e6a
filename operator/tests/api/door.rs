//! A way to a server that can be shut and opened again.

use std::net::SocketAddr;

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A port of this machine that leads to a server while the door is open, and where nobody listens while it is shut.
pub(crate) struct Door {
    address: SocketAddr,
    to: String,
    way: Option<JoinHandle<()>>,
}

impl Door {
    /// A door to `to` that is shut. Its port is free now; nobody else is likely to take it before it opens.
    pub(crate) async fn shut_before(to: String) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        Self { address, to, way: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let to = self.to.clone();
        self.way = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut from, _)) = listener.accept().await {
                let to = to.clone();
                connections.spawn(async move {
                    if let Ok(mut to) = TcpStream::connect(to).await {
                        let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                    }
                });
            }
        }));
    }

    /// Shuts it and cuts what goes through it.
    pub(crate) async fn shut(&mut self) {
        if let Some(way) = self.way.take() {
            way.abort();
            let _ = way.await;
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(way) = &self.way {
            way.abort();
        }
    }
}
