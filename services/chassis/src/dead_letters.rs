//! The commands about dead letters: messages that a reader could not read and put aside.

use std::{
    io::{self, Write},
    str::{self, FromStr},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::Subcommand;
use contract::Topic;
use rdkafka::{
    Message,
    message::{Header, Headers as _, OwnedHeaders, OwnedMessage},
    producer::FutureRecord,
    util::Timeout,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    config::KafkaSettings,
    consumer::dead_letter::{ERROR, FOR_READER, OFFSET, PARTITION, READER, TOPIC},
    history, kafka,
};

/// For one question to Kafka.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of a payload so much is shown, in bytes.
const SHOWN: usize = 300;

/// What to do with this service's dead letters.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Action {
    /// Print them, one JSON object a line.
    List,
    /// Send them to this service again, and to no other reader: after a newer version can read them.
    Resend {
        /// Every one of them.
        #[arg(long, conflicts_with = "places", required_unless_present = "places")]
        all: bool,
        /// Those at these places: the `at` of a list, such as "food.menu.dlq/3@17".
        places: Vec<Place>,
    },
}

/// Where a message lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    topic: String,
    partition: i32,
    offset: i64,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (topic, rest) = text.rsplit_once('/')?;
            let (partition, offset) = rest.split_once('@')?;
            Some(Self { topic: topic.to_owned(), partition: partition.parse().ok()?, offset: offset.parse().ok()? })
        };
        parse().ok_or("expected TOPIC/PARTITION@OFFSET")
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

/// Does it.
pub(crate) async fn run(settings: KafkaSettings, action: Action) -> anyhow::Result<()> {
    let reader = settings.consumer_group.clone();
    let reader = reader.context("CONSUMER_GROUP is not set: a service without one reads nothing")?;
    let reading = settings.clone();
    let letters = tokio::task::spawn_blocking(move || read(&reading, &reader)).await??;
    match action {
        Action::List => {
            if letters.is_empty() {
                // Beside the list, which is for programs, too.
                writeln!(io::stderr(), "there are no dead letters of this service")?;
            }
            let mut out = io::stdout().lock();
            for letter in &letters {
                writeln!(out, "{}", serde_json::to_string(&Shown::of(letter))?)?;
            }
            Ok(())
        }
        Action::Resend { all, places } => {
            let there = |place: &Place| letters.iter().any(|letter| place_of(letter) == *place);
            if let Some(missing) = places.iter().find(|place| !there(place)) {
                bail!("there is no dead letter of this service at {missing}: see the list");
            }
            let chosen: Vec<_> = letters.iter().filter(|letter| all || places.contains(&place_of(letter))).collect();
            for letter in &chosen {
                resend(&settings, letter).await.with_context(|| format!("cannot send {} again", place_of(letter)))?;
            }
            writeln!(io::stdout(), "sent {} again", chosen.len())?;
            Ok(())
        }
    }
}

/// Every dead letter of `reader`, from the oldest to the newest.
fn read(settings: &KafkaSettings, reader: &str) -> anyhow::Result<Vec<OwnedMessage>> {
    let topics: Vec<_> = Topic::ALL.iter().map(|topic| topic.dead_letter_name(&settings.topic_prefix)).collect();
    let mut letters = Vec::new();
    history::read(settings, &topics, |message| {
        if history::header(message, READER) == Some(reader.as_bytes()) {
            letters.push(message.detach());
        }
        Ok(())
    })?;
    letters.sort_by_key(|letter| letter.timestamp().to_millis());
    Ok(letters)
}

fn header<'a>(letter: &'a OwnedMessage, name: &str) -> Option<&'a str> {
    str::from_utf8(history::header(letter, name)?).ok()
}

fn place_of(message: &OwnedMessage) -> Place {
    Place { topic: message.topic().to_owned(), partition: message.partition(), offset: message.offset() }
}

/// A letter as it is listed.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    at: String,
    from: serde_json::Value,
    error: Option<&'a str>,
    r#type: Option<&'a str>,
    key: String,
    time: Option<String>,
    payload: String,
}

impl<'a> Shown<'a> {
    fn of(message: &'a OwnedMessage) -> Self {
        let text = |bytes: Option<&[u8]>| {
            let bytes = bytes.unwrap_or_default();
            String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN)]).into_owned()
        };
        let time = message.timestamp().to_millis().and_then(chrono::DateTime::from_timestamp_millis);
        Self {
            at: place_of(message).to_string(),
            from: json!({
                "topic": header(message, TOPIC),
                "partition": header(message, PARTITION),
                "offset": header(message, OFFSET),
            }),
            error: header(message, ERROR),
            r#type: header(message, contract::header::TYPE),
            key: text(message.key()),
            time: time.map(|time| time.to_rfc3339()),
            payload: text(message.payload()),
        }
    }
}

/// Sends a letter to where it came from, for its own reader alone.
async fn resend(settings: &KafkaSettings, letter: &OwnedMessage) -> anyhow::Result<()> {
    let topic = header(letter, TOPIC).context("it does not say which topic it came from")?;
    if !topic.starts_with(&settings.topic_prefix) {
        bail!("it came from {topic}, which is no topic of this platform");
    }
    let reader = header(letter, READER).context("it does not say who could not read it")?;
    let ours = [ERROR, TOPIC, PARTITION, OFFSET, READER, FOR_READER];
    let kept = letter.headers().map(|headers| headers.iter().filter(|header| !ours.contains(&header.key)));
    let headers = kept.into_iter().flatten().fold(OwnedHeaders::new(), |headers, header| headers.insert(header));
    let headers = headers.insert(Header { key: FOR_READER, value: Some(reader) });
    let mut record = FutureRecord::<[u8], [u8]>::to(topic).headers(headers);
    record.key = letter.key();
    record.payload = letter.payload();
    let producer = kafka::producer_giving_up_after(settings, TIMEOUT)?;
    producer.send(record, Timeout::After(TIMEOUT)).await.map_err(|(error, _)| error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_and_read() {
        let place: Place = "food.menu.dlq/3@17".parse().unwrap();
        assert_eq!(place, Place { topic: "food.menu.dlq".to_owned(), partition: 3, offset: 17 });
        assert_eq!(place.to_string(), "food.menu.dlq/3@17");
        for wrong in ["", "menu.dlq", "menu.dlq/1", "menu.dlq@1", "menu.dlq/a@1"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
