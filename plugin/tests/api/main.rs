//! The plugin's own binary against a real API server, with the operator at work.
//!
//! The world is that of the operator's tests, see `operator/tests/api/main.rs`: there are no nodes, so that what pods do is
//! made up, and no pod tells its metrics or its log. Those are tested on a whole cluster, see `tests/tests/cluster`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails where something is amiss")]

#[path = "../../../operator/tests/api/calls.rs"]
#[allow(dead_code, reason = "the operator's tests use it")]
mod calls;
mod changes;
mod diff;
mod errors;
#[path = "../../../operator/tests/api/interference.rs"]
#[allow(dead_code, reason = "the operator's tests use it")]
mod interference;
#[path = "../../../operator/tests/api/kstatus.rs"]
mod kstatus;
#[path = "../../../operator/tests/api/kubelet.rs"]
#[allow(dead_code, reason = "the operator's tests use the rest of it")]
mod kubelet;
mod logs;
#[path = "../../../operator/tests/api/news.rs"]
#[allow(dead_code, reason = "the operator's tests use it")]
mod news;
#[path = "../../../operator/tests/api/panics.rs"]
mod panics;
mod plugin;
mod status;
#[path = "../../../operator/tests/api/world.rs"]
#[allow(dead_code, reason = "the operator's tests use the rest of it")]
mod world;
