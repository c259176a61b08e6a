//! What lies around every route.

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{HeaderValue, Method, StatusCode, Uri},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument, debug, error, info_span, warn};
use uuid::Uuid;

use super::Problem;
use crate::trace::TraceContext;

/// How long a request may take until its answer begins. Above the database's time-outs, so that those tell first.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(9);

const REQUEST_ID: &str = "x-request-id";

/// The upper bounds, in seconds, of the histogram `http_request_duration_seconds`.
pub(crate) const REQUEST_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// `routes` with a time limit, errors for what no route answers, traces and metrics.
pub(crate) fn wrap(routes: Router) -> Router {
    routes
        .fallback(|uri: Uri| async move { Problem::not_found(format!("there is nothing at {}", uri.path())) })
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
        })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(observe))
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    error!(panic = text.unwrap_or("no message"), "a request's handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The service failed. The error is in its log.").into_response()
}

async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method_label(request.method());
    // Labels come from the routes, never from what callers make up.
    let route = request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let trace = TraceContext::of_request(request.headers());
    let request_id = request_id(&mut request);
    let span = info_span!(
        "request",
        method,
        route,
        request_id = request_id.to_str().unwrap_or_default(),
        trace_id = trace.trace_id()
    );

    let answer = trace.scope(tokio::time::timeout(REQUEST_TIMEOUT, next.run(request))).instrument(span.clone()).await;
    let mut response = answer.unwrap_or_else(|_| {
        Problem::unavailable("The request took too long. Nothing is confirmed; repeating is safe.").into_response()
    });
    response.headers_mut().entry(REQUEST_ID).or_insert(request_id);

    let (status, duration) = (response.status(), started.elapsed());
    metrics::histogram!(
        "http_request_duration_seconds", "method" => method, "route" => route, "status" => status.as_str().to_owned()
    )
    .record(duration);
    span.in_scope(|| match status.is_server_error() {
        true => warn!(status = status.as_u16(), ?duration, "answered with an error"),
        false => debug!(status = status.as_u16(), ?duration, "answered"),
    });
    response
}

/// The caller's id of the request, when it is fit to be logged, else a new one. The request then carries it.
fn request_id(request: &mut Request) -> HeaderValue {
    let given = request
        .headers()
        .get(REQUEST_ID)
        .filter(|value| (1..=128).contains(&value.len()) && value.as_bytes().iter().all(u8::is_ascii_graphic));
    let id = given.cloned().unwrap_or_else(|| {
        // Hexadecimal digits and hyphens are a valid value.
        HeaderValue::try_from(Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("none"))
    });
    request.headers_mut().insert(REQUEST_ID, id.clone());
    id
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
