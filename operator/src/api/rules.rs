//! The rules that the apiserver checks (CEL), in one place: each with a message that names the field and the way out.
//!
//! Strings are checked by rules rather than by `pattern`, whose message would only repeat the regular expression. A
//! rule that compares with what was before sits on the parent object: on an optional field it would be bypassed by
//! removing the field and adding it again.

mod syntax;

use kube::core::Rule;
use schemars::{Schema, json_schema};

pub(super) use self::syntax::{
    annotations, host_name, host_names, labels, namespace_name, object_name, pull_secrets, secret_key, secret_name,
    storage_class, strimzi_cluster, taint_key, taint_value,
};

/// A quantity that Kubernetes takes, without exponents; up to 12 digits.
const QUANTITY: &str = r"^[0-9]{1,12}([.][0-9]{1,3})?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$";
/// A port, to be a part of a regular expression.
const PORT: &str = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// `self` matches the regular expression.
fn matches(regex: &str, message: &str) -> Rule {
    Rule::new(format!("self.matches('{regex}')")).message(message)
}

/// A map of strings with at most `properties` entries of at most `length` characters.
pub(super) fn bounded_map(properties: u32, length: u32) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": properties,
        "additionalProperties": { "type": "string", "maxLength": length },
    })
}

// metadata

pub(super) fn platform_name() -> Rule {
    Rule::new("self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message(
        "metadata.name: at most 40 lower-case letters, digits and '-', beginning with a letter and not ending with \
         '-', because the names of Services and other children grow from it",
    )
}

// image

pub(super) fn registry() -> Rule {
    Rule::new(format!(
        "self.matches('^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:{PORT})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$')"
    ))
    .message(
        "registry: a host with port and path where needed, such as ghcr.io/example/foodplatform, without scheme, tag \
         and final slash",
    )
}

pub(super) fn tag() -> Rule {
    matches(
        "^[A-Za-z0-9_][A-Za-z0-9._-]*$",
        "tag: letters, digits, '_', '.' and '-', beginning with none of the last two, such as 1.4.0",
    )
}

pub(super) fn image() -> Rule {
    matches(
        "^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*\
         (:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[a-f0-9]{64})?$",
        "image: a full image name, such as ghcr.io/example/order:1.4.0 or one with @sha256:DIGEST",
    )
}

// services

pub(super) fn replicas_or_autoscaling() -> Rule {
    Rule::new("!(has(self.replicas) && has(self.autoscaling))").message(
        "replicas and autoscaling exclude each other: remove replicas to let autoscaling decide, or autoscaling",
    )
}

pub(super) fn min_at_most_max() -> Rule {
    Rule::new("!has(self.minReplicas) || self.minReplicas <= self.maxReplicas")
        .message("minReplicas must not be above maxReplicas: lower minReplicas or raise maxReplicas")
}

/// `"0s"`, `"1s..3s"` or `"manual"`.
pub(super) fn time_range(field: &str) -> Rule {
    Rule::new(
        "self == 'manual' || (self.matches('^[0-9]{1,6}(ms|s|m|h)([.][.][0-9]{1,6}(ms|s|m|h))?$') && \
         self.split('..').all(time, duration(time) <= duration('24h')) && \
         (!self.contains('..') || duration(self.split('..')[0]) <= duration(self.split('..')[1])))",
    )
    .message(
        format!(
            "{field}: a range from the shorter to the longer such as 1s..3s, a fixed time such as 0s, or manual; at \
             most 24h, in units of ms, s, m and h"
        )
        .as_str(),
    )
}

/// A time above 0 and up to so many seconds.
pub(super) fn duration_up_to(field: &str, seconds: u32) -> Rule {
    Rule::new(format!(
        "self.matches('^[0-9]{{1,8}}(ms|s)$') && duration(self) > duration('0s') && duration(self) <= duration('{seconds}s')"
    ))
    .message(format!("{field}: a time above 0 and up to {seconds}s, such as 500ms, in units of ms and s").as_str())
}

