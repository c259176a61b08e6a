//! A program that is to run for long: what it is called by, and as whom it runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::{Uid, User, chown};

/// A program that is to run in the background, wherever that is.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// Names its log file and its place in messages.
    pub(crate) name: String,
    pub(crate) binary: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) account: Option<Account>,
}

impl Program {
    pub(crate) fn new(name: &str, binary: &Path, arguments: impl IntoIterator<Item = String>) -> Self {
        Self {
            name: name.to_owned(),
            binary: binary.to_owned(),
            arguments: arguments.into_iter().collect(),
            account: None,
        }
    }

    pub(crate) fn owned_by(mut self, account: &Account) -> Self {
        self.account = Some(account.clone());
        self
    }

    /// The command line as `/proc/PID/cmdline` shows it once the program runs.
    pub(crate) fn command_line(&self) -> Vec<String> {
        let binary = self.binary.to_string_lossy().into_owned();
        std::iter::once(binary).chain(self.arguments.iter().cloned()).collect()
    }

    /// The command line that starts the program, as its account. `extra` are further options of `setpriv`.
    pub(crate) fn start_line(&self, extra: &[&str]) -> Vec<String> {
        let mut line: Vec<String> = Vec::new();
        let account = self.account.as_ref().filter(|_| Uid::effective().is_root());
        if account.is_some() || !extra.is_empty() {
            line.push("setpriv".to_owned());
            line.extend(extra.iter().map(|option| (*option).to_owned()));
            if let Some(account) = account {
                line.extend(account.setpriv());
            }
        }
        line.extend(self.command_line());
        line
    }
}

/// A user of this machine without rights, for servers that need none.
#[derive(Debug, Clone)]
pub(crate) struct Account(User);

impl Account {
    /// # Errors
    /// When there is no user of that name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        Ok(Self(User::from_name(name)?.with_context(|| format!("this machine has no user {name}"))?))
    }

    /// Makes a directory that belongs to this account alone. Without root it stays the caller's.
    pub(crate) fn own_directory(&self, directory: &Path) -> Result<()> {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        self.own(directory)
    }

    /// Makes this account the owner of a file. Without root it stays the caller's.
    pub(crate) fn own(&self, file: &Path) -> Result<()> {
        if Uid::effective().is_root() {
            chown(file, Some(self.0.uid), Some(self.0.gid))
                .with_context(|| format!("cannot own {}", file.display()))?;
        }
        Ok(())
    }

    /// Options of `setpriv` that turn into this account for good.
    pub(crate) fn setpriv(&self) -> [String; 3] {
        [format!("--reuid={}", self.0.uid), format!("--regid={}", self.0.gid), "--clear-groups".to_owned()]
    }
}
