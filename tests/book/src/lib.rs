//! The documentation as its tests read it. What it shows is tested as it stands there: the tutorial's commands are run, the
//! platforms in its pages are applied, its links lead somewhere. So text and test are one source.

mod check;
mod console;
mod page;

use std::path::{Path, PathBuf};

pub use check::problems;
pub use console::{Step, steps};
pub use page::{Block, Page, page, pages};

/// The project's directory.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The book's own directory: `docs`, with its pages in `src`.
pub fn directory() -> PathBuf {
    repository().join("docs")
}
