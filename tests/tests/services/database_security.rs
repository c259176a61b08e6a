//! A database that shows a certificate.

use std::{
    net::Ipv4Addr,
    path::Path,
    process::{Command, Output},
};

use local::Postgres;
use tests::process::{Service, program};

/// What becomes of a migration.
fn migrate(url: &str, ca: Option<&Path>) -> Output {
    let mut command = Command::new(program(Service::Order.name()));
    command.arg("migrate").env_clear().env("DATABASE_URL", url).env("DATABASE_SCHEMA", "food_shop_order");
    if let Some(ca) = ca {
        command.env("DATABASE_CA_FILE", ca);
    }
    command.output().unwrap()
}

#[test]
fn only_the_server_that_the_authority_vouches_for_is_talked_to() {
    let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [(server, ca), (_other, other_ca)] =
        directories.each_ref().map(|at| Postgres::start_secure(at.path(), Ipv4Addr::LOCALHOST.into()).unwrap());
    let url = server.url();
    let migrated = migrate(url, Some(&ca));
    assert!(migrated.status.success(), "{migrated:?}");

    let refused = |output: Output, why: &str| {
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(why), "{said}");
    };
    // Both authorities have the same name.
    refused(migrate(url, Some(&other_ca)), "invalid peer certificate: BadSignature");
    // The mode of the URL can't take the certificates' meaning away.
    refused(migrate(&format!("{url}?sslmode=prefer"), Some(&other_ca)), "invalid peer certificate: BadSignature");
    // The certificate is for the address alone.
    let by_name = url.replace("127.0.0.1", "localhost");
    refused(migrate(&by_name, Some(&ca)), "not valid for name");
    let migrated = migrate(&format!("{by_name}?sslmode=verify-ca"), Some(&ca));
    assert!(migrated.status.success(), "{migrated:?}");
    refused(migrate(&format!("{url}?sslmode=disable"), None), "pg_hba.conf");
    refused(migrate(url, Some(Path::new("/nowhere/ca.crt"))), "/nowhere/ca.crt");
}
