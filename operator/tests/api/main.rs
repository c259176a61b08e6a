//! The operator against a real API server, a real Kafka and a real PostgreSQL.
//!
//! `TEST_KUBECONFIG` is a control plane with the controller manager and without nodes, `TEST_KAFKA` the bootstrap servers
//! of a Kafka with one broker, `TEST_DATABASE_URL` a PostgreSQL, `TEST_CYCLONUS`, `TEST_ISTIO` and `TEST_KSTATUS`
//! the programs in local/cyclonus, local/istio and local/kstatus, `TEST_ARGOCD` Argo CD's directory, `TEST_DEFINITIONS` files and
//! directories with the definitions of others' kinds, `TEST_HELM` and `TEST_HELM4` Helm 3 and 4, `TEST_KUBECTL` kubectl,
//! `TEST_AUDIT_LOG` the API server's audit log. Each test has a namespace and an operator of its own, so that they run in any
//! order and side by side.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where something is amiss")]

mod admission;
mod argocd;
mod broker;
mod calls;
mod cancellation_tokens;
mod chart;
mod chart_monitoring;
mod children;
mod claims;
mod conditions;
mod definitions;
mod delays;
mod deletion;
mod disturbed;
mod documentation;
mod door;
mod examples;
mod explain;
mod foreign;
mod helm;
mod installation;
mod interference;
mod kafka;
mod kafka_security;
mod kstatus;
mod kubelet;
mod life;
mod lifecycle;
mod mesh;
mod migrations;
mod network_policies;
mod news;
mod panics;
mod paths;
mod platform_chart;
mod replicas;
mod rights;
mod rollouts;
mod scaling;
mod silence;
mod state;
mod strimzi;
mod topics;
mod topics_of_others;
mod undecodable;
mod walk;
mod ways_in;
mod world;