/// A time above 0 and up to a day.
pub(super) fn positive_duration(field: &str) -> Rule {
    Rule::new(
        "self.matches('^[0-9]{1,8}(ms|s|m|h)$') && duration(self) > duration('0s') && duration(self) <= duration('24h')",
    )
    .message(
        format!("{field}: a time above 0 and up to 24h, such as 500ms or 30s, in units of ms, s, m and h").as_str(),
    )
}

pub(super) fn nobody_calls_the_gateway() -> Rule {
    Rule::new("!has(self.gateway) || !has(self.gateway.circuitBreaker)").message(
        "gateway.circuitBreaker: no service calls the gateway, so nothing would keep to it; set circuitBreaker of the \
         services behind it",
    )
}

pub(super) fn the_gateway_keeps_nothing() -> Rule {
    Rule::new("!has(self.gateway) || !has(self.gateway.database)")
        .message("gateway.database: the gateway keeps nothing; set database of the services behind it")
}

pub(super) fn cpu() -> Rule {
    matches(r"^[0-9]{1,6}([.][0-9]{1,3})?$|^[0-9]{1,9}m$", "cpu: CPUs such as 2 or 0.5, or thousandths such as 500m")
}

pub(super) fn memory() -> Rule {
    // Kubernetes' quantities end at 2^63, and sooner make no sense.
    Rule::new(
        "self.matches('^[0-9]{1,12}([.][0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$') && \
         quantity(self).compareTo(quantity('1Pi')) <= 0",
    )
    .message("memory: a size up to 1Pi, such as 128Mi or 1Gi")
}

pub(super) fn request_at_most_limit(resource: &str) -> Rule {
    Rule::new(format!(
        "!has(self.requests) || !has(self.requests.{resource}) || !has(self.limits) || !has(self.limits.{resource}) \
         || quantity(self.requests.{resource}).compareTo(quantity(self.limits.{resource})) <= 0"
    ))
    .message(
        format!("requests.{resource} must not be above limits.{resource}: lower the request or raise the limit")
            .as_str(),
    )
}

// pods

/// Keys of labels or annotations that are not the operator's.
pub(super) fn foreign_keys(field: &str) -> Rule {
    Rule::new("self.all(key, !key.startsWith('app.kubernetes.io/') && !key.startsWith('foodplatform.dev/'))").message(
        format!(
            "{field}: those that begin with app.kubernetes.io/ and foodplatform.dev/ are the operator's: use others"
        )
        .as_str(),
    )
}

/// A Job's pods have these of their own.
pub(super) fn labels_of_jobs() -> Rule {
    Rule::new(
        "self.all(key, !(key in ['controller-uid', 'job-name']) && !key.startsWith('batch.kubernetes.io/'))",
    )
    .message(
        "labels: controller-uid, job-name and those that begin with batch.kubernetes.io/ are Kubernetes' own: use others",
    )
}

pub(super) fn toleration_has_a_key() -> Rule {
    Rule::new("has(self.key) || (has(self.operator) && self.operator == 'Exists')")
        .message("tolerations: without a key every taint is meant, which takes operator: Exists; set either")
}

pub(super) fn toleration_of_any_value() -> Rule {
    Rule::new("!has(self.value) || !has(self.operator) || self.operator == 'Equal'")
        .message("tolerations: with operator Exists any value will do: remove value, or set operator: Equal")
}

pub(super) fn toleration_for_a_time() -> Rule {
    Rule::new("!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')")
        .message("tolerations: tolerationSeconds is for effect NoExecute only: set that effect, or remove it")
}

pub(super) fn variable_name() -> Rule {
    matches("^[A-Za-z_][A-Za-z0-9_]*$", "env: a name of letters, digits and '_', not beginning with a digit")
}

