//! Calls to other services.

use std::{str::FromStr, time::Duration};

use axum::http::{HeaderValue, Method, Request, StatusCode, Uri, header, uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::{Serialize, de::DeserializeOwned};

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
    /// No connection could be made, so no byte was sent: the other service knows nothing of the call.
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

/// A client of one service. Connections are kept for the next call.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http<HttpConnector, Full<Bytes>>,
    base: BaseUrl,
    timeout: Duration,
}

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

impl Client {
    /// A client of the service at `base`. A connection must be made within `connect_timeout`, and the whole answer be
    /// there within `timeout`.
    pub fn new(base: BaseUrl, connect_timeout: Duration, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(connect_timeout));
        connector.set_nodelay(true);
        let http = Http::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(16)
            .build(connector);
        Self { http, base, timeout }
    }

    /// `POST path` with a JSON body, for a JSON answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn post<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| CallError::NotSent(error.to_string()))?;
        self.call(Method::POST, path, body).await
    }

    /// `GET path`, for a JSON answer.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, CallError> {
        self.call(Method::GET, path, vec![]).await
    }

    async fn call<A: DeserializeOwned>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<A, CallError> {
        let request = self.request(method, path, body).map_err(|error| CallError::NotSent(error.to_string()))?;
        let answer = tokio::time::timeout(self.timeout, self.send(request)).await;
        let (status, body) =
            answer.map_err(|_| CallError::Unknown(format!("no answer within {:?}", self.timeout)))??;
        if !status.is_success() {
            let body = String::from_utf8_lossy(&body).chars().take(1000).collect();
            return Err(CallError::Status { status, body });
        }
        serde_json::from_slice(&body)
            .map_err(|error| CallError::Unknown(format!("the answer is not readable: {error}")))
    }

    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Request<Full<Bytes>>, axum::http::Error> {
        let uri =
            Uri::builder().scheme(uri::Scheme::HTTP).authority(self.base.0.clone()).path_and_query(path).build()?;
        let mut request = Request::builder().method(method).uri(uri).body(Full::new(Bytes::from(body)))?;
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers
            .extend(trace::traceparent_header().map(|value| (header::HeaderName::from_static("traceparent"), value)));
        Ok(request)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), CallError> {
        let answer = self.http.request(request).await.map_err(|error| {
            let not_connected = error.is_connect();
            let text = format!("{:#}", anyhow::Error::new(error));
            if not_connected { CallError::NotSent(text) } else { CallError::Unknown(text) }
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| CallError::Unknown(format!("the answer broke off: {error}")))?;
        Ok((head.status, body.to_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;

    use axum::{Router, routing::post};
    use serde_json::{Value, json};

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    async fn client(routes: Router) -> Client {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(axum::serve(listener, routes).into_future());
        Client::new(base, SHORT, SHORT)
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
        assert_eq!(client.post::<Value>("/echo", &body).await.unwrap(), body);
        let error = client.post::<Value>("/error", &body).await.unwrap_err();
        assert!(matches!(error, CallError::Status { status, .. } if status == 503), "{error}");
        let error = client.post::<Value>("/never", &body).await.unwrap_err();
        assert!(matches!(error, CallError::Unknown(_)), "{error}");
    }

    #[tokio::test]
    async fn without_a_listener_nothing_is_sent() {
        // Bound and dropped: nothing listens there.
        let address = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let client = Client::new(format!("http://{address}").parse().unwrap(), SHORT, SHORT);
        let error = client.post::<Value>("/echo", &json!({})).await.unwrap_err();
        assert!(matches!(error, CallError::NotSent(_)), "{error}");
    }
}
