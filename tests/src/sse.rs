//! Server-sent events, as a browser reads them.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Response;
use serde_json::Value;
use tokio::{task::JoinHandle, time::Instant};

use crate::{api::text, wait};

/// What a stream says.
#[derive(Debug, Clone, PartialEq)]
enum Said {
    Event(Event),
    /// How long to wait before coming back.
    Retry(Duration),
    /// A line that means nothing but that the stream is alive.
    Comment,
}

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its id; empty if it has none.
    pub id: String,
    /// Its data.
    pub data: Value,
}

/// What the bytes of a stream say.
#[derive(Debug, Default)]
struct Parser {
    rest: Vec<u8>,
    id: String,
    data: String,
}

impl Parser {
    /// Takes in some bytes.
    ///
    /// # Errors
    /// When an event's data is not JSON.
    fn take(&mut self, bytes: &[u8]) -> Result<Vec<Said>, String> {
        self.rest.extend_from_slice(bytes);
        let mut said = vec![];
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            said.extend(self.line(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']))?);
        }
        Ok(said)
    }

    fn line(&mut self, line: &str) -> Result<Option<Said>, String> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            // An empty line ends an event. One without data is none; its id counts all the same.
            "" if line.is_empty() => {
                let data = mem::take(&mut self.data);
                if data.is_empty() {
                    return Ok(None);
                }
                let data = serde_json::from_str(&data).map_err(|error| format!("{data:?}: {error}"))?;
                return Ok(Some(Said::Event(Event { id: self.id.clone(), data })));
            }
            "" => return Ok(Some(Said::Comment)),
            "id" => value.clone_into(&mut self.id),
            "data" => self.data.push_str(value),
            "retry" => return Ok(value.parse().ok().map(|millis| Said::Retry(Duration::from_millis(millis)))),
            _ => {}
        }
        Ok(None)
    }
}

/// Why a stream could not be opened.
#[derive(Debug)]
enum Unopened {
    /// There was no answer.
    Unreached(String),
    /// The answer was no stream: its status and content type.
    Answered(String),
}

/// An open stream of events, each with JSON as its data.
#[derive(Debug)]
pub struct Events {
    response: Response,
    parser: Parser,
    said: VecDeque<Said>,
}

impl Events {
    /// Opens the stream at `url`.
    ///
    /// # Panics
    /// When there is none.
    pub async fn open(url: &str) -> Self {
        Self::try_open(url, "").await.unwrap_or_else(|error| panic!("{url}: {error:?}"))
    }

    /// Opens the stream at `url` for one who has the event `last`, or none.
    async fn try_open(url: &str, last: &str) -> Result<Self, Unopened> {
        let mut request = reqwest::Client::new().get(url).header("Accept", "text/event-stream");
        if !last.is_empty() {
            request = request.header("Last-Event-ID", last);
        }
        let response = request.send().await.map_err(|error| Unopened::Unreached(format!("{error:?}")))?;
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !response.status().is_success() || !kind.starts_with("text/event-stream") {
            return Err(Unopened::Answered(format!("{} with content type {kind:?}", response.status())));
        }
        let parser = Parser { id: last.to_owned(), ..Parser::default() };
        Ok(Self { response, parser, said: VecDeque::new() })
    }

    /// What it says next.
    ///
    /// # Errors
    /// When the stream ends, or the data is not JSON.
    async fn hear(&mut self) -> Result<Said, String> {
        loop {
            if let Some(said) = self.said.pop_front() {
                return Ok(said);
            }
            let chunk = self.response.chunk().await.map_err(|error| format!("{error:?}"))?;
            self.said.extend(self.parser.take(&chunk.ok_or("the stream has ended")?)?);
        }
    }

    /// The data of the next event.
    ///
    /// # Errors
    /// When the stream ends, or the data is not JSON.
    pub async fn next(&mut self) -> Result<Value, String> {
        loop {
            if let Said::Event(event) = self.hear().await? {
                return Ok(event.data);
            }
        }
    }

    /// Reads until an event whose data has that `status`, and gives the data of all events up to it.
    ///
    /// # Panics
    /// When none comes in time.
    pub async fn until_status(&mut self, status: &str) -> Vec<Value> {
        const LIMIT: Duration = wait::SOON;
        let mut seen = Vec::new();
        let reading = async {
            loop {
                seen.push(self.next().await?);
                if seen.last().is_some_and(|last| text(last, "status") == status) {
                    return Ok::<_, String>(());
                }
            }
        };
        match tokio::time::timeout(LIMIT, reading).await {
            Ok(Ok(())) => seen,
            Ok(Err(error)) => panic!("{status} does not come: {error}; seen: {seen:?}"),
            Err(_) => panic!("{status} has not come within {LIMIT:?}; seen: {seen:?}"),
        }
    }
}

