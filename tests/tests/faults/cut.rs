//! A cut in the network between two services: packets get lost, and nobody is told.
//!
//! A rule of iptables drops them. Services share loopback, so the addresses don't tell who calls whom: the caller's
//! packets are known by its group, and the connections that it made by a mark that they get with its next packet.

use std::process::{Command, id};

use local::run;
use tests::{platform::Platform, process::Service};

use crate::leftovers::{is_left, new_name};

/// An answer's packets have 20 bytes of IP, 32 of TCP and its text. Those that only make, confirm or end a connection are
/// shorter.
const SHORTEST_ANSWER: &str = "100:";

/// What gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// Whatever the caller sends: no connection can be made, and on those that there are no request arrives.
    Requests,
    /// Answers alone: connections are made, requests arrive and are carried out, and the caller does not come to know.
    Answers,
}

/// A cut, until it is dropped.
pub(crate) struct Cut {
    chain: String,
}

impl Cut {
    /// Cuts one service off from another that it calls. What others say to either of them arrives.
    ///
    /// # Panics
    /// When iptables refuses.
    pub(crate) fn between(platform: &Platform, caller: Service, called: Service, lost: Lost) -> Self {
        remove_leftovers();
        let chain = new_name();
        iptables(&["--new-chain", &chain]).expect("a chain of our own");
        let (cut, group, mark) = (Self { chain }, caller.group().to_string(), id().to_string());
        let of_caller = ["--match", "owner", "--gid-owner", &group];
        for process in platform.processes().iter().filter(|process| process.plan().service == called) {
            let (address, port) = (process.plan().address.to_string(), process.plan().port.to_string());
            let to = ["--destination", &address, "--protocol", "tcp", "--dport", &port];
            let from = ["--source", &address, "--protocol", "tcp", "--sport", &port];
            match lost {
                Lost::Requests => cut.add(&[&to, &of_caller, &["--jump", "DROP"]]),
                Lost::Answers => {
                    cut.add(&[&to, &of_caller, &["--jump", "CONNMARK", "--set-mark", &mark]]);
                    let marked = ["--match", "connmark", "--mark", &mark];
                    cut.add(&[&from, &marked, &["--match", "length", "--length", SHORTEST_ANSWER, "--jump", "DROP"]]);
                }
            }
        }
        // Last of all, so that it begins for all processes at once.
        iptables(&["--insert", "OUTPUT", "--out-interface", "lo", "--jump", &cut.chain]).expect("a rule");
        cut
    }

    fn add(&self, parts: &[&[&str]]) {
        iptables(&[&["--append", &self.chain], &parts.concat()[..]].concat()).expect("a rule");
    }

    /// How many packets were lost so far.
    pub(crate) fn packets(&self) -> u64 {
        let list = iptables(&["--list", &self.chain, "--numeric", "--verbose", "--exact"]).expect("our own chain");
        let dropped = list.lines().filter(|line| line.contains(" DROP "));
        dropped.filter_map(|line| line.split_whitespace().next()?.parse::<u64>().ok()).sum()
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        remove(&self.chain);
    }
}

fn remove_leftovers() {
    let rules = iptables(&["--list-rules"]).expect("iptables");
    rules.lines().filter_map(|line| line.strip_prefix("-N ")).filter(|chain| is_left(chain)).for_each(remove);
}

fn remove(chain: &str) {
    // It may have got only so far.
    let _ = iptables(&["--delete", "OUTPUT", "--out-interface", "lo", "--jump", chain]);
    for what in ["--flush", "--delete-chain"] {
        if let Err(error) = iptables(&[what, chain]) {
            eprintln!("cleaning up {chain}: {error}");
        }
    }
}

fn iptables(arguments: &[&str]) -> Result<String, String> {
    run(Command::new("iptables").arg("--wait").args(arguments)).map_err(|error| format!("{error:#}"))
}
