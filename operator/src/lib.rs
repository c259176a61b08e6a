//! foodplatform-operator
