//! That the project's own files agree with each other.

use std::{collections::BTreeSet, fs, process::Command};

use local::{repository, run};

fn read(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap()
}

/// What stands between quotation marks behind `name = `, the first time.
fn setting<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\n{name} = \"")).unwrap();
    rest.split_once('"').unwrap().0
}

#[test]
fn the_oldest_compiler_that_is_promised_is_the_one_that_everything_is_tested_with() {
    let (manifest, toolchain) = (read("Cargo.toml"), read("rust-toolchain.toml"));
    let (promised, used) = (setting(&manifest, "rust-version"), setting(&toolchain, "channel"));
    assert!(used == promised || used.strip_prefix(promised).is_some_and(|rest| rest.starts_with('.')), "{used}");
}

#[test]
fn every_folder_and_every_package_is_on_the_map_of_contributing_and_nothing_else_is() {
    let text = read("CONTRIBUTING.md");
    let (_, map) = text.split_once("\n## The map\n").unwrap();
    let map = map.split("\n## ").next().unwrap();
    let named: BTreeSet<_> = map
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(path, _)| path.trim_end_matches('/').to_owned())
        .collect();
    let files = run(Command::new("git").args(["ls-files"]).current_dir(repository())).unwrap();
    let folders = files.lines().filter_map(|file| Some(file.split_once('/')?.0.to_owned()));
    let manifest = read("Cargo.toml");
    let (members, _) = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap();
    let members = members.split('"').skip(1).step_by(2).map(str::to_owned);
    let expected: BTreeSet<_> = folders.chain(members).collect();
    assert_eq!(named, expected);
}

#[test]
fn the_licence_that_every_package_names_is_the_one_that_is_here() {
    assert_eq!(setting(&read("Cargo.toml"), "license"), "Apache-2.0");
    assert!(read("LICENSE").contains("Apache License\n                           Version 2.0, January 2004"));
}
