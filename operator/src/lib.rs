//! The operator that turns a FoodPlatform into everything that a food-delivery platform needs on Kubernetes.

pub mod api;
pub mod build;

pub use api::crd_yaml;
