//! Extractors that answer a [`Problem`] when the request is not what they expect.

use std::{error::Error, fmt::Display, str::FromStr, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, RawPathParams, Request},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::{Serialize, de::DeserializeOwned};

use super::{MAX_BODY, Problem};

/// How long a body may take. Less than a request may, and than the gateway waits for an answer: who is slow is told so.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// A JSON body, of requests and of answers.
///
/// Refused with 415 (not JSON by its `Content-Type`), as [`whole_body`] does, with 400 (not well-formed) or 422 (a value
/// does not fit; the field is named).
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !content_type.is_some_and(is_json) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json"));
        }
        parse(&whole_body(request.into_body()).await?).map(Self)
    }
}

/// Reads a body to its end.
///
/// # Errors
/// 413 (larger than [`MAX_BODY`]), 408 (too slow) or 400 (ended early).
pub async fn whole_body(body: Body) -> Result<Bytes, Problem> {
    let too_large =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body may have at most {MAX_BODY} bytes"));
    // What is announced need not come first.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "the body ended before it was complete")),
        Err(_) => {
            let detail = format!("the body has not come within {BODY_TIMEOUT:?}");
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
        }
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii_start().first() == Some(&b'[') {
        // serde would take an array for an object's fields in their order.
        return Err(Problem::invalid("body", "must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => {
                let (field, detail) = field_at_fault(&path, &inner.to_string());
                Problem::invalid(field, detail)
            }
            _ => not_json(&inner),
        }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
}

/// The field and what is wrong with it. serde puts a missing field into the message, with the path of what lacks it.
fn field_at_fault(path: &str, message: &str) -> (String, String) {
    let message = message.split(" at line ").next().unwrap_or(message);
    let within = if path == "." { "" } else { path };
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    match missing {
        Some(field) if within.is_empty() => (field.to_owned(), "is required".to_owned()),
        Some(field) => (format!("{within}.{field}"), "is required".to_owned()),
        None if within.is_empty() => ("body".to_owned(), message.to_owned()),
        None => (within.to_owned(), message.to_owned()),
    }
}

/// The parameters after `?`; a wrong one is refused with 400 and named.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|query| Self(query.0)).map_err(|rejection| {
            let mut cause: Option<&(dyn Error + 'static)> = Some(&rejection);
            while let Some(error) = cause {
                if let Some(error) = error.downcast_ref::<serde_path_to_error::Error<serde::de::value::Error>>() {
                    let (field, detail) = field_at_fault(&error.path().to_string(), &error.inner().to_string());
                    return Problem::bad_parameter(field, detail);
                }
                cause = error.source();
            }
            Problem::new(StatusCode::BAD_REQUEST, rejection.body_text())
        })
    }
}

/// The one parameter of the path; a wrong one is refused with 400 and named.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: FromStr,
    T::Err: Display,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|error| Problem::bad_parameter("path", error.body_text()))?;
        let (name, value) = parameters.iter().next().unwrap_or(("path", ""));
        value.parse().map(Self).map_err(|error| Problem::bad_parameter(name, error))
    }
}

/// The header `Idempotency-Key`: 1 to 255 visible ASCII characters. Take an `Option` of it where it may be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub String);

impl IdempotencyKey {
    pub(super) const NAME: &str = "Idempotency-Key";

    fn of(parts: &Parts) -> Result<Option<Self>, Problem> {
        let mut values = parts.headers.get_all(Self::NAME).iter();
        let Some(value) = values.next() else { return Ok(None) };
        let key = value.to_str().ok().filter(|key| {
            (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) && values.next().is_none()
        });
        match key {
            Some(key) => Ok(Some(Self(key.to_owned()))),
            None => {
                Err(Problem::bad_parameter(Self::NAME, "must be sent once, with 1 to 255 visible ASCII characters"))
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts)?.ok_or_else(|| Problem::bad_parameter(Self::NAME, "is required"))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Self::of(parts)
    }
}
