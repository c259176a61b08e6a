//! What can go wrong in a reconciliation, and in which step.

use std::fmt;

use super::live::chain;

/// A step of the pipeline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Reading what the spec refers to.
    Dereference,
    /// Writing children.
    Apply,
    /// Removing children that are no longer built.
    Prune,
    /// Writing the status.
    Status,
    /// Holding a platform that is deleted, and letting it go.
    Finalize,
}

impl Step {
    /// Its name, for metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dereference => "dereference",
            Self::Apply => "apply",
            Self::Prune => "prune",
            Self::Status => "status",
            Self::Finalize => "finalize",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A reconciliation that could not do all of its work; it is repeated after a while.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused a request or gave no answer.
    #[error("{what}: {}", words(source))]
    Request {
        /// The step that it happened in.
        step: Step,
        /// What was being done, such as `applying Deployment food/quickstart-order`.
        what: String,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// A request was not answered in time.
    #[error("{what}: the API server gave no answer in time")]
    TimedOut {
        /// The step that it happened in.
        step: Step,
        /// What was being done.
        what: String,
    },
    /// A bug: the reconciliation panicked.
    #[error("the reconciliation panicked: {0}")]
    Panicked(String),
}

impl Error {
    /// The step that it happened in, for metrics and logs.
    #[must_use]
    pub fn step(&self) -> &'static str {
        match self {
            Self::Request { step, .. } | Self::TimedOut { step, .. } => step.as_str(),
            Self::Panicked(_) => "panic",
        }
    }

    /// Whether the object changed between reading and writing it: nothing is wrong, look again.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self.answer(), Some(answer) if answer.is_conflict())
    }

    /// Whether the API server has answered.
    #[must_use]
    pub(crate) fn is_an_answer(&self) -> bool {
        self.answer().is_some()
    }

    /// Whether something of that name is there already.
    #[must_use]
    pub fn is_there_already(&self) -> bool {
        matches!(self.answer(), Some(answer) if answer.is_already_exists())
    }

    /// Whether the object isn't there any more, or the cluster doesn't have its kind.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self.answer(), Some(answer) if answer.code == 404)
    }

    /// Whether nothing can be made any more, because the namespace is being deleted.
    #[must_use]
    pub(crate) fn is_namespace_leaving(&self) -> bool {
        let causes =
            |answer: &kube::core::Status| answer.details.clone().map(|details| details.causes).unwrap_or_default();
        self.answer().is_some_and(|answer| causes(answer).iter().any(|cause| cause.reason == "NamespaceTerminating"))
    }

    /// Whether the API server has yet to learn of the platforms' own kind, which has just been defined: with
    /// OwnerReferencesPermissionEnforcement nothing can be owned until then, some ten seconds later.
    #[must_use]
    pub(crate) fn is_ahead_of_kind(&self) -> bool {
        self.refusal().is_some_and(|words| words.contains("cannot find RESTMapping for"))
    }

    /// Whether the API server refuses this very request, so that repeating it changes nothing unless somebody acts.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.refusal().is_some()
    }

    /// The API server's words, where it refuses this very request.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.answer().filter(|answer| matches!(answer.code, 400 | 403 | 422)).map(|answer| answer.message.as_str())
    }

    fn answer(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Request { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            Self::TimedOut { .. } | Self::Panicked(_) => None,
        }
    }
}

/// What went wrong with a request, for people: of an answer only its message.
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(answer) if !answer.message.is_empty() => answer.message.clone(),
        kube::Error::Api(answer) => format!("{} {}", answer.code, answer.reason).trim_end().to_owned(),
        other => chain(other),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(message: &str) -> Error {
        let answer = Status::failure(message, "Forbidden").with_code(403);
        Error::Request {
            step: Step::Apply,
            what: "applying ConfigMap food/shop-cook".to_owned(),
            source: Box::new(kube::Error::Api(answer.boxed())),
        }
    }

    #[test]
    fn an_answer_is_told_by_its_message() {
        let error = refused("exceeded quota");
        assert_eq!(error.to_string(), "applying ConfigMap food/shop-cook: exceeded quota");
        assert_eq!(error.refusal(), Some("exceeded quota"));
        assert_eq!(refused("").to_string(), "applying ConfigMap food/shop-cook: 403 Forbidden");
    }

    #[test]
    fn a_kind_that_the_api_server_has_yet_to_learn_of_is_no_lack_of_rights() {
        let words = "configmaps \"shop-cook\" is forbidden: cannot set blockOwnerDeletion in this case because cannot find \
                     RESTMapping for APIVersion foodplatform.dev/v1alpha1 Kind FoodPlatform: no matches for kind";
        assert!(refused(words).is_ahead_of_kind());
        assert!(!refused("configmaps \"shop-cook\" is forbidden: User can't").is_ahead_of_kind());
    }
}
