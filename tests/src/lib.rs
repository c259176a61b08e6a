//! What the end-to-end tests share: the servers they use, the services they start, and how they look and wait.
//!
//! The tests themselves are in `tests/services` (real Kafka and PostgreSQL, the services as processes of this machine)
//! and `tests/cluster` (a real cluster with the operator in it). Everything here panics on failure, with a sentence
//! that says what was expected and what was seen last: that is how a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

pub mod api;
pub mod cluster;
pub mod database;
pub mod kafka;
pub mod measure;
pub mod metrics;
pub mod platform;
pub mod process;
pub mod servers;
pub mod sse;
pub mod wait;
