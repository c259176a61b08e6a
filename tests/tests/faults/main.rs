//! What fails while the platform is under load: processes, servers, messages. Afterwards the invariants hold.
//!
//! Each test has a Kafka and a PostgreSQL of its own, since some of them end those. What is random follows from one
//! seed, which is printed; `FAULT_SEED` gives it again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod database;
mod kafka;
mod messages;
mod services;
mod trial;
