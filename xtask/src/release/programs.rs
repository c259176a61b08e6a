//! Programs as archives, with what goes with them.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use anyhow::{Context, Result};
use local::{Architecture, Compression, Dependencies, run, tar, write_licenses};

use super::Release;

/// The plugin.
pub(super) const PLUGIN: Program = Program { package: "kubectl-foodplatform", binary: "kubectl-foodplatform" };

/// A program, and the package of the workspace that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) package: &'static str,
    pub(super) binary: &'static str,
}

/// Programs that come in one archive, and are built together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    /// What the archive's name begins with.
    pub(super) name: &'static str,
    pub(super) programs: &'static [Program],
    /// What shells read to complete a command line, by the file and by what prints it.
    completions: &'static [(&'static str, &'static str)],
}

/// All that there are.
pub(super) const SETS: [Set; 2] = [
    Set {
        name: "foodplatform",
        programs: &[
            Program { package: "foodplatform-operator", binary: "operator" },
            Program { package: "order", binary: "order" },
            Program { package: "cook", binary: "cook" },
            Program { package: "delivery", binary: "delivery" },
            Program { package: "mypage", binary: "mypage" },
            Program { package: "gateway", binary: "gateway" },
        ],
        completions: &[],
    },
    Set {
        name: PLUGIN.binary,
        programs: &[PLUGIN],
        completions: &[
            ("kubectl_complete-foodplatform", "kubectl"),
            ("completions/kubectl-foodplatform.bash", "bash"),
            ("completions/_kubectl-foodplatform", "zsh"),
            ("completions/kubectl-foodplatform.fish", "fish"),
        ],
    },
];

impl Set {
    /// The packages of its programs.
    pub(super) fn packages(&self) -> Vec<&'static str> {
        self.programs.iter().map(|program| program.package).collect()
    }
}

/// What files are called that are about a thing of the version for an architecture.
pub(super) fn stem(name: &str, release: &Release, architecture: Architecture) -> String {
    format!("{name}-{}-linux-{}", release.source.version, architecture.name())
}

/// Where what shells read comes from: the plugin itself, as this machine runs it.
pub(super) struct Completions<'a>(pub(super) &'a Path);

impl Completions<'_> {
    fn write(&self, set: &Set, directory: &Path) -> Result<()> {
        for (name, kind) in set.completions {
            let text = run(Command::new(self.0).args(["completion", kind]))?;
            let file = directory.join(name);
            write(&file, &text)?;
            // What is there for kubectl is a program, too.
            if *kind == "kubectl" {
                fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
            }
        }
        Ok(())
    }
}

/// Packs a set's programs, which are in `built`, with licences and completions. Returns the archive's name.
pub(super) fn pack(
    release: &Release,
    set: &Set,
    architecture: Architecture,
    built: &Path,
    dependencies: &Dependencies,
    completions: &Completions,
) -> Result<String> {
    let stem = stem(set.name, release, architecture);
    let work = tempfile::tempdir()?;
    let directory = work.path().join(&stem);
    write_licenses(dependencies, &set.packages(), &directory)?;
    for program in set.programs {
        let (from, to) = (built.join(program.binary), directory.join(program.binary));
        fs::copy(&from, &to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    }
    completions.write(set, &directory)?;
    let name = format!("{stem}.tar.gz");
    tar(work.path(), &release.file(&name), Compression::Gzip, release.commit.time)?;
    Ok(name)
}

fn write(file: &Path, text: &str) -> Result<()> {
    let directory = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use local::{Commit, Source};

    use super::*;
    use crate::release::digests;

    #[test]
    fn an_archive_has_programs_and_licences_in_one_folder_and_the_same_ones_make_the_same() {
        const PROGRAMS: [Program; 1] = [Program { package: "gateway", binary: "gateway" }];
        let set = Set { name: "shop", programs: &PROGRAMS, completions: &[] };
        let commit = Commit { revision: String::new(), time: 1_000_000_000, tag: None, dirty: false, url: None };
        let source = Source { version: "1.2.3".to_owned(), commit: Some(commit.clone()) };
        let dependencies = Dependencies::read(&set.packages(), Architecture::Arm64.target()).unwrap();
        let made = || {
            let (built, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            fs::copy("/bin/true", built.path().join("gateway")).unwrap();
            let release = Release { source: &source, commit: &commit, directory: out.path() };
            let completions = Completions(Path::new("none"));
            let name = pack(&release, &set, Architecture::Arm64, built.path(), &dependencies, &completions).unwrap();
            digests::write(&release).unwrap();
            run(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(out.path())).unwrap();
            let list = run(Command::new("tar").arg("--list").arg("--file").arg(out.path().join(&name))).unwrap();
            (name, list, fs::read_to_string(out.path().join("SHA256SUMS")).unwrap())
        };
        let (name, list, sums) = made();
        assert_eq!(name, "shop-1.2.3-linux-arm64.tar.gz");
        for file in ["gateway", "LICENSE", "THIRD-PARTY-LICENSES.txt"] {
            assert!(list.lines().any(|line| line == format!("shop-1.2.3-linux-arm64/{file}")), "{list}");
        }
        assert_eq!(made().2, sums);
    }
}
