//! What can be asked for.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::{ArgValueCandidates, ArgValueCompleter};
use foodplatform_operator::api::FoodService;
use jiff::SignedDuration;

use crate::completion::{self, Asker};

/// Look after food-delivery platforms
///
/// A FoodPlatform is one resource from which the operator makes five services (order, cook, delivery, mypage, gateway)
/// with their autoscalers, log volumes and Kafka topics. These commands show how it stands and change what people
/// change most; everything else is `kubectl edit foodplatform` or your git repository.
#[derive(Debug, Parser)]
#[command(name = "kubectl foodplatform", bin_name = "kubectl foodplatform", version = version::version!(), arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which cluster, and where in it: as kubectl has it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Connection {
    /// The platform's namespace [default: that of the context]
    #[arg(short, long, global = true, add = ArgValueCompleter::new(completion::namespaces))]
    pub(crate) namespace: Option<String>,
    /// The context of the kubeconfig to use [default: its current one]
    #[arg(long, global = true)]
    pub(crate) context: Option<String>,
    /// The kubeconfig to use [default: $KUBECONFIG, or ~/.kube/config]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how a platform stands: conditions, services, pods, volumes, topics, consumer lag
    ///
    /// The tree shows what the operator says in the resource's status, and beside it what only the pods can tell: their
    /// state, what is wrong with them, and how many Kafka messages each service has still to read (its lag). The lag is
    /// read from the pods' metrics by way of the API server, which takes the right to get pods/proxy, and that the
    /// platform's NetworkPolicies let the API server in (networkPolicy.metricsFrom); without these the rest is shown.
    ///
    /// Ends with 0 when the platform is Ready, 1 when it is not (or the operator has not seen its newest spec yet), and
    /// 2 when it can't be told.
    #[command(after_help = "Examples:
  kubectl foodplatform status quickstart -n food
  kubectl foodplatform status quickstart -n food -o json | jq '.services[] | {name, lag}'
  until kubectl foodplatform status quickstart -n food >/dev/null; do sleep 1; done")]
    Status(Status),
    /// Show what the operator of this plugin's version would change in the cluster, without changing it
    ///
    /// Use it before an upgrade of the operator, with the plugin of the new version; or on a paused platform, to see
    /// what `resume` would bring about. Every object that the platform is made of is built as the operator builds it, and
    /// the API server is asked what it would become (a server-side dry run). Kafka topics are not compared.
    ///
    /// It needs the rights to read those objects and, where something differs, to patch them. Where the Secret with the
    /// database's URL can't be read, what the pods were started with is taken for it.
    ///
    /// Ends with 0 when nothing would be changed, 1 when something would be, and 2 when it can't be told: as kubectl diff
    /// does.
    ///
    /// With -o json it is an object with namespace, name, changes and notes (sentences that otherwise go to standard error).
    /// Each change has action (create, update or delete), kind, name, and the object before and after, as far as there is
    /// one. These names stay.
    #[command(after_help = "Examples:
  kubectl foodplatform diff quickstart -n food
  kubectl foodplatform diff quickstart -n food -o json | jq -r '.changes[] | [.action, .kind, .name] | @tsv'")]
    Diff(Diff),
    /// Have the operator leave a platform as it is (spec.paused)
    ///
    /// Until `resume` nothing of it is created, changed, healed or deleted; it runs on. Where the resource is kept in
    /// git, set spec.paused there instead, or it is undone.
    ///
    /// `status` shows that it is paused, and `diff` what the operator would do if it weren't.
    #[command(after_help = "Examples:
  kubectl foodplatform pause quickstart -n food
  kubectl wait fp/quickstart -n food --for=condition=Paused     # the operator has seen it")]
    Pause {
        /// The platform
        #[arg(add = ArgValueCompleter::new(completion::platforms))]
        name: String,
    },
    /// Have the operator look after a paused platform again
    ///
    /// What has changed in the spec meanwhile is brought about then: `diff` shows it beforehand.
    #[command(after_help = "Examples:
  kubectl foodplatform diff quickstart -n food       # what will change
  kubectl foodplatform resume quickstart -n food
  kubectl wait fp/quickstart -n food --for=condition=Ready --timeout=5m")]
    Resume {
        /// The platform
        #[arg(add = ArgValueCompleter::new(completion::platforms))]
        name: String,
    },
    /// Set services back to the images that were last ready
    ///
    /// The operator notes in the status, for each service, the last image with which all of its pods were ready. Where
    /// the spec asks for another one now, spec.services.SERVICE.image is set to it. To go forward again, remove that
    /// field, or set another image. Database migrations only ever add, so that older images work with newer schemas.
    ///
    /// With -o json it is an object with namespace, name, dryRun, changes and notes (sentences that otherwise go to standard
    /// error). Each change has service, from and to, which are images. These names stay.
    #[command(after_help = "Examples:
  kubectl foodplatform rollback quickstart --dry-run
  kubectl foodplatform rollback quickstart --dry-run -o json | jq '.changes | length'
  kubectl foodplatform rollback quickstart --service cook
  kubectl foodplatform rollback quickstart --to-tag 1.4.0
  kubectl foodplatform rollback quickstart --service cook --to ghcr.io/example/cook:1.4.0")]
    Rollback(Rollback),
    /// Show the logs of a platform's pods, merged
    ///
    /// Lines of all pods come in the order of their times, each with its service and pod in front. The services log JSON,
    /// which is shown as time, level, message and fields.
    #[command(after_help = "Examples:
  kubectl foodplatform logs quickstart --since 10m
  kubectl foodplatform logs quickstart order -f --tail 20
  kubectl foodplatform logs quickstart --raw | jq 'select(.level == \"ERROR\")'")]
    Logs(Logs),
    /// Print what completes command lines
    ///
    /// kubectl completes `kubectl foodplatform` itself, in a shell that completes kubectl (`kubectl completion --help`), with a
    /// program of the name kubectl_complete-foodplatform on PATH. The rest is for those who call kubectl-foodplatform.
    ///
    /// Names of platforms and namespaces come from the cluster, within two seconds or not at all.
    #[command(after_help = "Examples:
  kubectl foodplatform completion kubectl | sudo install /dev/stdin /usr/local/bin/kubectl_complete-foodplatform
  source <(kubectl-foodplatform completion bash)")]
    Completion {
        /// Who completes
        asker: Asker,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The platform
    #[arg(add = ArgValueCompleter::new(completion::platforms))]
    pub(crate) name: String,
    /// Print it for machines instead
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The platform
    #[arg(add = ArgValueCompleter::new(completion::platforms))]
    pub(crate) name: String,
    /// Print it for machines instead
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Output {
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The platform
    #[arg(add = ArgValueCompleter::new(completion::platforms))]
    pub(crate) name: String,
    /// Only this service [default: all of them]
    #[arg(long, value_parser = service, add = ArgValueCandidates::new(completion::services))]
    pub(crate) service: Option<FoodService>,
    /// To this tag of spec.image.registry, instead of what was last ready
    #[arg(long, value_name = "TAG", conflicts_with = "to")]
    pub(crate) to_tag: Option<String>,
    /// To this image, instead of what was last ready; for one service
    #[arg(long, value_name = "IMAGE", requires = "service")]
    pub(crate) to: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print it for machines instead
    #[arg(short, long, value_enum, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The platform
    #[arg(add = ArgValueCompleter::new(completion::platforms))]
    pub(crate) name: String,
    /// Only this service [default: all of them]
    #[arg(value_parser = service, add = ArgValueCandidates::new(completion::services))]
    pub(crate) service: Option<FoodService>,
    /// Go on with what is logged from now on, also by pods that are yet to come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only lines that are not older than this, such as 30s, 5m or 1h30m
    #[arg(long, value_name = "DURATION", value_parser = since)]
    pub(crate) since: Option<SignedDuration>,
    /// Only this many of the last lines of each pod [default: all]
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) tail: Option<i64>,
    /// Lines as they were logged, with nothing in front: for programs
    #[arg(long)]
    pub(crate) raw: bool,
}

