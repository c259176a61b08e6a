//! What can happen to the news of a watch on its way to an operator.

use std::{mem, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use kube::client::Body;
use tokio::{sync::watch, time::sleep};
use tower::BoxError;

/// How long a watch that has lost something stands still before it says so.
const UNTOLD: Duration = Duration::from_secs(1);
/// What the API server says when it no longer knows what has happened since.
const EXPIRED: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: made up by a test","reason":"Expired","code":410}}"#;

/// The body of an answer, whatever was done to it.
pub(crate) type News = UnsyncBoxBody<Bytes, BoxError>;

/// The body of an answer to which nothing was done.
pub(crate) fn untouched(answer: Body) -> News {
    News::new(answer.map_err(BoxError::from))
}

/// An answer, line by line: each event of a watch is one.
struct Lines<S> {
    frames: S,
    rest: Vec<u8>,
    is_over: bool,
}

impl<S: stream::Stream<Item = Result<Bytes, kube::Error>> + Unpin> Lines<S> {
    /// The next line, with its break, if it has one; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BoxError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.rest.drain(..=end).collect::<Vec<_>>().into()));
            }
            match self.frames.next().await {
                Some(bytes) => self.rest.extend_from_slice(&bytes?),
                None => return Ok((!self.rest.is_empty()).then(|| mem::take(&mut self.rest).into())),
            }
        }
    }
}

fn lines(watch: Body) -> Lines<impl stream::Stream<Item = Result<Bytes, kube::Error>> + Unpin> {
    Lines { frames: watch.into_data_stream(), rest: Vec::new(), is_over: false }
}

/// The watch without the events of which `is_lost` says so, each of which is the last for a while: then the API server has
/// forgotten what was since, and ends the watch.
pub(crate) fn losing(watch: Body, is_lost: impl Fn() -> bool + Send + 'static) -> News {
    let events = stream::try_unfold((lines(watch), is_lost), |(mut lines, is_lost)| async move {
        if lines.is_over {
            return Ok(None);
        }
        let Some(mut line) = lines.next().await? else { return Ok(None) };
        if is_lost() {
            sleep(UNTOLD).await;
            lines.is_over = true;
            line = format!("{EXPIRED}\n").into();
        }
        Ok::<_, BoxError>(Some((Frame::data(line), (lines, is_lost))))
    });
    News::new(StreamBody::new(events.boxed()))
}

/// The watch, of which nothing gets through while it is frozen.
pub(crate) fn freezing(watch: Body, is_frozen: watch::Receiver<bool>) -> News {
    let events = stream::try_unfold((lines(watch), is_frozen), |(mut lines, mut is_frozen)| async move {
        let Some(line) = lines.next().await? else { return Ok(None) };
        // Whoever froze it may be gone: then it thaws.
        let _ = is_frozen.wait_for(|is_frozen| !is_frozen).await;
        Ok::<_, BoxError>(Some((Frame::data(line), (lines, is_frozen))))
    });
    News::new(StreamBody::new(events.boxed()))
}

/// The answer with one text in place of another. The two have to be of the same length.
pub(crate) fn garbling(answer: Body, from: &'static str, to: &'static str) -> News {
    let events = stream::try_unfold(lines(answer), move |mut lines| async move {
        let Some(line) = lines.next().await? else { return Ok(None) };
        let line = String::from_utf8(line.to_vec())?.replace(from, to);
        Ok::<_, BoxError>(Some((Frame::data(line.into()), lines)))
    });
    News::new(StreamBody::new(events.boxed()))
}
