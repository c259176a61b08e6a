//! Why the conditions of a platform are as they are, in one word each.

use std::fmt;

/// The reasons, each with whether it takes a person to change it, and its meaning with what to do.
macro_rules! reasons {
    ($($reason:ident, $stalls:literal, $meaning:literal;)*) => {
        /// The reasons in the conditions of a FoodPlatform.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Reason {
            $(#[doc = $meaning] $reason,)*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$reason,)*];

            /// As the conditions show it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$reason => stringify!($reason),)*
                }
            }

            /// Whether it takes a person to change it. Everything else heals when its cause is gone.
            #[must_use]
            pub const fn stalls(self) -> bool {
                match self {
                    $(Self::$reason => $stalls,)*
                }
            }

            /// What it means, and what to do.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$reason => $meaning,)*
                }
            }
        }
    };
}

reasons! {
    Ready, false, "Everything that the spec asks for is there and ready.";
    Progressing, false, "The cluster is being brought to what the spec asks for.";
    Paused, false, "Everything is left as it is, since `spec.paused` says so.";
    NotPaused, false, "`spec.paused` isn't set.";
    Deleting, false, "The platform is being deleted; the message says what it waits for.";
    InvalidSpec, true, "The spec can't be built, or was written for another version of the definition. Correct the field that \
        the message names.";
    SecretNotFound, true, "A Secret that the spec names isn't there, or lacks the key. Create it, or name another.";
    NameConflict, true, "An object of a child's name belongs to somebody else, and is left alone. Remove or rename it, or give \
        the platform another name.";
    KindMissing, true, "The cluster lacks a kind that the spec asks for, such as HTTPRoute. Install what brings it, or don't ask \
        for it.";
    ApplyFailed, false, "The API server doesn't take a child, or gives no answer: a quota, an admission webhook, or a busy API \
        server. The message has its words.";
    KafkaUnreachable, false, "Kafka gives no answer, or does not let the operator in. Look at `kafka.bootstrapServers`, `kafka.tls` and \
        `kafka.sasl`, and whether the operator reaches it.";
    TopicConflict, true, "A topic is there that wasn't made for this platform. Remove the topic, or take it \
        by `kafka.adopt`.";
    TopicRefused, true, "Kafka, or Strimzi's Topic Operator, refuses to make or change a topic. The message has its words.";
    TopicsDiffer, false, "Topics are there, but some of what the spec asks for can't be done, such as fewer partitions. What is \
        there goes on being used.";
    TopicsReady, false, "All topics are as the spec asks for.";
    DatabaseUnreachable, false, "A database gives the operator no answer. Look at the URL in its Secret, and whether the operator \
        reaches it.";
    DatabaseReachable, false, "The databases answer.";
    MigrationFailed, true, "A migration ended with an error, which the message has. Its service waits for it, and the pods before go \
        on. It is repeated by itself.";
    ImagePullBackOff, true, "An image can't be pulled. Look at its name, its tag and `image.pullSecrets`.";
    ContainerConfigError, true, "A container can't be started, mostly because something that it refers to isn't there.";
    CrashLoopBackOff, true, "A service ends again and again. The message has its last words; `kubectl foodplatform logs` has more.";
    // A cluster that grows with its load makes room by itself; where it doesn't, the rollout gets stuck.
    Unschedulable, false, "No node takes a pod. The scheduler's words are in the message; a cluster that grows with its load makes \
        room by itself.";
    RolloutStuck, true, "New pods weren't ready within `rollout.progressDeadline`. The pods before go on. Correct the image or the \
        settings, or go back by `kubectl foodplatform rollback`.";
    RolledBack, true, "A rollout failed, and the image before it runs again (`rollout.onFailure: Rollback`). Ask for an image that \
        becomes ready.";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page that tells of each reason what to do. A heading of the third level is a reason's name.
    #[test]
    fn every_reason_is_explained_and_nothing_else() {
        let page = book::page("docs/src/troubleshooting.md").unwrap();
        let told: Vec<_> = page.headings().into_iter().filter(|(level, _)| *level == 3).map(|(_, text)| text).collect();
        let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(told, reasons, "in the order of their declaration, which is that of the table");
        for reason in reasons {
            let (_, paragraph) = page.text.split_once(&format!("### {reason}\n")).unwrap();
            let paragraph = paragraph.split("\n#").next().unwrap_or_default();
            for part in ["**Means:**", "**Looks like:**", "**Do:**"] {
                assert!(paragraph.contains(part), "{reason} has no {part}");
            }
        }
    }
}
