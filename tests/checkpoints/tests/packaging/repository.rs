//! A git repository that Argo CD reads, and somebody who commits to it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A work tree whose commits go to a bare repository.
pub(crate) struct Repository {
    work: PathBuf,
}

impl Repository {
    /// Makes the bare repository `name` in a directory, and a work tree of it in another.
    pub(crate) fn new(bare: &Path, work: &Path, name: &str) -> Self {
        let (origin, work) = (bare.join(name), work.join(name));
        fs::create_dir_all(&origin).unwrap();
        fs::create_dir_all(&work).unwrap();
        git(&origin, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(&work, &["remote", "add", "origin", &origin.display().to_string()]);
        Self { work }
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.work.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Copies a directory into it.
    pub(crate) fn copy(&self, directory: &Path, path: &str) {
        let done = Command::new("cp").arg("-R").arg(directory).arg(self.work.join(path)).status().unwrap();
        assert!(done.success(), "copying {}: {done}", directory.display());
    }

    /// Commits whatever was written, pushes it, and gives the commit's name.
    pub(crate) fn commit(&self, message: &str) -> String {
        git(&self.work, &["add", "--all"]);
        git(&self.work, &["commit", "--quiet", "--message", message]);
        self.push()
    }

    /// `git revert` of the last commit, pushed likewise.
    pub(crate) fn revert(&self) -> String {
        git(&self.work, &["revert", "--no-edit", "HEAD"]);
        self.push()
    }

    fn push(&self) -> String {
        git(&self.work, &["push", "--quiet", "origin", "main"]);
        git(&self.work, &["rev-parse", "HEAD"]).trim().to_owned()
    }
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=tests", "-c", "user.email=tests@example.com"]).args(arguments);
    // Whoever runs this may have settings of their own.
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null").current_dir(directory);
    let done = command.output().unwrap();
    assert!(done.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
