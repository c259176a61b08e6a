//! The operator that turns a FoodPlatform into everything that a food-delivery platform needs on Kubernetes.

pub mod api;
pub mod build;
pub mod check;
pub mod client;
pub mod controller;
mod database;
pub mod fence;
pub mod health;
mod kafka;
pub mod leader;
pub mod metrics;
mod sync;
pub mod telemetry;

pub use api::crd_yaml;
