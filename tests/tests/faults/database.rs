//! PostgreSQL that ends, freezes, or drops its clients: services recover by themselves.

use std::time::Duration;

use crate::trial::Trial;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_may_be_killed() {
    let mut trial = Trial::start(30).await;
    for _ in 0..2 {
        trial.pause(3 * SECOND, 5 * SECOND).await;
        trial.say("killing PostgreSQL");
        tokio::task::block_in_place(|| trial.servers.postgres.server.kill()).expect("our own process");
        trial.pause(SECOND, 5 * SECOND).await;
        trial.say("starting it again");
        tokio::task::block_in_place(|| trial.servers.postgres.server.restart()).expect("PostgreSQL starts again");
    }
    let record = trial.finish().await;
    assert!(!record.failures().is_empty(), "nobody noticed: {record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_may_freeze() {
    /// Longer than a connection is waited for (3 s), a statement may take (5 s), a lease holds (5 s), a request may
    /// take (9 s) and a transaction may be idle (10 s).
    const FROZEN: Duration = Duration::from_secs(13);
    let mut trial = Trial::start(25).await;
    trial.pause(3 * SECOND, 5 * SECOND).await;
    trial.say("freezing PostgreSQL");
    tokio::task::block_in_place(|| trial.servers.postgres.server.pause()).expect("our own process");
    tokio::time::sleep(FROZEN).await;
    trial.say("PostgreSQL goes on");
    trial.servers.postgres.server.resume().expect("our own process");
    let record = trial.finish().await;
    assert!(!record.failures().is_empty(), "nobody noticed: {record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_may_be_cut() {
    let mut trial = Trial::start(25).await;
    while trial.is_loaded() {
        trial.pause(SECOND / 2, 2 * SECOND).await;
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let count = trial.platform.database.number(cut).await.expect("PostgreSQL answers");
        trial.say(&format!("{count} connections cut"));
        assert!(count > 0, "there were none");
    }
    trial.finish().await;
}
