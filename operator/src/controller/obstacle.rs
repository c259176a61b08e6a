//! What is in the way of a platform, for its conditions.

use std::fmt;

/// The reasons in the conditions of a FoodPlatform.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Everything that the spec asks for is there and ready.
    Ready,
    /// The cluster is being brought to what the spec asks for.
    Progressing,
    /// Everything is left as it is, since the spec says so.
    Paused,
    /// The platform is being deleted.
    Deleting,
    /// Nothing is left undone by the spec's wish.
    NotPaused,
    /// The spec can't be built.
    InvalidSpec,
    /// The Secret with the database's URL is not there, or lacks the key.
    SecretNotFound,
    /// An object of a child's name belongs to somebody else.
    NameConflict,
    /// The cluster doesn't have a kind that the spec asks for.
    KindMissing,
    /// The API server doesn't take a child.
    ApplyFailed,
    /// Kafka gives no answer.
    KafkaUnreachable,
    /// A topic is there that was not made for this platform.
    TopicConflict,
    /// Kafka refuses to make or change a topic.
    TopicRefused,
    /// Topics are there, but some can't be brought to what the spec asks for.
    TopicsDiffer,
    /// All topics are as the spec asks for.
    TopicsReady,
    /// The database gives no answer.
    DatabaseUnreachable,
    /// The database answers.
    DatabaseReachable,
    /// A migration ended with an error.
    MigrationFailed,
    /// An image can't be pulled.
    ImagePullBackOff,
    /// A container can't be started.
    ContainerConfigError,
    /// A service ends again and again.
    CrashLoopBackOff,
    /// No node takes a pod.
    Unschedulable,
    /// A rollout made no progress within its deadline.
    RolloutStuck,
    /// A rollout failed, and the image before it runs again.
    RolledBack,
}

impl Reason {
    /// As the conditions show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Paused => "Paused",
            Self::Deleting => "Deleting",
            Self::NotPaused => "NotPaused",
            Self::InvalidSpec => "InvalidSpec",
            Self::SecretNotFound => "SecretNotFound",
            Self::NameConflict => "NameConflict",
            Self::KindMissing => "KindMissing",
            Self::ApplyFailed => "ApplyFailed",
            Self::KafkaUnreachable => "KafkaUnreachable",
            Self::TopicConflict => "TopicConflict",
            Self::TopicRefused => "TopicRefused",
            Self::TopicsDiffer => "TopicsDiffer",
            Self::TopicsReady => "TopicsReady",
            Self::DatabaseUnreachable => "DatabaseUnreachable",
            Self::DatabaseReachable => "DatabaseReachable",
            Self::MigrationFailed => "MigrationFailed",
            Self::ImagePullBackOff => "ImagePullBackOff",
            Self::ContainerConfigError => "ContainerConfigError",
            Self::CrashLoopBackOff => "CrashLoopBackOff",
            Self::Unschedulable => "Unschedulable",
            Self::RolloutStuck => "RolloutStuck",
            Self::RolledBack => "RolledBack",
        }
    }

    /// Whether it takes a person to change it. Everything else heals when its cause is gone.
    #[must_use]
    pub const fn stalls(self) -> bool {
        match self {
            Self::InvalidSpec
            | Self::SecretNotFound
            | Self::NameConflict
            | Self::KindMissing
            | Self::TopicConflict
            | Self::TopicRefused
            | Self::MigrationFailed
            | Self::ImagePullBackOff
            | Self::ContainerConfigError
            | Self::CrashLoopBackOff
            | Self::RolloutStuck
            | Self::RolledBack => true,
            Self::Ready
            | Self::Progressing
            | Self::Paused
            | Self::Deleting
            | Self::NotPaused
            | Self::ApplyFailed
            | Self::KafkaUnreachable
            | Self::TopicsDiffer
            | Self::TopicsReady
            | Self::DatabaseUnreachable
            | Self::DatabaseReachable
            // A cluster that grows with its load makes room by itself; where it doesn't, the rollout gets stuck.
            | Self::Unschedulable => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that keeps a platform from being ready.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Obstacle {
    /// In a word.
    pub reason: Reason,
    /// In a sentence that says what is wrong, where, and what to do.
    pub message: String,
}

impl Obstacle {
    /// An obstacle.
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}
