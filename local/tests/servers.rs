//! The servers for tests, on this machine: `cargo xtask test services`.

#![cfg(feature = "machine-tests")]
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    process::Command,
    time::Duration,
};

use local::{Binaries, Cache, ControlPlane, Daemon, Kafka, Postgres, Progress, run};

fn binaries() -> Binaries {
    Binaries::build(&Cache::open().unwrap(), &Progress::new()).unwrap()
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    // PostgreSQL's own user must reach its directory in there.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
    directory
}

fn accepts(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

/// Stops, kills, freezes and restarts a server, which `answers` within a second if and only if it runs.
fn lives(server: &mut Daemon, answers: impl Fn() -> bool) {
    assert!(answers());
    server.pause().unwrap();
    assert!(!answers(), "it answers while it is frozen");
    server.resume().unwrap();
    assert!(answers());
    server.kill().unwrap();
    assert!(!answers());
    server.restart().unwrap();
    assert!(answers());
    server.stop().unwrap();
    assert!(!answers());
    server.restart().unwrap();
    assert!(answers());
}

#[test]
fn postgresql_keeps_its_data_over_a_kill() {
    let directory = directory();
    let mut postgres = Postgres::start(&directory.path().join("postgresql"), Ipv4Addr::LOCALHOST.into()).unwrap();
    let url = postgres.url().to_owned();
    let sql = |text: &str| {
        run(Command::new("psql").env("PGCONNECT_TIMEOUT", "1").args([&url, "--tuples-only", "--command", text]))
    };
    sql("CREATE TABLE kept AS SELECT 7 AS number").unwrap();
    lives(&mut postgres.server, || sql("SELECT 1").is_ok());
    assert_eq!(sql("SELECT number FROM kept").unwrap().trim(), "7");
    drop(postgres);
    assert!(sql("SELECT 1").is_err(), "it outlives its owner");
}

#[test]
fn kafka_stops_freezes_and_comes_back() {
    let directory = directory();
    let mut kafka = Kafka::start(&binaries(), directory.path(), Ipv4Addr::LOCALHOST.into()).unwrap();
    let address = kafka.bootstrap_servers();
    // ApiVersions, version 0, correlation 1, no client id: the shortest request there is.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 255, 255];
    lives(&mut kafka.server, || {
        let Ok(mut stream) = TcpStream::connect(&address) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        stream.write_all(&request).is_ok() && stream.read_exact(&mut [0; 8]).is_ok()
    });
    drop(kafka);
    assert!(!accepts(&address), "it outlives its owner");
}

#[test]
fn a_control_plane_serves_and_leaves() {
    let (directory, binaries) = (directory(), binaries());
    let control_plane = ControlPlane::start(&binaries, directory.path()).unwrap();
    let mut command = Command::new(binaries.kubectl());
    command.arg("--kubeconfig").arg(control_plane.kubeconfig()).args(["create", "namespace", "x"]);
    run(&mut command).unwrap();
    let server = fs::read_to_string(control_plane.kubeconfig()).unwrap();
    let server = server.split('"').find_map(|word| word.strip_prefix("https://")).unwrap().to_owned();
    assert!(accepts(&server));
    drop(control_plane);
    assert!(!accepts(&server), "it outlives its owner");
}

#[test]
fn schemathesis_starts_from_where_it_was_moved() {
    let command = local::schemathesis(&Cache::open().unwrap(), &Progress::new()).unwrap();
    let said = run(Command::new(command).arg("--version")).unwrap();
    assert!(said.contains("version"), "{said}");
}
