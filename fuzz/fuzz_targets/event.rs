//! Messages from Kafka, whatever they hold, are read without a panic, and what was read is written as what reads the same.
//!
//! An input is a line for each header (`NAME: VALUE`), an empty line, and the message's value.
#![no_main]

use contract::CloudEvent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let end = input.windows(2).position(|bytes| bytes == b"\n\n").unwrap_or(input.len());
    let payload = input.get(end + 2..).unwrap_or_default();
    let headers: Vec<_> = input[..end].split(|byte| *byte == b'\n').filter_map(header).collect();
    let find = |name: &str| headers.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| *value);
    let Ok(Some(event)) = CloudEvent::from_message(find, payload) else { return };

    let payload = event.event.payload().expect("what was read can be written");
    let headers = event.headers();
    let find = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes());
    let again = CloudEvent::from_message(find, &payload).expect("what was written can be read");
    assert_eq!(again, Some(event));
});

fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = line.windows(2).position(|bytes| bytes == b": ")?;
    Some((&line[..end], &line[end + 2..]))
}