/// A browser's `EventSource`: when its stream breaks it comes back after the time that it was told, and says which event
/// it has. It follows until it is dropped, and keeps what it hears.
#[derive(Debug)]
pub struct Follower {
    heard: Arc<Mutex<Heard>>,
    following: JoinHandle<()>,
}

/// What a follower has heard.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// How often a stream was opened.
    pub opened: usize,
    /// Why streams could not be opened for lack of an answer, or broke.
    pub failures: Vec<String>,
    /// Answers that were no streams, after which a browser does not come back.
    pub refusals: Vec<String>,
    /// Every event, over all streams.
    pub events: Vec<Event>,
    /// What it was told last to wait before coming back.
    pub retry: Option<Duration>,
    /// How many comments came.
    pub comments: usize,
    /// The longest time in which an open stream said nothing.
    pub silence: Duration,
}

impl Heard {
    /// The `status` of each event's data.
    pub fn statuses(&self) -> Vec<&str> {
        self.events.iter().map(|event| text(&event.data, "status")).collect()
    }
}

impl Follower {
    /// Follows the stream at `url`.
    pub fn start(url: String) -> Self {
        let heard = Arc::<Mutex<Heard>>::default();
        let following = tokio::spawn(follow(url, Arc::clone(&heard)));
        Self { heard, following }
    }

    /// What it has heard so far.
    ///
    /// # Panics
    /// When following has panicked.
    pub fn heard(&self) -> Heard {
        self.heard.lock().expect("nobody panics while writing").clone()
    }

    /// Waits until what it has heard is as wanted, and gives that.
    ///
    /// # Panics
    /// When it is not in time.
    pub async fn until(&self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Heard {
        wait::until(what, wait::SOON, async || {
            let heard = self.heard();
            if wanted(&heard) { Ok(heard) } else { Err(format!("{heard:?}")) }
        })
        .await
    }

    /// Waits until the newest event's data has that `status`, and gives what was heard.
    ///
    /// # Panics
    /// When it does not come in time.
    pub async fn until_status(&self, status: &str) -> Heard {
        self.until(&format!("{status} followed"), |heard| heard.statuses().last() == Some(&status)).await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn follow(url: String, heard: Arc<Mutex<Heard>>) {
    /// What browsers wait, more or less, when they were not told.
    const RETRY: Duration = Duration::from_secs(3);
    let note = |write: &mut dyn FnMut(&mut Heard)| write(&mut heard.lock().expect("nobody panics while writing"));
    let mut last = String::new();
    loop {
        match Events::try_open(&url, &last).await {
            Ok(mut stream) => {
                note(&mut |heard| heard.opened += 1);
                let failure = listen(&mut stream, &note).await;
                note(&mut |heard| heard.failures.push(failure.clone()));
                last = stream.parser.id;
            }
            Err(Unopened::Unreached(failure)) => note(&mut |heard| heard.failures.push(failure.clone())),
            Err(Unopened::Answered(answer)) => note(&mut |heard| heard.refusals.push(answer.clone())),
        }
        let retry = heard.lock().expect("nobody panics while writing").retry;
        tokio::time::sleep(retry.unwrap_or(RETRY)).await;
    }
}

/// Listens until the stream breaks, and gives why it did.
async fn listen(stream: &mut Events, note: &impl Fn(&mut dyn FnMut(&mut Heard))) -> String {
    let mut since = Instant::now();
    loop {
        let said = match stream.hear().await {
            Ok(said) => said,
            Err(failure) => return failure,
        };
        let silence = since.elapsed();
        since = Instant::now();
        note(&mut |heard| {
            heard.silence = heard.silence.max(silence);
            match &said {
                Said::Event(event) => heard.events.push(event.clone()),
                Said::Retry(time) => heard.retry = Some(*time),
                Said::Comment => heard.comments += 1,
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stream_is_read_in_whatever_pieces_it_comes() {
        let text = "retry: 1000\n\n:\n\nevent: order\nid: 3\ndata: {\"a\":\ndata: 1}\n\nid: 4\n\ndata:2\r\n\r\n";
        let event = |id: &str, data| Said::Event(Event { id: id.to_owned(), data });
        let expected = [
            Said::Retry(Duration::from_secs(1)),
            Said::Comment,
            event("3", json!({ "a": 1 })),
            // The id of an event without data counts for the next.
            event("4", json!(2)),
        ];
        for size in [1, 2, 7, text.len()] {
            let mut parser = Parser::default();
            let said = text.as_bytes().chunks(size).flat_map(|bytes| parser.take(bytes).unwrap());
            assert_eq!(said.collect::<Vec<_>>(), expected, "{size}");
        }
        assert!(Parser::default().take(b"data: {\n\n").is_err());
    }
}
