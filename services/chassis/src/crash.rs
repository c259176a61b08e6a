//! Where tests let a process die: between the steps whose effects must not be lost or doubled.
//!
//! With the feature `fail-points` the variable `FAILPOINTS` names the point and says when, as the crate `fail` reads it:
//! `commit.after=2*off->return` is the third commit. Without the feature there is nothing here.

/// Ends the process as SIGKILL would, if a test has asked for it at this point.
#[inline]
#[cfg_attr(not(feature = "fail-points"), expect(unused_variables, reason = "the points are not compiled in"))]
pub fn point(name: &str) {
    fail::fail_point!(name, |_| std::process::abort());
}

/// Reads `FAILPOINTS`. The points are armed until the value is dropped.
#[cfg(feature = "fail-points")]
pub(crate) fn arm() -> fail::FailScenario<'static> {
    fail::FailScenario::setup()
}
