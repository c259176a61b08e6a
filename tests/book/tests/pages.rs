//! The pages hold together, and what they show can be read by those whom it is for.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    io::Write,
    process::{Command, Stdio},
};

use book::{pages, problems};

#[test]
fn every_link_leads_somewhere_and_every_page_is_listed() {
    let pages = pages().unwrap();
    assert!(pages.len() > 10, "{pages:?}");
    assert_eq!(problems(&pages), [""; 0]);
}

#[test]
fn every_command_is_one_for_a_shell() {
    let mut checked = 0;
    for page in pages().unwrap() {
        for block in page.blocks().into_iter().filter(|block| ["console", "sh"].contains(&block.language())) {
            let mut shell =
                Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            shell.stdin.take().unwrap().write_all(block.code.as_bytes()).unwrap();
            let output = shell.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{}:{}: {said}", page.path, block.line);
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn blocks_are_of_languages_that_a_test_looks_after() {
    // What is shown and checked by nobody has no place here.
    for page in pages().unwrap() {
        for block in page.blocks() {
            let known = ["console", "sh", "text", "yaml", "mermaid"].contains(&block.language());
            assert!(known, "{}:{}: a block of {:?}", page.path, block.line, block.info);
        }
    }
}
