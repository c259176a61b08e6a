//! Server-sent events, as a browser reads them.

use serde_json::Value;

/// Reads the stream at `url` until the `data` of an event satisfies `done`, and gives all data up to it.
///
/// # Errors
/// When the stream is none, ends early, or carries something that is not JSON.
pub async fn read_until(url: &str, done: impl Fn(&Value) -> bool) -> Result<Vec<Value>, String> {
    let response = reqwest::Client::new().get(url).header("Accept", "text/event-stream").send().await;
    let mut response = response.map_err(|error| format!("{error:?}"))?;
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("text/event-stream") {
        return Err(format!("{url} answers {} with content type {kind:?}", response.status()));
    }
    let (mut all, mut buffer) = (Vec::new(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(|error| format!("{error:?}; read so far: {all:?}"))? {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let Some(data) = line.strip_prefix("data:") else { continue };
            let data: Value = serde_json::from_str(data.trim()).map_err(|error| format!("{line:?}: {error}"))?;
            let last = done(&data);
            all.push(data);
            if last {
                return Ok(all);
            }
        }
    }
    Err(format!("the stream ended early; read so far: {all:?}"))
}