pub(super) fn foreign_variable() -> Rule {
    Rule::new(
        "!(self in ['DATABASE_URL', 'DATABASE_CA_FILE', 'LOG_DIR', 'POD_NAME', 'CANCELLATION_TOKEN_FILE', \
         'CANCELLATION_TOKENS', 'KAFKA_TLS', 'KAFKA_CA_FILE', 'KAFKA_CERTIFICATE_FILE', 'KAFKA_KEY_FILE', \
         'KAFKA_SASL_MECHANISM', 'KAFKA_USERNAME', 'KAFKA_PASSWORD'])",
    )
    .message(
        "env: DATABASE_URL, DATABASE_CA_FILE, LOG_DIR, POD_NAME, CANCELLATION_TOKENS, CANCELLATION_TOKEN_FILE, and \
         those of Kafka's TLS and SASL are the operator's: set database, logs, kafka.tls or kafka.sasl instead",
    )
}

// kafka

pub(super) fn bootstrap_servers() -> Rule {
    let server = format!(r"([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\]):{PORT}");
    Rule::new(format!("self.matches('^{server}(,{server})*$')")).message(
        "bootstrapServers: host:port with a port from 1 to 65535, several divided by commas without spaces, such as \
         kafka-0:9092,kafka-1:9092",
    )
}

pub(super) fn topic_prefix() -> Rule {
    matches(
        "^[A-Za-z0-9][A-Za-z0-9._-]*$",
        "topicPrefix: letters, digits, '.', '_' and '-', beginning with a letter or digit, such as `shop.eu.` with its dot at the end",
    )
}

pub(super) fn topic_prefix_is_immutable() -> Rule {
    Rule::new(
        "has(self.topicPrefix) == has(oldSelf.topicPrefix) && \
         (!has(self.topicPrefix) || self.topicPrefix == oldSelf.topicPrefix)",
    )
    .message(
        "topicPrefix is immutable, since topics with another name hold none of the data: set it back, or create a new \
         platform",
    )
}

pub(super) fn whose_topics_these_are() -> Rule {
    Rule::new(
        "!has(self.topicManagement) || self.topicManagement != 'External' || \
         ((!has(self.deletionPolicy) || self.deletionPolicy != 'Delete') && !(has(self.adopt) && self.adopt))",
    )
    .message(
        "topicManagement External leaves the topics to somebody else: remove deletionPolicy: Delete and adopt: true, or set \
         topicManagement: Direct",
    )
}

pub(super) fn strimzi_goes_with_its_management() -> Rule {
    Rule::new("(has(self.topicManagement) && self.topicManagement == 'Strimzi') == has(self.strimzi)")
        .message("strimzi goes with topicManagement: Strimzi: set both, or neither of them")
}

pub(super) fn plain_takes_tls() -> Rule {
    Rule::new("!has(self.sasl) || self.sasl.mechanism != 'PLAIN' || has(self.tls)").message(
        "sasl.mechanism PLAIN sends the password as it is: set tls, {} for brokers with certificates of well-known \
         authorities, or a mechanism of SCRAM-SHA-512",
    )
}

pub(super) fn sasl_username() -> Rule {
    matches("^[^[:cntrl:]]+$", "username: the user's name, without line breaks and other control characters")
}

pub(super) fn retention() -> Rule {
    matches(
        "^([1-9][0-9]{0,5}(ms|s|m|h|d)|forever)$",
        "retention: a whole number with a unit of ms, s, m, h or d, such as 7d or 36h, or forever",
    )
}

pub(super) fn config_without_retention() -> Rule {
    Rule::new("!('retention.ms' in self)").message("config: set retention instead of config's retention.ms")
}

pub(super) fn config_keys() -> Rule {
    Rule::new("self.all(key, key.matches('^[a-z][a-z0-9._-]*$'))")
        .message("config: keys are names of Kafka's topic settings, such as min.insync.replicas")
}

// logs

pub(super) fn log_level() -> Rule {
    let level = "(off|error|warn|info|debug|trace)";
    let directive = format!("({level}|[A-Za-z0-9_:-]+={level})");
    Rule::new(format!("self.matches('^{directive}(,{directive})*$')")).message(
        "level: off, error, warn, info, debug or trace, with levels of modules after commas where needed, such as \
         info,sqlx=warn",
    )
}

