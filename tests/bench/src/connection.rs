//! One keep-alive connection: as little work for a request as HTTP allows, for the load shares the machine with what it
//! measures.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// How long an answer may take. It is longer than the gateway's own limit.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection that is opened when it is first used, and again after it was closed.
pub(crate) struct Connection {
    address: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, sender: None }
    }

    /// Sends a request, reads the answer to its end, and gives its status. It is never sent twice.
    ///
    /// # Errors
    /// When there is no answer in time.
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<StatusCode> {
        timeout(PATIENCE, self.exchange(request)).await.context("no answer in time")?
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<StatusCode> {
        // Taken: after an error, or when the caller gives up, the connection is closed.
        let kept = match self.sender.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let mut sender = match kept {
            Some(sender) => sender,
            None => connect(self.address).await?,
        };
        let response = sender.send_request(request).await.context("sending")?;
        let status = response.status();
        response.into_body().collect().await.context("reading")?;
        self.sender = Some(sender);
        Ok(status)
    }
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // Its errors are the request's, too.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
