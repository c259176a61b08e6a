//! Server-sent events, as a browser reads them.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use crate::{api::text, wait};

/// An open stream of events, each with JSON as its data.
#[derive(Debug)]
pub struct Events {
    response: Response,
    buffer: Vec<u8>,
}

impl Events {
    /// Opens the stream at `url`.
    ///
    /// # Panics
    /// When there is none.
    pub async fn open(url: &str) -> Self {
        let request = reqwest::Client::new().get(url).header("Accept", "text/event-stream");
        let response = request.send().await.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        assert!(kind.starts_with("text/event-stream"), "{url}: {} with content type {kind:?}", response.status());
        Self { response, buffer: Vec::new() }
    }

    /// The data of the next event.
    ///
    /// # Errors
    /// When the stream ends, or the data is not JSON.
    pub async fn next(&mut self) -> Result<Value, String> {
        loop {
            while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line);
                if let Some(data) = line.strip_prefix("data:") {
                    return serde_json::from_str(data.trim()).map_err(|error| format!("{line:?}: {error}"));
                }
            }
            let chunk = self.response.chunk().await.map_err(|error| format!("{error:?}"))?;
            self.buffer.extend_from_slice(&chunk.ok_or("the stream has ended")?);
        }
    }

    /// Reads until an event whose data has that `status`, and gives the data of all events up to it.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn until_status(&mut self, status: &str) -> Vec<Value> {
        const LIMIT: Duration = wait::SOON;
        let mut seen = Vec::new();
        let reading = async {
            loop {
                seen.push(self.next().await?);
                if seen.last().is_some_and(|last| text(last, "status") == status) {
                    return Ok::<_, String>(());
                }
            }
        };
        match tokio::time::timeout(LIMIT, reading).await {
            Ok(Ok(())) => seen,
            Ok(Err(error)) => panic!("{status} does not come: {error}; seen: {seen:?}"),
            Err(_) => panic!("{status} has not come within {LIMIT:?}; seen: {seen:?}"),
        }
    }
}
