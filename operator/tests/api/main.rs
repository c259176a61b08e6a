//! The operator against a real API server, a real Kafka and a real PostgreSQL.
//!
//! `TEST_KUBECONFIG` is a control plane with the controller manager and without nodes, `TEST_KAFKA` the bootstrap servers
//! of a Kafka with one broker, `TEST_DATABASE_URL` a PostgreSQL, `TEST_CYCLONUS` and `TEST_ISTIO` the programs in
//! local/cyclonus and local/istio, `TEST_STRIMZI` the file with its definition of KafkaTopics, `TEST_HELM` Helm,
//! `TEST_KUBECTL` kubectl, `TEST_AUDIT_LOG` the API server's audit log. Each test has a
//! namespace and an operator of its own, so that they run in any order and side by side.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where something is amiss")]

mod admission;
mod broker;
mod calls;
mod cancellation_tokens;
mod children;
mod claims;
mod conditions;
mod delays;
mod deletion;
mod disturbed;
mod documentation;
mod door;
mod explain;
mod foreign;
mod installation;
mod interference;
mod kafka;
mod kafka_security;
mod kubelet;
mod life;
mod lifecycle;
mod mesh;
mod migrations;
mod network_policies;
mod news;
mod panics;
mod paths;
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
