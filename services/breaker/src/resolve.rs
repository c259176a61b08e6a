//! Where the endpoints are.

use std::{io, net::SocketAddr};

use futures::future::BoxFuture;
use http::uri::Authority;

/// Tells an upstream's endpoints.
pub trait Resolve: Send + Sync + 'static {
    /// The endpoints that there are now.
    ///
    /// # Errors
    /// When that cannot be told; then those known last are taken to be there still.
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>>;
}

/// Asks the system's resolver for a name: that of a headless Service has the address of each of its ready pods.
#[derive(Debug, Clone)]
pub struct Dns {
    host: String,
    port: u16,
}

impl Dns {
    /// Resolves the authority's host; the port is its port, or 80.
    pub fn new(authority: &Authority) -> Self {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Self { host, port: authority.port_u16().unwrap_or(80) }
    }
}

impl Resolve for Dns {
    fn resolve(&self) -> BoxFuture<'_, io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Ok(tokio::net::lookup_host((self.host.as_str(), self.port)).await?.collect()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_taken_as_they_are() {
        for (authority, address) in [("127.0.0.1", "127.0.0.1:80"), ("[::1]:8080", "[::1]:8080")] {
            let resolved = Dns::new(&authority.parse().unwrap()).resolve().await.unwrap();
            assert_eq!(resolved, [address.parse().unwrap()]);
        }
    }
}
