//! What could come next on the command line: for shells, and for kubectl, which asks plugins by a program of their own.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, FromArgMatches as _, ValueEnum};
use clap_complete::{
    CompleteEnv, CompletionCandidate,
    engine::complete,
    env::{Bash, EnvCompleter, Fish, Shells, Zsh},
};
use foodplatform_operator::api::{FoodPlatform, FoodService};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Resource, api::ListParams};
use serde::de::DeserializeOwned;

use crate::{
    cli::{Arguments, Connection},
    cluster::Cluster,
};

/// By this variable whoever asks says who it is.
const VARIABLE: &str = "FOODPLATFORM_COMPLETE";
/// This program, as it is called without kubectl.
const PROGRAM: &str = "kubectl-foodplatform";
/// How long a person who has pressed a key waits for a cluster.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many names a person looks through.
const NAMES: u32 = 200;

const SHELLS: Shells<'_> = Shells(&[&Kubectl, &Bash, &Zsh, &Fish]);

/// Who may ask.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Asker {
    /// kubectl itself, whatever the shell: the program kubectl_complete-foodplatform
    Kubectl,
    /// bash, where this program is called without kubectl
    Bash,
    /// zsh, likewise
    Zsh,
    /// fish, likewise
    Fish,
}

/// Where somebody asks what could come next, says so and ends the process.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).shells(SHELLS).complete();
}

/// Prints what makes somebody ask.
pub(crate) fn run(asker: Asker) -> Result<ExitCode> {
    let name = asker.to_possible_value().context("an asker has no name")?;
    let shell = SHELLS.completer(name.get_name()).context("an asker is not among those that are answered")?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// As kubectl asks: it takes an answer of the form that its own commands give, of Cobra.
struct Kubectl;

impl EnvCompleter for Kubectl {
    fn name(&self) -> &'static str {
        "kubectl"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(&self, var: &str, _: &str, _: &str, completer: &str, to: &mut dyn Write) -> io::Result<()> {
        writeln!(to, "#!/bin/sh")?;
        writeln!(to, "# kubectl runs this, from PATH, to complete `kubectl foodplatform`.")?;
        writeln!(to, "{var}=kubectl exec {completer} -- {completer} \"$@\"")
    }

    /// A line for each: what could come, a tab, and what it is. Then what the shell is to do with them.
    fn write_complete(
        &self,
        command: &mut clap::Command,
        line: Vec<OsString>,
        directory: Option<&Path>,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        const NO_FILES: u8 = 4;
        let last = line.len().saturating_sub(1);
        let begun = line.get(last).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
        for candidate in complete(command, line, last, directory)? {
            let value = candidate.get_value().to_string_lossy();
            // As kubectl has it: options once one has begun.
            if candidate.is_hide_set() || (value.starts_with('-') && !begun.starts_with('-')) {
                continue;
            }
            let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
            writeln!(to, "{value}\t{}", help.lines().next().unwrap_or_default())?;
        }
        writeln!(to, ":{NO_FILES}")
    }
}

/// The services.
pub(crate) fn services() -> Vec<CompletionCandidate> {
    FoodService::ALL.into_iter().map(|service| CompletionCandidate::new(service.as_str())).collect()
}

/// The platforms of the namespace that the line is about.
pub(crate) fn platforms(begun: &OsStr) -> Vec<CompletionCandidate> {
    names(begun, |cluster| cluster.api::<FoodPlatform>())
}

/// The cluster's namespaces.
pub(crate) fn namespaces(begun: &OsStr) -> Vec<CompletionCandidate> {
    names(begun, |cluster| Api::<Namespace>::all(cluster.client.clone()))
}

/// The names that the cluster knows. Where it doesn't answer there are none: nobody could be told why.
fn names<K>(begun: &OsStr, api: impl FnOnce(&Cluster) -> Api<K>) -> Vec<CompletionCandidate>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned,
{
    let line = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let asked = async {
        let cluster = Cluster::connect(&connection(line)?).await?;
        Ok::<_, anyhow::Error>(api(&cluster).list_metadata(&ListParams::default().limit(NAMES)).await?)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime
        .ok()
        .and_then(|runtime| runtime.block_on(async { tokio::time::timeout(PATIENCE, asked).await }).ok()?.ok());
    let names = answer.into_iter().flatten().filter_map(|object| object.metadata.name);
    let begun = begun.to_string_lossy();
    names.filter(|name| name.starts_with(&*begun)).map(CompletionCandidate::new).collect()
}

/// Which cluster and namespace a line is about that isn't whole yet.
fn connection(line: impl Iterator<Item = OsString>) -> Result<Connection> {
    let matches = Arguments::command().ignore_errors(true).try_get_matches_from(line)?;
    // They may stand before the command or behind it.
    let matches = matches.subcommand().map_or(&matches, |(_, matches)| matches);
    Ok(Connection::from_arg_matches(matches)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What kubectl is told when a person has typed that much.
    fn told(words: &[&str]) -> String {
        let line = [&[PROGRAM], words].concat().into_iter().map(OsString::from).collect();
        let mut answer = Vec::new();
        Kubectl.write_complete(&mut Arguments::command(), line, None, &mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    #[test]
    fn kubectl_is_told_commands_options_and_services_in_its_own_form() {
        let commands = told(&[""]);
        assert!(commands.starts_with("status\tShow how a platform stands"), "{commands}");
        assert!(commands.ends_with("\n:4\n") && !commands.contains("--"), "{commands}");
        assert_eq!(told(&["roll"]), "rollback\tSet services back to the images that were last ready\n:4\n");
        assert!(told(&["rollback", "shop", "--dr"]).starts_with("--dry-run\tOnly say what would be done\n"));
        assert_eq!(told(&["logs", "shop", "c"]), "cook\t\n:4\n");
        assert_eq!(told(&["status", "shop", "-o", ""]), "json\t\n:4\n");
    }

    #[test]
    fn names_come_from_the_cluster_that_the_line_is_about() {
        let of = |words: &[&str]| connection(words.iter().map(OsString::from)).unwrap();
        let whole = of(&[PROGRAM, "logs", "--context", "c", "-n", "food", ""]);
        assert_eq!((whole.namespace.as_deref(), whole.context.as_deref()), (Some("food"), Some("c")));
        assert_eq!(of(&[PROGRAM, "--namespace=food", "status", ""]).namespace.as_deref(), Some("food"));
        assert_eq!(of(&[PROGRAM, "rollback", ""]).namespace, None);
    }

    #[test]
    fn every_asker_gets_a_script_that_asks_this_program() {
        for asker in Asker::value_variants() {
            let name = asker.to_possible_value().unwrap();
            let shell = SHELLS.completer(name.get_name()).unwrap();
            let mut script = Vec::new();
            shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains(VARIABLE) && script.contains(PROGRAM), "{script}");
        }
    }
}
