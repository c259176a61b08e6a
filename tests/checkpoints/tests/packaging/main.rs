//! How the operator and its platforms come onto a cluster, and change there, while people order: by Helm, and by Argo CD from a
//! git repository. On the cluster that the environment names: `cargo xtask test cluster`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod application;
mod argo_cd;
mod by_git;
mod by_helm;
mod repository;