/// A size from 1Mi to 1Pi.
pub(super) fn size(field: &str) -> Rule {
    Rule::new(format!(
        "self.matches('{QUANTITY}') && quantity(self).compareTo(quantity('1Mi')) >= 0 && \
         quantity(self).compareTo(quantity('1Pi')) <= 0"
    ))
    .message(format!("{field}: a size from 1Mi to 1Pi, such as 100Mi or 1Gi").as_str())
}

pub(super) fn logs_fit_their_volume() -> Rule {
    Rule::new(
        "!has(self.maxTotalSize) || !has(self.volume) || \
         quantity(self.maxTotalSize).compareTo(quantity(has(self.volume.size) ? self.volume.size : '1Gi')) <= 0",
    )
    .message("maxTotalSize must not be above volume.size (1Gi by default): lower maxTotalSize or raise volume.size")
}

pub(super) fn access_modes() -> Rule {
    Rule::new("self.all(mode, mode in ['ReadWriteMany', 'ReadWriteOnce'])").message(
        "accessModes: ReadWriteMany or ReadWriteOnce; with ReadWriteOncePod the new pod of an update would wait for \
         ever for the old one's claim",
    )
}

/// One of the fields of `logs.volume` that a claim can't change.
fn log_claims_keep(field: &str) -> Rule {
    Rule::new(format!(
        "!has(self.logs) || !has(self.logs.volume) || !has(oldSelf.logs) || !has(oldSelf.logs.volume) || \
         (has(self.logs.volume.{field}) == has(oldSelf.logs.volume.{field}) && \
         (!has(self.logs.volume.{field}) || self.logs.volume.{field} == oldSelf.logs.volume.{field}))"
    ))
    .message(
        format!(
            "logs.volume.{field} is immutable, since a claim can't change it: set it back, or remove logs.volume, \
             delete the claims, and add it anew"
        )
        .as_str(),
    )
}

pub(super) fn log_claims_keep_their_class() -> Rule {
    log_claims_keep("storageClassName")
}

pub(super) fn log_claims_keep_their_access_modes() -> Rule {
    log_claims_keep("accessModes")
}

// gateway

pub(super) fn node_port() -> Rule {
    Rule::new("self >= 30000 && self <= 32767").message("nodePort: from 30000 to 32767; remove it to have one chosen")
}

pub(super) fn node_port_needs_its_type() -> Rule {
    Rule::new("!has(self.nodePort) || (has(self.type) && self.type == 'NodePort')")
        .message("nodePort is for type NodePort only: set type: NodePort, or remove nodePort")
}

/// Gateway API's own rule for HTTPRoutes.
pub(super) fn parents_differ() -> Rule {
    Rule::new(
        "self.all(a, self.exists_one(b, a.name == b.name && has(a.__namespace__) == has(b.__namespace__) && \
         (!has(a.__namespace__) || a.__namespace__ == b.__namespace__) && \
         (!has(a.sectionName) || !has(b.sectionName) || a.sectionName == b.sectionName)))",
    )
    .message(
        "parentRefs: a Gateway that is named twice has to be so with two listeners: set sectionName of both, to others",
    )
}

// networkPolicy

pub(super) fn cidr() -> Rule {
    Rule::new("isCIDR(self)")
        .message("cidr: addresses with the length of their prefix, such as 10.20.0.0/16 or 2001:db8::/32")
}

fn either_cidr_or_labels() -> Rule {
    Rule::new("has(self.cidr) != (has(self.namespaceLabels) || has(self.podLabels))")
}

pub(super) fn cidr_or_labels() -> Rule {
    either_cidr_or_labels().message(
        "egress: a peer is either a cidr, or pods by namespaceLabels, podLabels or both: make two peers of what is both",
    )
}

pub(super) fn reader_is_cidr_or_labels() -> Rule {
    either_cidr_or_labels().message(
        "metricsFrom: a peer is either a cidr, or pods by namespaceLabels, podLabels or both; for all pods of the platform's \
         own namespace set podLabels: {}",
    )
}
