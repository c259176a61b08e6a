//! Calls to other services.

use std::{str::FromStr, time::Duration};

use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri};
use breaker::Breaker;
pub use breaker::{Limits, Settings as BreakerSettings};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, timeout_at};

use crate::trace;

/// Where a service is: `http://HOST:PORT`, without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(uri::Authority);

impl FromStr for BaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected http://HOST:PORT, not {text:?}");
        let parts = text.parse::<Uri>().map_err(|_| expected())?.into_parts();
        let no_path = parts.path_and_query.is_none_or(|path| path.as_str() == "/");
        match (parts.scheme, parts.authority) {
            (Some(scheme), Some(authority)) if scheme == uri::Scheme::HTTP && no_path => Ok(Self(authority)),
            _ => Err(expected()),
        }
    }
}

/// Why a call gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There was no connection or the breaker refused, so no byte was sent on any attempt: the other service knows
    /// nothing of the call.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have been done or not: no answer came, or none in time.
    #[error("outcome unknown: {0}")]
    Unknown(String),
    /// The other service answered with an error.
    #[error("answered {status}: {body}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body.
        body: String,
    },
}

/// A client of one service, behind a circuit breaker. Connections are kept for the next call.
#[derive(Debug, Clone)]
pub struct Client {
    breaker: Breaker,
    timeout: Duration,
}

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

impl Client {
    /// A client of the service at `base`, which is called `name` in logs and metrics. The response's limit is that of
    /// the whole answer.
    pub fn new(name: &'static str, base: BaseUrl, breaker: BreakerSettings, limits: Limits) -> Self {
        Self { breaker: Breaker::new(name, base.0, breaker, limits), timeout: limits.response }
    }

    /// `POST path` with a JSON body, for a JSON answer. `authorization` says who calls.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post<A: DeserializeOwned>(
        &self,
        path: &str,
        authorization: HeaderValue,
        body: &impl Serialize,
    ) -> Result<A, CallError> {
        let body = serde_json::to_vec(body).map_err(not_sent)?;
        let mut request = request(Method::POST, path, body).map_err(not_sent)?;
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
        self.call(request).await
    }

    /// `GET path`, for a JSON answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, CallError> {
        self.call(request(Method::GET, path, vec![]).map_err(not_sent)?).await
    }

    async fn call<A: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<A, CallError> {
        let (status, body) = self.send(request).await?;
        if !status.is_success() {
            let body = String::from_utf8_lossy(&body).chars().take(1000).collect();
            return Err(CallError::Status { status, body });
        }
        serde_json::from_slice(&body)
            .map_err(|error| CallError::Unknown(format!("the answer is not readable: {error}")))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), CallError> {
        let deadline = Instant::now() + self.timeout;
        let answer = self.breaker.send(request, deadline).await.map_err(|error| {
            let (unsent, text) = (error.nothing_was_sent(), error.to_string());
            if unsent { CallError::NotSent(text) } else { CallError::Unknown(text) }
        })?;
        let (head, body) = answer.into_parts();
        let body = timeout_at(deadline, Limited::new(body, MAX_ANSWER).collect()).await;
        let body = body.map_err(|_| CallError::Unknown(format!("no whole answer within {:?}", self.timeout)))?;
        let body = body.map_err(|error| CallError::Unknown(format!("the answer broke off: {error}")))?;
        Ok((head.status, body.to_bytes()))
    }
}

fn not_sent(error: impl std::error::Error) -> CallError {
    CallError::NotSent(error.to_string())
}

fn request(method: Method, path: &str, body: Vec<u8>) -> Result<Request<Full<Bytes>>, axum::http::Error> {
    let mut request = Request::builder().method(method).uri(path).body(Full::new(Bytes::from(body)))?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.extend(trace::traceparent_header().map(|value| (header::HeaderName::from_static("traceparent"), value)));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;

    use axum::{Router, routing::post};
    use serde_json::{Value, json};

    use super::*;

    const LIMITS: Limits = Limits { connect: Duration::from_millis(200), response: Duration::from_millis(200) };

    fn nobody() -> HeaderValue {
        HeaderValue::from_static("Bearer none")
    }

    async fn client(routes: Router) -> Client {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(axum::serve(listener, routes).into_future());
        Client::new("test", base, BreakerSettings { consecutive_5xx_errors: 2, ..BreakerSettings::DEFAULT }, LIMITS)
    }

    #[test]
    fn a_base_url_has_no_path() {
        assert!("http://cook:8080".parse::<BaseUrl>().is_ok());
        assert!("http://cook:8080/".parse::<BaseUrl>().is_ok());
        for wrong in ["", "cook:8080", "https://cook", "http://cook/x", "/x"] {
            assert!(wrong.parse::<BaseUrl>().unwrap_err().contains("expected http://"), "{wrong}");
        }
    }

    #[tokio::test]
    async fn an_answer_an_error_and_no_answer_are_told_apart() {
        let routes = Router::new()
            .route("/echo", post(|body: String| async move { body }))
            .route("/error", post(|| async { (StatusCode::SERVICE_UNAVAILABLE, "later") }))
            .route("/never", post(std::future::pending::<()>));
        let client = client(routes).await;
        let body = json!({"a": 1});
        assert_eq!(client.post::<Value>("/echo", nobody(), &body).await.unwrap(), body);
        let error = client.post::<Value>("/error", nobody(), &body).await.unwrap_err();
        assert!(matches!(error, CallError::Status { status, .. } if status == 503), "{error}");
        let error = client.post::<Value>("/never", nobody(), &body).await.unwrap_err();
        assert!(matches!(error, CallError::Unknown(_)), "{error}");
    }

    #[tokio::test]
    async fn without_a_listener_nothing_is_sent() {
        // Bound, but nothing listens there.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let base = format!("http://{}", socket.local_addr().unwrap()).parse().unwrap();
        let client = Client::new("test", base, BreakerSettings::DEFAULT, LIMITS);
        let error = client.post::<Value>("/echo", nobody(), &json!({})).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(_)), "{error}");
    }

    #[tokio::test]
    async fn what_the_breaker_refuses_is_not_sent() {
        let client = client(Router::new().route("/error", post(|| async { StatusCode::SERVICE_UNAVAILABLE }))).await;
        for _ in 0..2 {
            let error = client.post::<Value>("/error", nobody(), &json!({})).await.unwrap_err();
            assert!(matches!(error, CallError::Status { .. }), "{error}");
        }
        let error = client.post::<Value>("/error", nobody(), &json!({})).await.unwrap_err();
        assert!(matches!(&error, CallError::NotSent(reason) if reason.contains("ejected")), "{error}");
    }
}
