//! The invariants of the platform (I1 to I6 in the domain's contract), checked on a platform that has come to rest.
//!
//! [`check`] is pure: it looks at a [`World`], which [`read`] fills from the owners' own APIs once [`Quiet`] says that
//! nothing is under way any more.

mod check;
mod effects;
mod page;
mod quiet;
mod read;
mod report;
#[cfg(test)]
mod tests;
mod world;

pub use check::check;
pub use quiet::{Quiet, reads};
pub use read::{Owners, dead_letters, list, read};
pub use report::{Finding, Invariant, Report};
pub use world::{Acceptance, Kind, Menu, Movement, Page, Restock, Told, World};
