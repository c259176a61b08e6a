//! What the end-to-end tests share: the servers they use, the services they start, and how they look and wait.
//!
//! The tests themselves are in `tests/services` (real Kafka and PostgreSQL, the services as processes of this machine),
//! `tests/faults` (the same under load, while something fails) and `tests/cluster` (a real cluster with the operator in
//! it). Everything here panics on failure, with a sentence that says what was expected and what was seen last: that is
//! how a test fails. What looks at a platform that others run, too ([`invariants`]), returns its errors.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

pub mod api;
pub mod cluster;
pub mod database;
pub mod invariants;
pub mod kafka;
pub mod measure;
pub mod metrics;
pub mod platform;
pub mod process;
pub mod servers;
pub mod sse;
pub mod traffic;
pub mod wait;
