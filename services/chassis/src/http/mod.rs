//! HTTP as every service speaks it: errors are `application/problem+json` (RFC 9457), bodies are limited, requests are
//! timed, traced and counted.

mod extract;
mod layers;
pub mod openapi;
mod page;
mod problem;
pub(crate) mod server;
mod token;

pub use extract::{IdempotencyKey, Json, Path, Query, whole_body};
pub(crate) use layers::{REQUEST_BUCKETS, wrap};
pub use page::{Limit, Page};
pub use problem::{FieldError, Problem};
pub use token::{Authorized, TokenFile, Tokens};

/// What a handler answers.
pub type Result<T> = std::result::Result<T, Problem>;

/// The largest body that is read, in bytes.
pub const MAX_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests;
