//! Which version a program says it is.

/// What the program was built from: the version that `cargo xtask images` and `cargo xtask release` read from git and hand to
/// the compiler in `FOODPLATFORM_VERSION`, and in other builds the package's own.
///
/// For the crates of programs alone, and not for libraries: whatever asks is compiled again at each commit.
#[macro_export]
macro_rules! version {
    () => {
        match option_env!("FOODPLATFORM_VERSION") {
            Some(version) => version,
            None => env!("CARGO_PKG_VERSION"),
        }
    };
}
