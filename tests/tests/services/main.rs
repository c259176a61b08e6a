//! The five services together, as processes, on a real Kafka and a real PostgreSQL: what customers, kitchens and
//! couriers are promised. Every test has a platform of its own; see `tests::platform`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod bad_input;
mod cancellation;
mod crashes;
mod database_security;
mod deferral;
mod events;
mod gateway;
mod inbox;
mod invariants;
mod kafka_security;
mod lifecycle;
mod logs;
mod manual;
mod migrations;
mod openapi;
mod orders;
mod problems;
mod replicas;
mod settings;
mod stock;
mod streams;
mod tools;
