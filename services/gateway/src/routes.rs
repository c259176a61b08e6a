//! Which path goes to which service. What is not listed here does not exist for the outside: above all cook's
//! `/cancellations`, which is for the order service alone.

use std::net::{IpAddr, SocketAddr};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    response::{IntoResponse, Response},
    routing::{MethodRouter, any, delete, post},
};
use chassis::http::{MAX_BODY, Problem};
use http::{HeaderName, HeaderValue, header};
use http_body::Body as _;
use http_body_util::Limited;
use tokio_util::sync::CancellationToken;
use tower::Service;

use crate::{
    deferring::Deferring,
    headers,
    placing::{self, Orders},
    streams,
    upstream::{ForwardError, Outgoing, Upstream},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The services behind the gateway.
#[derive(Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Upstreams {
    pub order: Upstream,
    pub cook: Upstream,
    pub delivery: Upstream,
    pub mypage: Upstream,
}

/// No service has answered.
pub(crate) struct NoAnswer {
    /// What the caller is told.
    pub(crate) problem: Problem,
    /// Whether the service is away, and knows nothing of the request. One whose queue is full has only too much to do.
    pub(crate) is_away: bool,
}

impl From<Problem> for NoAnswer {
    fn from(problem: Problem) -> Self {
        Self { problem, is_away: false }
    }
}

/// A service behind the gateway, and what every way to it needs.
#[derive(Clone)]
pub(crate) struct Way {
    name: &'static str,
    upstream: Upstream,
    stopping: CancellationToken,
}

/// The gateway's routes. What order can't take now is `deferring`'s. `stopping` ends event streams, which would otherwise
/// never end.
pub fn routes(upstreams: Upstreams, deferring: Deferring, stopping: CancellationToken) -> Router {
    let way = |name, upstream| Way { name, upstream, stopping: stopping.clone() };
    let to = |way: &Way| -> MethodRouter { any(forward).with_state(way.clone()) };
    let order = way("order", upstreams.order);
    let cook = way("cook", upstreams.cook);
    let delivery = way("delivery", upstreams.delivery);
    let mypage = way("mypage", upstreams.mypage);
    let orders = Orders { way: order.clone(), mypage: mypage.clone(), deferring };
    let deferrable = Router::new()
        .route("/orders", post(placing::place))
        .route("/orders/{orderId}", delete(placing::cancel))
        .route("/orders/{orderId}/cancel", post(placing::cancel))
        .method_not_allowed_fallback(|State(orders): State<Orders>, request| forward(State(orders.way), request))
        .with_state(orders);
    Router::new()
        .merge(deferrable)
        .route("/menus", to(&cook))
        .route("/menus/{*rest}", to(&cook))
        .route("/cooks", to(&cook))
        .route("/cooks/{*rest}", to(&cook))
        .route("/deliveries", to(&delivery))
        .route("/deliveries/{*rest}", to(&delivery))
        .route("/mypages", to(&mypage))
        .route("/mypages/{*rest}", to(&mypage))
        .route("/", to(&mypage))
        .route("/ui/{*rest}", to(&mypage))
        .fallback(unknown)
}

async fn unknown() -> Problem {
    Problem::not_found("There is nothing at this path.")
}

/// Forwards a request as it comes.
async fn forward(State(way): State<Way>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = if body.is_end_stream() {
        Outgoing::Whole(bytes::Bytes::new())
    } else {
        Outgoing::Stream(Body::new(Limited::new(body, MAX_BODY)))
    };
    let answer = way.send(Request::from_parts(parts, body)).await;
    answer.unwrap_or_else(|no_answer| no_answer.problem.into_response())
}

impl Way {
    /// Sends a request on its way.
    ///
    /// # Errors
    /// The gateway's own answer, when the service has given none.
    pub(crate) async fn send(mut self, request: http::Request<Outgoing>) -> Result<Response, NoAnswer> {
        let (mut parts, body) = request.into_parts();
        if has_dot_segment(parts.uri.path()) {
            // Whoever resolved these would leave the routes above.
            return Err(Problem::not_found("There is nothing at this path.").into());
        }
        let declared = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if declared.is_some_and(|length: u64| length > MAX_BODY as u64) {
            return Err(problem(self.name, &ForwardError::TooLong).into());
        }
        let peer: Option<IpAddr> = parts.extensions.get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip());
        headers::add_forwarded(&mut parts.headers, peer);
        if let Some(trace) = chassis::trace::traceparent().and_then(|trace| HeaderValue::try_from(trace).ok()) {
            parts.headers.insert(TRACEPARENT, trace);
        }
        match self.upstream.call(http::Request::from_parts(parts, body)).await {
            Ok(response) => Ok(streams::end_with(response, self.stopping)),
            Err(error) => Err(NoAnswer {
                is_away: matches!(error, ForwardError::Unreachable(_) | ForwardError::Ejected),
                problem: problem(self.name, &error),
            }),
        }
    }
}

/// What the caller is told.
fn problem(upstream: &'static str, error: &ForwardError) -> Problem {
    use http::StatusCode as S;
    let (reason, problem) = match error {
        ForwardError::Unreachable(_) => {
            ("unreachable", Problem::unavailable(format!("The {upstream} service is away. Nothing was done.")))
        }
        ForwardError::Ejected => {
            ("ejected", Problem::unavailable(format!("The {upstream} service is ill. Nothing was done.")))
        }
        ForwardError::Overflow => {
            ("overflow", Problem::unavailable(format!("The {upstream} service is busy. Nothing was done.")))
        }
        ForwardError::Timeout(limit) => (
            "timeout",
            Problem::new(
                S::GATEWAY_TIMEOUT,
                format!(
                    "The {upstream} service has not answered within {limit:?}. What was asked for may have happened."
                ),
            ),
        ),
        ForwardError::Broken(_) => (
            "broken",
            Problem::new(
                S::BAD_GATEWAY,
                format!("The {upstream} service ended the connection. What was asked for may have happened."),
            ),
        ),
        ForwardError::TooLong => {
            ("too_long", Problem::new(S::PAYLOAD_TOO_LARGE, format!("A body has at most {MAX_BODY} bytes.")))
        }
        ForwardError::Body(_) => ("body", Problem::new(S::BAD_REQUEST, "The body ended early.")),
    };
    metrics::counter!("gateway_forward_errors_total", "upstream" => upstream, "reason" => reason).increment(1);
    if problem.status().is_server_error() {
        tracing::warn!(upstream, %error, "no answer");
    }
    problem
}

/// Whether a segment is `.` or `..`, also when percent-encoded.
fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        plain == "." || plain == ".."
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_segments_are_seen_however_written() {
        for bad in ["/menus/../cancellations", "/menus/%2e%2E/x", "/menus/.%2e", "/a/./b"] {
            assert!(has_dot_segment(bad), "{bad}");
        }
        for good in ["/menus/a.b", "/menus/..a", "/menus/...", "/"] {
            assert!(!has_dot_segment(good), "{good}");
        }
    }
}
