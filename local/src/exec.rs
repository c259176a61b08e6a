//! Running other programs to their end.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};

/// How much of a failed program's own words is repeated.
const LAST_LINES: usize = 15;

/// Runs a program to its end and returns what it wrote to standard output.
///
/// # Errors
/// When it cannot be started or does not succeed: its command line and the last lines that it wrote.
pub fn run(command: &mut Command) -> Result<String> {
    follow(command, |_| ())
}

/// Like [`run`], handing every line that the program writes to standard error on as it comes.
///
/// # Errors
/// As [`run`].
pub fn follow(command: &mut Command, mut line: impl FnMut(&str)) -> Result<String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    let stdout = child.stdout.take().context("standard output is not piped")?;
    let stderr = child.stderr.take().context("standard error is not piped")?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        BufReader::new(stdout).read_to_end(&mut text).map(|_| text)
    });
    let mut last = VecDeque::new();
    for bytes in BufReader::new(stderr).split(b'\n') {
        let bytes = bytes?;
        let text = String::from_utf8_lossy(&bytes);
        line(text.trim());
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(text.into_owned());
    }
    let status = child.wait()?;
    let output = reader.join().map_err(|_| anyhow::anyhow!("the reader of {} panicked", shown(command)))??;
    let output = String::from_utf8_lossy(&output).into_owned();
    if !status.success() {
        let mut said: Vec<&str> = last.iter().map(String::as_str).filter(|line| !line.trim().is_empty()).collect();
        if said.is_empty() {
            said = output.lines().rev().take(LAST_LINES).collect();
            said.reverse();
        }
        bail!("{} failed ({status}): {}", shown(command), said.join("\n"));
    }
    Ok(output)
}

/// The command line, short enough for a message.
fn shown(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
        if text.len() > 160 {
            text = text.chars().take(160).collect();
            text.push('…');
            break;
        }
    }
    text
}
