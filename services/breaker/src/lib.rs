//! A circuit breaker in the caller, with Envoy's meanings: what a mesh's sidecar does, for platforms without one.
//!
//! A [`Breaker`] is a client of one upstream service. It follows the service's endpoints as they come and go, sends
//! each request to one of them, ejects those that fail again and again, and refuses requests when too many wait for a
//! connection. Every limit is one of [`Settings`]; Envoy's other settings have their defaults there, but the panic
//! threshold, which is 0 as Istio sets it: when every endpoint is ejected, requests are refused at once.
//!
//! Metrics, each with the label `upstream`: `breaker_endpoints`, `breaker_ejected_endpoints` and
//! `breaker_pending_requests` as they are; `breaker_ejections_total`, `breaker_ejections_spared_total` (not ejected, for
//! too many were) and `breaker_overflows_total` since the start.
//!
//! The parts: `outlier` decides who is ejected (pure), `pool` holds the connections of one endpoint, `cluster` all
//! endpoints and the choice among them, `follow` what happens in the background, `service` a request's way.

mod answer;
mod cluster;
mod error;
mod follow;
mod outlier;
mod pool;
mod resolve;
mod service;
mod settings;

pub use crate::{
    answer::Answer,
    error::Error,
    resolve::{Dns, Resolve},
    service::Breaker,
    settings::{Limits, Settings, positive_duration},
};

/// Any error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
