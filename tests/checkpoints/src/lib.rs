//! The operational checkpoints of a platform, each shown on a real cluster under a bounded load through the gateway.
//!
//! A checkpoint does something to the platform, watches what comes of it, and fails unless exactly that was seen: what it
//! can't see it does not pass. `cargo xtask checkpoints` runs them one after the other on the cluster of `cargo xtask up`,
//! and writes a page with plots and with what kubectl shows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a checkpoint fails")]

mod checks;
mod load;
mod meanwhile;
mod node;
pub mod report;
mod run;
mod siege;
mod stage;
mod timeline;

pub use checks::{ALL, Checkpoint};
pub use load::{EVERYTHING, Load, PAGES, Rate, Traffic};
pub use run::{Missed, Outcome, Row, prepared, run};
pub use stage::{Length, Shown, Stage};
pub use timeline::Timeline;
