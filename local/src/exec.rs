//! Running other programs to their end.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Seek, Write},
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
    execute(command, Stdio::null(), |_| ())
}

/// Like [`run`], with `input` on the program's standard input. It is never found in a file by name, so it may be secret.
///
/// # Errors
/// As [`run`].
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Result<String> {
    let mut file = tempfile::tempfile().context("cannot make a temporary file")?;
    file.write_all(input)?;
    file.rewind()?;
    execute(command, file.into(), |_| ())
}

/// Like [`run`], handing every line that the program writes to standard error on as it comes.
///
/// # Errors
/// As [`run`].
pub fn follow(command: &mut Command, line: impl FnMut(&str)) -> Result<String> {
    execute(command, Stdio::null(), line)
}

fn execute(command: &mut Command, input: Stdio, mut line: impl FnMut(&str)) -> Result<String> {
    let mut child = command
        .stdin(input)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_reads_its_input_and_a_failed_one_is_quoted() {
        assert_eq!(run_with_input(&mut Command::new("cat"), b"a secret").unwrap(), "a secret");
        let error = run(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.starts_with("sh -c") && error.ends_with(": why"), "{error}");
    }
}
