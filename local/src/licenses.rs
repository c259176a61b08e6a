//! The licences of others' code in our programs: these are static, and whoever gets one has to get the licences with it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::dependencies::{Dependencies, Package};

/// What the names of files with licences begin with, in small letters.
const BEGINNINGS: [&str; 7] = ["license", "licence", "copying", "copyright", "notice", "unlicense", "patents"];
/// What such names end in when they are programs that have to do with licences.
const PROGRAMS: [&str; 6] = ["rs", "pm", "py", "go", "c", "h"];

/// What every static program has in it beside packages.
const RUNTIME: &str = include_str!("licenses/runtime.txt");
const APACHE: &str = include_str!("../../LICENSE");
/// For packages that say that they have this licence and bring no file with it. Who wrote them comes in front.
const MIT: &str = include_str!("licenses/mit.txt");

const RULE: &str = "--------------------------------------------------------------------------------";

/// Our licence, which goes with every copy.
const OURS: &str = "LICENSE";
/// The licences of others' code, likewise.
const OTHERS: &str = "THIRD-PARTY-LICENSES.txt";

/// Writes the licences that have to go with the programs of `packages` into a directory: ours, and those of others.
///
/// # Errors
/// When a package comes without one, or a file can't be written.
pub fn write_licenses(dependencies: &Dependencies, packages: &[&str], directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let others = third_party_licenses(dependencies, packages)?;
    for (name, text) in [(OURS, APACHE), (OTHERS, &others)] {
        let file = directory.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The licences of all that our `packages` are made from and that isn't ours, each text once, below whom it is of.
fn third_party_licenses(dependencies: &Dependencies, packages: &[&str]) -> Result<String> {
    let roots = packages.iter().map(|name| dependencies.root(name)).collect::<Result<Vec<_>>>()?;
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in dependencies.all_of(&roots).into_iter().filter(|package| !package.is_ours) {
        for (file, text) in of_package(package)? {
            texts.entry(text).or_default().push(format!("{} {}: {file}", package.name, package.version));
        }
    }
    let mut texts: Vec<_> = texts.into_iter().collect();
    // By whom it is of first: a text of one package comes where one looks for it.
    texts.sort_by(|(_, a), (_, b)| a.cmp(b));
    let names = packages.join(", ");
    let mut all = format!("There is code of others in {names}, under these licences.\n\n{RULE}\n{RUNTIME}");
    for (text, owners) in texts {
        all += &format!("\n{RULE}\n{}\n\n{}\n", owners.join("\n"), text);
    }
    Ok(all)
}

/// The licences of a package, by where they come from.
fn of_package(package: &Package) -> Result<Vec<(String, String)>> {
    let mut files = vec![];
    find(&package.directory, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Ok(vec![(package.license.clone().unwrap_or_default(), stated(package)?)]);
    }
    let read = |path: PathBuf| {
        let text = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(&package.directory).unwrap_or(&path).display().to_string();
        let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
        Ok((name, text.trim_matches('\n').trim_end().to_owned()))
    };
    files.into_iter().map(read).collect()
}

/// Also those of C libraries that a package brings along, which lie deeper in it.
fn find(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            find(&path, found)?;
        } else if kind.is_file() && is_license(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_license(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let is_program = path.extension().is_some_and(|end| PROGRAMS.iter().any(|program| end == *program));
    // As REUSE has it: a folder with a file for each.
    let is_among_others = path.parent().is_some_and(|parent| parent.ends_with("LICENSES"));
    (is_among_others || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))) && !is_program
}

/// The text of the licence that a package without any file says it has.
fn stated(package: &Package) -> Result<String> {
    let expression = package.license.as_deref().unwrap_or_default();
    let offered: Vec<_> = expression.split(" OR ").map(str::trim).collect();
    if offered.contains(&"Apache-2.0") {
        return Ok(APACHE.trim_matches('\n').to_owned());
    }
    if offered.contains(&"MIT") {
        return Ok(format!("Copyright (c) {}\n\n{}", package.authors.join(", "), MIT.trim_end()));
    }
    bail!(
        "{} {} brings no file with its licence, which it says is {expression:?}: add the text to local/src/licenses.rs",
        package.name,
        package.version
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(directory: &Path, license: &str) -> Package {
        Package {
            name: "thing".to_owned(),
            version: "1.0.0".to_owned(),
            license: Some(license.to_owned()),
            authors: vec!["A Person".to_owned()],
            repository: None,
            directory: directory.to_owned(),
            is_ours: false,
        }
    }

    #[test]
    fn a_packages_licences_are_its_files_and_those_of_what_it_brings_along() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("LICENSE-MIT", "one\r\n");
        write("src/license.rs", "no");
        write("lib/COPYING", "\ntwo\n");
        write("LICENSES/MIT.txt", "three");
        write("README.md", "no");
        let found = of_package(&package(directory.path(), "MIT")).unwrap();
        let expected = [("LICENSE-MIT", "one"), ("LICENSES/MIT.txt", "three"), ("lib/COPYING", "two")];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_package_without_a_file_has_the_licence_that_it_states_or_none_can_be_given_on() {
        let directory = tempfile::tempdir().unwrap();
        let stated = |license: &str| of_package(&package(directory.path(), license)).map(|mut found| found.remove(0).1);
        assert!(stated("MIT OR Apache-2.0").unwrap().contains("Version 2.0, January 2004"));
        let mit = stated("MIT").unwrap();
        assert!(mit.starts_with("Copyright (c) A Person\n") && mit.contains("Permission is hereby granted"), "{mit}");
        assert!(stated("MPL-2.0").unwrap_err().to_string().contains("\"MPL-2.0\""));
    }

    #[test]
    fn every_program_gives_on_the_licences_of_the_c_libraries_in_it() {
        let dependencies = Dependencies::read(&["gateway"], "x86_64-unknown-linux-musl").unwrap();
        let text = third_party_licenses(&dependencies, &["gateway"]).unwrap();
        for part in ["librdkafka - Apache Kafka C driver library", "openssl/LICENSE.txt", "musl as a whole", "tokio "] {
            assert!(text.contains(part), "{part}");
        }
        // Many packages have the same text.
        assert!(
            text.matches("tower-").count() > 2 && text.matches("Copyright (c) 2019 Tower Contributors").count() == 1
        );
        assert!(!text.contains("chassis"));
    }
}
