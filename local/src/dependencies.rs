//! What programs of the workspace are made from, as cargo resolves it: the packages that are compiled into them, or that build
//! what is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{exec, repository};

/// A package, of the workspace or of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, an SPDX expression, if it says one.
    pub license: Option<String>,
    /// Who wrote it, as far as it says.
    pub authors: Vec<String>,
    /// Where its sources are kept, if it says so.
    pub repository: Option<String>,
    /// Where they lie on this machine.
    pub directory: PathBuf,
    /// Whether it is a package of the workspace.
    pub is_ours: bool,
}

/// What names a package: there may be several versions of one name.
type Id = (String, String);

/// What programs that are built together for one target are made from.
#[derive(Debug)]
pub struct Dependencies {
    packages: BTreeMap<Id, Package>,
    needs: BTreeMap<Id, BTreeSet<Id>>,
}

impl Dependencies {
    /// Asks cargo what these `packages` of the workspace are made from when they are built together for `target`. Macros are
    /// left out, which leave nothing of their own in a program.
    ///
    /// # Errors
    /// When cargo fails, with its own words.
    pub fn read(packages: &[&str], target: &str) -> Result<Self> {
        let mut tree = Command::new("cargo");
        tree.args(["tree", "--quiet", "--locked", "--target", target, "--edges", "normal,build,no-proc-macro"]);
        tree.args(["--prefix", "depth", "--format", "\t{p}"]).current_dir(repository());
        tree.args(packages.iter().flat_map(|package| ["--package", package]));
        let needs = edges(&exec::run(&mut tree)?)?;
        let mut metadata = Command::new("cargo");
        metadata.args(["metadata", "--quiet", "--locked", "--format-version", "1", "--filter-platform", target]);
        let metadata = exec::run(metadata.current_dir(repository()))?;
        let mut packages = self::packages(&serde_json::from_str(&metadata).context("cargo metadata is not JSON")?)?;
        packages.retain(|id, _| needs.contains_key(id));
        Ok(Self { packages, needs })
    }

    /// The package of that name, which is one of the workspace.
    ///
    /// # Errors
    /// When it is none of those that were asked for.
    pub fn root(&self, name: &str) -> Result<&Package> {
        let found = self.packages.values().find(|package| package.is_ours && package.name == name);
        found.with_context(|| format!("cargo doesn't know a package {name} of the workspace"))
    }

    /// Packages and all that they are made from, in the order of their names.
    pub fn all_of(&self, roots: &[&Package]) -> Vec<&Package> {
        let mut found = BTreeSet::new();
        let mut open: Vec<_> = roots.iter().map(|root| id(root)).collect();
        while let Some(id) = open.pop() {
            if found.insert(id.clone()) {
                open.extend(self.needs.get(&id).into_iter().flatten().cloned());
            }
        }
        found.iter().filter_map(|id| self.packages.get(id)).collect()
    }

    /// What the package itself names as its dependencies.
    pub fn needed_by(&self, package: &Package) -> impl Iterator<Item = &Package> {
        let needs = self.needs.get(&id(package)).into_iter().flatten();
        needs.filter_map(|id| self.packages.get(id))
    }
}

fn id(package: &Package) -> Id {
    (package.name.clone(), package.version.clone())
}

/// Which package needs which, from lines of cargo tree: how deep, a tab, NAME vVERSION and more. What a package needs comes below
/// it where it comes first, and not again.
fn edges(tree: &str) -> Result<BTreeMap<Id, BTreeSet<Id>>> {
    let mut needs: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
    let mut above: Vec<Id> = vec![];
    for line in tree.lines().filter(|line| !line.trim().is_empty()) {
        let parsed = line.split_once('\t').and_then(|(depth, package)| {
            let mut words = package.split_whitespace();
            let id = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
            Some((depth.parse::<usize>().ok()?, id))
        });
        let (depth, id) = parsed.with_context(|| format!("a line of cargo tree can't be read: {line:?}"))?;
        if depth > above.len() {
            bail!("a line of cargo tree is deeper than what is above it: {line:?}");
        }
        above.truncate(depth);
        if let Some(parent) = above.last() {
            needs.entry(parent.clone()).or_default().insert(id.clone());
        }
        needs.entry(id.clone()).or_default();
        above.push(id);
    }
    Ok(needs)
}

fn packages(metadata: &Value) -> Result<BTreeMap<Id, Package>> {
    let list = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let read = |package: &Value| {
        let manifest = text(&package["manifest_path"])?;
        Some(Package {
            name: text(&package["name"])?,
            version: text(&package["version"])?,
            license: text(&package["license"]),
            authors: package["authors"].as_array()?.iter().filter_map(text).collect(),
            repository: text(&package["repository"]),
            directory: Path::new(&manifest).parent()?.to_owned(),
            is_ours: package["source"].is_null(),
        })
    };
    let packages = list.iter().map(|package| {
        let package = read(package).with_context(|| format!("cargo metadata tells too little of {}", package["id"]))?;
        Ok((id(&package), package))
    });
    packages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ids: &BTreeSet<Id>) -> Vec<String> {
        ids.iter().map(|(name, version)| format!("{name} {version}")).collect()
    }

    #[test]
    fn a_package_needs_what_is_below_it_wherever_else_it_comes() {
        let tree = "0\ta v1.0.0 (/src/a)\n1\tb v2.0.0\n2\tc v0.1.0+x\n1\tc v0.1.0+x (*)\n\n0\td v1.0.0 (/src/d)\n1\tb v2.0.0 (*)\n";
        let needs = edges(tree).unwrap();
        let of = |name: &str| needs.iter().find(|((own, _), _)| own == name).map(|(_, needs)| names(needs)).unwrap();
        assert_eq!(of("a"), ["b 2.0.0", "c 0.1.0+x"]);
        assert_eq!(of("b"), ["c 0.1.0+x"]);
        assert_eq!(of("c"), Vec::<String>::new());
        assert_eq!(of("d"), ["b 2.0.0"]);
        edges("1\tb v2.0.0").unwrap_err();
        edges("0\tb 2.0.0").unwrap_err();
    }

    #[test]
    fn a_program_is_made_from_its_libraries_and_not_from_the_macros_that_helped() {
        let dependencies = Dependencies::read(&["gateway"], "x86_64-unknown-linux-musl").unwrap();
        let gateway = dependencies.root("gateway").unwrap();
        let all: Vec<_> = dependencies.all_of(&[gateway]).iter().map(|package| package.name.as_str()).collect();
        for name in ["gateway", "chassis", "breaker", "tokio", "rdkafka-sys", "openssl-src"] {
            assert!(all.contains(&name), "{name}");
        }
        for name in ["order", "serde_derive", "insta", "kube"] {
            assert!(!all.contains(&name), "{name}");
        }
        assert!(dependencies.needed_by(gateway).any(|package| package.name == "breaker" && package.is_ours));
        dependencies.root("order").unwrap_err();
    }
}
