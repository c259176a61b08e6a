//! The kitchen's tables in SQL.
//!
//! Rows are locked in one order, menus before cooks, so that no two transactions can wait for each other. Times are
//! given by the caller, in microseconds, as PostgreSQL keeps them: an event says exactly what a later read says.

pub(crate) mod cooks;
pub(crate) mod menus;
