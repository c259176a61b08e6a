//! The platform on a real cluster: what people see and do with kubectl.
//!
//! The operator is installed and `examples/quickstart.yaml` applied; that platform is shared, so these tests run one at
//! a time (`--test-threads=1`). What would disturb it happens on a `tests::cluster::Throwaway`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod deletion;
mod healing;
mod logs;
mod measures;
mod orders;
mod plugin;
mod refusals;
mod resources;
mod tutorial;
