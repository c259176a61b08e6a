//! What a service's program can be asked for.

use clap::{Args, Subcommand};

use crate::{
    Service,
    config::{DatabaseSettings, KafkaSettings, LogSettings, ServeSettings},
    dead_letters,
};

/// The commands of a service with settings `S` and commands `T` of its own.
#[derive(Debug, Subcommand)]
pub(crate) enum Command<S: Args, T: Subcommand> {
    /// Serve until SIGTERM
    ///
    /// This is what a service does when it is asked for nothing. Every setting is an option and a variable of the environment;
    /// the operator sets the variables. It answers at --http-address as soon as its database has all migrations, which
    /// GET /readyz at --admin-address tells; GET /metrics there is for Prometheus. When it is not ready, its log says why.
    #[command(after_long_help = "\
Example, of every setting with what it is in a pod:
  kubectl -n food exec deploy/quickstart-order -- /service serve --help")]
    Serve {
        #[command(flatten)]
        common: Box<ServeSettings>,
        #[command(flatten)]
        own: S,
    },
    /// Create the schema, bring its tables up to date, and end
    ///
    /// It changes nothing where everything is up to date, several may run at the same time, and older programs work with
    /// what it makes. The operator runs it as a Job ahead of the pods of a new image; `serve` waits for it.
    #[command(after_long_help = "\
Examples:
  DATABASE_URL=postgres://USER:PASSWORD@127.0.0.1:5432/DATABASE DATABASE_SCHEMA=food__shop__order order migrate
  kubectl -n food logs job/NAME     # of one that the operator has made: kubectl -n food get jobs")]
    Migrate {
        #[command(flatten)]
        logs: LogSettings,
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// List the messages that this service could not read, or send them to it again
    ///
    /// A message that can't be read is put aside into the topic's dead letters, and reading goes on behind it. Once a version
    /// runs that can read it, `resend` gives it to this service again.
    #[command(after_long_help = "\
Examples, in a pod, which has all settings:
  kubectl -n food exec deploy/quickstart-cook -- /service dead-letters list
  kubectl -n food exec deploy/quickstart-cook -- /service dead-letters resend --all")]
    DeadLetters {
        #[command(flatten)]
        kafka: KafkaSettings,
        #[command(subcommand)]
        action: dead_letters::Action,
    },
    #[command(flatten)]
    Own(T),
    /// Print the OpenAPI document of what it answers to, and end
    ///
    /// The same is served at GET /openapi.json. It needs no settings.
    #[command(after_long_help = "\
Example:
  kubectl -n food exec deploy/quickstart-gateway -- /service openapi | jq '.paths | keys'")]
    Openapi,
}

/// The command line of the service `S`, built from that version.
pub(crate) fn line<S: Service>(version: &'static str) -> clap::Command {
    let line = clap::Command::new(S::NAME).version(version).subcommand_required(true);
    let line = line.about(format!("The {} service of a food-delivery platform", S::NAME));
    Command::<S::Settings, S::Tool>::augment_subcommands(line)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use sqlx::migrate::Migrator;

    use super::*;
    use crate::{NoSettings, NoTools, Platform};

    struct Nothing;

    impl Service for Nothing {
        const NAME: &'static str = "nothing";
        type Settings = NoSettings;
        type Tool = NoTools;

        fn migrations() -> Option<&'static Migrator> {
            None
        }

        fn openapi() -> Value {
            Value::Null
        }

        fn build(_: &mut Platform, _: NoSettings) -> anyhow::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_definition_holds_together_and_says_its_version() {
        line::<Nothing>("1.2.3-4-gabc").debug_assert();
        let said = line::<Nothing>("1.2.3-4-gabc").render_version();
        assert_eq!(said, "nothing 1.2.3-4-gabc\n");
    }

    #[test]
    fn every_command_explains_itself_by_an_example() {
        let line = line::<Nothing>("1.2.3");
        for command in line.get_subcommands() {
            assert!(command.get_long_about().is_some(), "{}", command.get_name());
            let examples = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.starts_with("Example") && examples.contains("\n  "), "{}: {examples}", command.get_name());
            assert!(examples.contains(command.get_name()), "{}: {examples}", command.get_name());
        }
    }
}
