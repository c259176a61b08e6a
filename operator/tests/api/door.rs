//! A way to a server that can be shut and opened again.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    net::{TcpSocket, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A port of this machine that leads to a server while the door is open, and where nobody listens while it is shut.
pub(crate) struct Door {
    /// Never listens: it keeps others from taking the port.
    kept: TcpSocket,
    to: String,
    way: Option<JoinHandle<()>>,
}

/// A socket at `address`, which others of its kind may share.
fn bind(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseport(true).unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

impl Door {
    /// A door to `to` that is shut.
    pub(crate) fn shut_before(to: String) -> Self {
        Self { kept: bind((Ipv4Addr::LOCALHOST, 0).into()), to, way: None }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.kept.local_addr().unwrap()
    }

    pub(crate) fn open(&mut self) {
        let listener = bind(self.address()).listen(1024).unwrap();
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
