//! The microservice chassis: what every service of the platform does the same way, so that a service's own crate
//! holds its domain and little else.
//!
//! A service implements [`Service`] and its `main` calls [`run`]; [`Service::build`] puts its parts (routes, consumer,
//! background tasks) on the [`Platform`]. The chassis gives them settings, logs, metrics, probes, HTTP errors,
//! PostgreSQL with migrations, a transactional outbox, a consumer with an inbox, and a graceful stop.

mod admin;
pub mod client;
mod commands;
pub mod config;
pub mod consumer;
pub mod crash;
pub mod db;
mod dead_letters;
pub mod group;
pub mod history;
pub mod http;
mod kafka;
mod lifecycle;
pub mod outbox;
mod platform;
mod process;
pub mod publisher;
mod run;
mod slice;
pub mod tasks;
pub mod telemetry;
pub mod timer;
pub mod trace;

pub use platform::Platform;
pub use run::{NoSettings, NoTools, Service, Tool, run};