fn service(name: &str) -> Result<FoodService, String> {
    FoodService::ALL.into_iter().find(|service| service.as_str() == name).ok_or_else(|| {
        let names = FoodService::ALL.map(FoodService::as_str);
        format!("the services are {}", names.join(", "))
    })
}

fn since(text: &str) -> Result<SignedDuration, String> {
    let duration: SignedDuration = text.parse().map_err(|error| format!("not a duration such as 5m: {error}"))?;
    // The API server counts in whole seconds, and takes no less than one.
    if duration.as_secs() < 1 { Err("at least 1s".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_by_examples_that_are_taken() {
        let line = Arguments::command();
        for command in line.get_subcommands() {
            let (name, line) = (command.get_name(), format!("kubectl foodplatform {}", command.get_name()));
            assert!(command.get_long_about().is_some(), "{name}");
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Examples:\n  ") && examples.contains(&line), "{name}: {examples}");
            for example in examples.lines().filter_map(|example| example.split_once("kubectl foodplatform ")) {
                let words = example.1.split_whitespace().take_while(|word| !["|", ">/dev/null;", "#"].contains(word));
                let words = ["kubectl foodplatform"].into_iter().chain(words);
                let parsed = Arguments::try_parse_from(words);
                assert!(parsed.is_ok(), "{}: {}", example.1, parsed.unwrap_err());
            }
        }
    }

    #[test]
    fn cluster_flags_are_taken_behind_the_command_as_plugins_get_them() {
        let line = ["kubectl foodplatform", "status", "shop", "-n", "food", "--context", "c", "--kubeconfig", "/k"];
        let Connection { namespace, context, kubeconfig } = Arguments::parse_from(line).connection;
        assert_eq!(
            (namespace.as_deref(), context.as_deref(), kubeconfig),
            (Some("food"), Some("c"), Some("/k".into()))
        );
    }

    #[test]
    fn an_image_is_for_one_service() {
        let parse = |arguments: &[&str]| {
            let line = [&["kubectl foodplatform", "rollback", "shop"], arguments].concat();
            Arguments::try_parse_from(line).map(drop).map_err(|error| error.kind())
        };
        assert_eq!(parse(&["--to", "r/cook:1", "--service", "cook"]), Ok(()));
        assert_eq!(parse(&["--to", "r/cook:1"]), Err(clap::error::ErrorKind::MissingRequiredArgument));
        assert_eq!(parse(&["--service", "chef"]), Err(clap::error::ErrorKind::ValueValidation));
    }

    #[test]
    fn durations_are_those_of_kubectl() {
        assert_eq!(since("1h30m"), Ok(SignedDuration::from_mins(90)));
        assert_eq!(since("500ms"), Err("at least 1s".to_owned()));
        assert!(since("soon").is_err());
    }

    /// Commands that the documentation names: they are taken as they stand there.
    #[test]
    fn the_commands_in_the_pages_are_commands() {
        let mut checked = 0;
        for page in book::pages().unwrap() {
            for block in page.blocks().iter().filter(|block| ["console", "sh"].contains(&block.language())) {
                let commands = block.commands();
                // What stands behind the program's own words is the shell's.
                let own = |command: &String| command.split(['|', '>']).next().unwrap_or_default().to_owned();
                for command in commands.iter().filter(|line| line.starts_with("kubectl foodplatform ")).map(own) {
                    let words = command.split_whitespace().skip(2);
                    Arguments::try_parse_from(["kubectl foodplatform"].into_iter().chain(words))
                        .unwrap_or_else(|error| panic!("{}:{}: {command}: {error}", page.path, block.line));
                    checked += 1;
                }
            }
        }
        assert!(checked > 5, "{checked}");
    }
}
