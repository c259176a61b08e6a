//! What Kafka's answers mean: well done, no, or no answer at all.

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::{Unreachable, session::Session};

/// Kafka's answers about several topics: each by itself.
type Answers<T, N> = Vec<Result<T, (N, RDKafkaErrorCode)>>;

/// Why one topic isn't as wanted.
pub(super) enum Problem {
    /// There is no answer.
    Unreachable(Unreachable),
    /// Kafka says no, in a sentence.
    Refused(String),
}

/// How a request that changes a topic went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Went {
    /// As it should.
    Well,
    /// Somebody else was faster.
    Overtaken,
}

impl Session {
    /// The result of a request, over all topics that it was about.
    pub(super) fn settle<T, N>(&self, doing: &str, result: KafkaResult<Answers<T, N>>) -> Result<Went, Problem> {
        let results = result.map_err(|error| self.no_answer(doing, &error))?;
        results.into_iter().try_fold(Went::Well, |went, result| match result {
            Ok(_) => Ok(went),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists | RDKafkaErrorCode::UnknownTopicOrPartition)) => {
                Ok(Went::Overtaken)
            }
            Err((_, code)) => Err(self.refused(doing, code)),
        })
    }

    /// What an error of the client library means.
    pub(super) fn no_answer(&self, doing: &str, error: &KafkaError) -> Problem {
        match error.rdkafka_error_code() {
            Some(code) => self.failed(doing, code),
            None => Problem::Unreachable(Unreachable(format!(
                "Kafka at {} can't be used, {doing}: {error}",
                self.servers()
            ))),
        }
    }

    /// Tells "no answer" from "no".
    pub(super) fn failed(&self, doing: &str, code: RDKafkaErrorCode) -> Problem {
        match code {
            RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::RequestTimedOut
            | RDKafkaErrorCode::Resolve => Problem::Unreachable(self.silent()),
            code => self.refused(doing, code),
        }
    }

    /// Why there is no answer, as far as it is known.
    fn silent(&self) -> Unreachable {
        let servers = self.servers();
        let complaint = self.client.complaint().unwrap_or_default();
        Unreachable(if complaint.starts_with("SASL") {
            format!(
                "Kafka at {servers} doesn't take the user: {complaint}; check kafka.sasl and what its Secret holds; retrying"
            )
        } else if complaint.to_lowercase().contains("ssl") {
            format!(
                "Kafka at {servers} and the operator don't agree on TLS: {complaint}; check kafka.tls and what its \
                 Secrets hold; retrying"
            )
        } else {
            format!(
                "Kafka at {servers} accepts connections but doesn't answer: check that its advertised listeners can be \
                 reached from here, and that this listener is one {} TLS and {} SASL; retrying",
                with(self.connection.credentials.tls.is_some()),
                with(self.connection.credentials.sasl.is_some()),
            )
        })
    }

    /// Where it is.
    pub(super) fn servers(&self) -> &str {
        &self.connection.bootstrap_servers
    }

    /// Kafka's no.
    pub(super) fn refused(&self, doing: &str, code: RDKafkaErrorCode) -> Problem {
        Problem::Refused(format!("Kafka at {} refuses {doing}: {code}", self.servers()))
    }
}

const fn with(is_on: bool) -> &'static str {
    if is_on { "with" } else { "without" }
}
