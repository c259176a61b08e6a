//! The breaker in front of small servers on loopback.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bodies;
mod ejection;
mod following;
mod limits;
mod support;
