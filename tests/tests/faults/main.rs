//! What fails while the platform is under load: processes, servers, messages. Afterwards the invariants hold.
//!
//! Each test has a Kafka and a PostgreSQL of its own, since some of them end those. What is random follows from one
//! seed, which is printed; `FAULT_SEED` gives it again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod cut;
mod database;
mod disk;
mod kafka;
mod leftovers;
mod logs;
mod messages;
mod network;
mod servers;
mod services;
mod topics;
mod trial;
