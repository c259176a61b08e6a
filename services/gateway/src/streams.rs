//! Event streams (SSE) never end by themselves: they have to, when this process stops.

use axum::body::Body;
use futures::StreamExt;
use http::{Response, header};
use tokio_util::sync::CancellationToken;

/// The response, whose body, if it is an event stream, also ends when `stopping` is cancelled. Its reader comes back
/// by itself, to another replica.
pub(crate) fn end_with(response: Response<Body>, stopping: CancellationToken) -> Response<Body> {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return response;
    }
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(stopping.cancelled_owned())))
}
