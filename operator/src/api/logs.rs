//! Logs: what is logged and where it is kept.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// What the services log, and where it is kept. They log to their standard output and to files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::logs_fit_their_volume())]
pub struct LogsSpec {
    /// The level, `off`, `error`, `warn`, `info`, `debug` or `trace`, and levels of single modules after commas, such as
    /// `info,sqlx=warn`. Default: `info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::log_level())]
    pub level: Option<String>,
    /// How many files each pod keeps; a new one begins each day. Default: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_files: Option<i32>,
    /// The most that the log files of a service take together; the oldest are removed first, those of pods that are
    /// gone too. Each pod may go beyond it by one file, which is this divided by `maxFiles`, until it begins the next.
    /// Default: four fifths of `volume.size`, or `100Mi` without a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    #[x_kube(validation = rules::size("maxTotalSize"))]
    pub max_total_size: Option<String>,
    /// Keep the log files on a claim, one for each service and shared by its pods. Default: they live and die with
    /// the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<LogVolumeSpec>,
}

/// The claims for log files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogVolumeSpec {
    /// The claims' storage class, such as one of EFS; `""` for volumes without a class. Immutable. Default: the
    /// cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::storage_class())]
    pub storage_class_name: Option<String>,
    /// Each claim's size. It can grow where the storage class allows it; a smaller one leaves the claim as it is.
    /// Default: `1Gi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    #[x_kube(validation = rules::size("size"))]
    pub size: Option<String>,
    /// `ReadWriteMany`, or `ReadWriteOnce` where all pods of a service run on one node. Immutable. Default:
    /// `[ReadWriteMany]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<String>>", length(min = 1, max = 2), inner(length(min = 1, max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = rules::access_modes())]
    pub access_modes: Option<Vec<AccessMode>>,
    /// What becomes of the claims when the platform is deleted or stops asking for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// Who can mount a claim.
///
/// The schema takes any short string here and a rule refuses what isn't one of these, for a rule can say why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AccessMode {
    /// Pods on one node.
    ReadWriteOnce,
    /// Pods on any node.
    ReadWriteMany,
}

impl AccessMode {
    /// As Kubernetes spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}

/// What becomes of the claims when the platform is deleted or stops asking for them: `Retain` keeps them, `Delete`
/// deletes them with it. Default: `Retain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Retention {
    /// They stay, and are taken up again by a platform of the same name.
    #[default]
    Retain,
    /// They go.
    Delete,
}
