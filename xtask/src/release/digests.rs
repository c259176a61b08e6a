//! What tells a file from any other: its SHA-256.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use super::Release;

const FILE: &str = "SHA256SUMS";

/// The digest of a file, in hexadecimal.
pub(super) fn of_file(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The digests of the files that lie in a directory, by their names.
pub(super) fn of_directory(directory: &Path) -> Result<BTreeMap<String, String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    entries
        .map(|entry| {
            let entry = entry?;
            Ok((entry.file_name().to_string_lossy().into_owned(), of_file(&entry.path())?))
        })
        .collect()
}

/// Writes what `sha256sum --check` reads.
pub(super) fn write(release: &Release) -> Result<()> {
    let lines = of_directory(release.directory)?.into_iter().map(|(name, digest)| format!("{digest}  {name}\n"));
    release.write(FILE, lines.collect::<String>())
}
