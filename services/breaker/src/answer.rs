//! An answer's body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{cluster::Flight, outlier::Outcome};

/// The body of an answer, as it comes. The request is under way until it has ended or is dropped.
pub struct Answer {
    body: Incoming,
    flight: Option<Flight>,
}

impl Answer {
    pub(crate) fn new(body: Incoming, flight: Flight) -> Self {
        let flight = (!body.is_end_stream()).then_some(flight);
        Self { body, flight }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let (Some(Err(_)), Some(flight)) = (&frame, &self.flight) {
            // A reset after the head counts as well: `Filter::onUpstreamReset` in
            // https://github.com/envoyproxy/envoy/blob/main/source/common/router/router.cc.
            flight.report(Outcome::Failure);
        }
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.flight = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("body", &self.body).finish_non_exhaustive()
    }
}
