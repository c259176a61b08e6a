//! What Kubernetes takes as names, keys and values: rules for what is handed on to it, so that it is refused before it
//! could be refused as a part of a child.

use kube::core::Rule;

use super::matches;

/// A DNS-1123 subdomain, as objects' names are, to be a part of a regular expression.
const SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
/// What follows the domain in the key of a label or an annotation.
const KEY: &str = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?";
/// The value of a label.
const VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

/// That a term of CEL is a name.
fn is_subdomain(term: &str) -> String {
    format!("{term}.matches('^{SUBDOMAIN}$')")
}

/// That a term of CEL is the key of a label.
fn is_key(term: &str) -> String {
    format!("{term}.matches('^({SUBDOMAIN}/)?{KEY}$') && {term}.split('/')[0].size() <= 253")
}

pub(in crate::api) fn object_name(field: &str) -> Rule {
    Rule::new(is_subdomain("self"))
        .message(format!("{field}: a name of lower-case letters, digits, '-' and '.'").as_str())
}

pub(in crate::api) fn secret_name() -> Rule {
    Rule::new(is_subdomain("self")).message("name: the name of a Secret, of lower-case letters, digits, '-' and '.'")
}

pub(in crate::api) fn pull_secrets() -> Rule {
    Rule::new(format!("self.all(name, {})", is_subdomain("name")))
        .message("pullSecrets: names of Secrets, of lower-case letters, digits, '-' and '.'")
}

pub(in crate::api) fn secret_key() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9._-]+$') && self != '.' && !self.startsWith('..')")
        .message("key: a key of a Secret, of letters, digits, '.', '_' and '-', not '.' and not beginning with '..'")
}

pub(in crate::api) fn strimzi_cluster() -> Rule {
    Rule::new(is_subdomain("self"))
        .message("cluster: the name of a Kafka resource, of lower-case letters, digits, '-' and '.'")
}

pub(in crate::api) fn namespace_name() -> Rule {
    matches(
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "namespace: the name of a namespace, of lower-case letters, digits and '-'",
    )
}

pub(in crate::api) fn storage_class() -> Rule {
    Rule::new(format!("self == '' || {}", is_subdomain("self"))).message(
        "storageClassName: the name of a StorageClass, of lower-case letters, digits, '-' and '.', or \"\" for volumes \
         without a class",
    )
}

/// A map of labels, as objects carry them and selectors name them.
pub(in crate::api) fn labels(field: &str) -> Rule {
    Rule::new(format!("self.all(key, {} && self[key].matches('{VALUE}'))", is_key("key"))).message(
        format!(
            "{field}: keys such as team or example.com/team, and values, of at most 63 letters, digits, '-', '_' and '.' \
             with a letter or digit at both ends, after a domain of at most 253; a value may be empty"
        )
        .as_str(),
    )
}

/// A map of annotations. Their values may be anything, and the case of their keys' domains doesn't matter.
pub(in crate::api) fn annotations(field: &str) -> Rule {
    Rule::new(format!("self.all(key, {})", is_key("key.lowerAscii()"))).message(
        format!(
            "{field}: keys such as note or example.com/note, of at most 63 letters, digits, '-', '_' and '.' with a letter \
             or digit at both ends, after a domain of at most 253"
        )
        .as_str(),
    )
}

/// The key of a taint.
pub(in crate::api) fn taint_key() -> Rule {
    Rule::new(is_key("self")).message(
        "key: the key of a taint, such as spot or example.com/spot, of at most 63 letters, digits, '-', '_' and '.' with a \
         letter or digit at both ends, after a domain of at most 253",
    )
}

/// The value of a taint.
pub(in crate::api) fn taint_value() -> Rule {
    matches(
        VALUE,
        "value: the value of a taint, of letters, digits, '-', '_' and '.' with a letter or digit at both ends",
    )
}

/// A host name, whose first label may be a `*`. An address is none.
fn is_host(term: &str) -> String {
    format!("{term}.matches('^([*][.])?{SUBDOMAIN}$') && !{term}.matches('^[0-9.]+$')")
}

pub(in crate::api) fn host_name(field: &str) -> Rule {
    Rule::new(is_host("self")).message(
        format!(
            "{field}: a host name without scheme and port, such as shop.example.com or *.example.com, and no address"
        )
        .as_str(),
    )
}

pub(in crate::api) fn host_names() -> Rule {
    Rule::new(format!("self.all(host, {})", is_host("host"))).message(
        "hostnames: host names without scheme and port, such as shop.example.com or *.example.com, and no addresses",
    )
}
