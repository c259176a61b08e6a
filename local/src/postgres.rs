//! PostgreSQL: Debian's server with a data directory of ours.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::{
    Daemon, exec,
    pki::{Authority, params, write_private},
    process::free_port,
    program::{Account, Program},
};

/// What the server's certificate is called.
const SERVER: &str = "server";
/// The superuser, and the database that is made for it.
const NAME: &str = "foodplatform";

/// A PostgreSQL server on a free port, for tests. It ends when this is dropped.
pub struct Postgres {
    /// The server's process.
    pub server: Daemon,
    url: String,
}

impl Postgres {
    /// Starts a server at `address` with all that it writes in `directory`, and waits until it is ready: some 3 s.
    /// When this process is root, the server runs as Debian's user `postgres`, who must be able to reach `directory`.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub fn start(directory: &Path, address: IpAddr) -> Result<Self> {
        Self::start_with(Database::at(directory, SocketAddr::new(address, free_port()?))?, directory)
    }

    /// The same, but each commit is on the disk before it is confirmed, as a database in production does it: what is
    /// measured on this server holds there.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub fn start_durable(directory: &Path, address: IpAddr) -> Result<Self> {
        let database = Database::at(directory, SocketAddr::new(address, free_port()?))?;
        Self::start_with(Database { durable: true, ..database }, directory)
    }

    /// The same as [`Postgres::start`], but it takes encrypted connections only, and shows a certificate of the authority
    /// in the file that is given, too.
    ///
    /// # Errors
    /// When it does not start, with the end of its log.
    pub fn start_secure(directory: &Path, address: IpAddr) -> Result<(Self, PathBuf)> {
        let database = Database::at(directory, SocketAddr::new(address, free_port()?))?;
        let certificates = directory.join("tls");
        database.account.own_directory(directory)?;
        database.account.own_directory(&certificates)?;
        Authority::new(&certificates)?.issue(&certificates, SERVER, params(SERVER, None), &[], &[address])?;
        database.account.own(&certificates.join(SERVER).with_extension("key"))?;
        let ca = certificates.join("ca.crt");
        Ok((Self::start_with(Database { certificates: Some(certificates), ..database }, directory)?, ca))
    }

    fn start_with(database: Database, directory: &Path) -> Result<Self> {
        let program = database.prepare()?;
        let url = database.url(&database.address.to_string())?;
        // Interrupt means "fast shutdown": clients are disconnected, not waited for.
        let server = Daemon::start(program, directory.to_owned(), Signal::SIGINT, move || database.answers())?;
        Ok(Self { server, url })
    }

    /// The connection URL of the superuser.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// PostgreSQL's own benchmark.
///
/// # Errors
/// When PostgreSQL is not installed.
pub fn pgbench() -> Result<PathBuf> {
    Ok(programs()?.join("pgbench"))
}

/// The settings of a server.
pub(crate) struct Database {
    programs: PathBuf,
    directory: PathBuf,
    address: SocketAddr,
    account: Account,
    /// Whether a commit waits for the disk.
    durable: bool,
    /// Where the server's certificate and its key are, if it has one.
    certificates: Option<PathBuf>,
}

impl Database {
    pub(crate) fn at(directory: &Path, address: SocketAddr) -> Result<Self> {
        let programs = programs()?;
        let account = Account::named("postgres")?;
        Ok(Self { programs, directory: directory.to_owned(), address, account, durable: false, certificates: None })
    }

    /// Makes the data directory if that is not done yet, and returns the program to run.
    pub(crate) fn prepare(&self) -> Result<Program> {
        self.account.own_directory(&self.directory)?;
        if !self.data().exists() {
            self.initialize()?;
        }
        let (address, port) = (self.address.ip(), self.address.port());
        let mut arguments = vec!["-D".to_owned(), self.data().to_string_lossy().into_owned()];
        let mut settings = vec![
            format!("listen_addresses={address}"),
            format!("port={port}"),
            "unix_socket_directories=".to_owned(),
            "max_connections=300".to_owned(),
        ];
        if !self.durable {
            // The data needs to outlive a process, not a power cut.
            settings.extend(["fsync=off".to_owned(), "full_page_writes=off".to_owned()]);
        }
        if let Some(certificates) = &self.certificates {
            let file = |kind: &str| certificates.join(SERVER).with_extension(kind).display().to_string();
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", file("crt")));
            settings.push(format!("ssl_key_file={}", file("key")));
        }
        for setting in settings {
            arguments.extend(["-c".to_owned(), setting]);
        }
        Ok(Program::new("postgresql", &self.programs.join("postgres"), arguments).owned_by(&self.account))
    }

    /// The superuser's URL by way of `host`, which may carry a port.
    pub(crate) fn url(&self, host: &str) -> Result<String> {
        let password = fs::read_to_string(self.password()).context("the password of PostgreSQL's superuser is gone")?;
        Ok(format!("postgres://{NAME}:{}@{host}/{NAME}", password.trim()))
    }

    /// Whether the server takes connections and has finished recovering.
    pub(crate) fn answers(&self) -> bool {
        let mut command = Command::new(self.programs.join("pg_isready"));
        command.args(["--quiet", "--host", &self.address.ip().to_string(), "--port", &self.address.port().to_string()]);
        command.status().is_ok_and(|status| status.success())
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn password(&self) -> PathBuf {
        self.directory.join("password")
    }

    /// Fills a new data directory, which takes its name when it is complete.
    fn initialize(&self) -> Result<()> {
        let (new, password) = (self.directory.join("data.new"), self.password());
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        write_private(&password, &random_password()?)?;
        self.account.own(&password)?;
        let owner = self.account.setpriv();
        let run = |script: &str| {
            let mut command = if nix::unistd::Uid::effective().is_root() {
                let mut command = Command::new("setpriv");
                command.args(&owner).arg("sh");
                command
            } else {
                Command::new("sh")
            };
            command.args(["-euc", script, "sh"]).args([&self.programs, &new, &password]).current_dir(&self.directory);
            exec::run(&mut command)
        };
        run(&format!(
            "\"$1\"/initdb --pgdata=\"$2\" --username={NAME} --pwfile=\"$3\" --auth=scram-sha-256 \
             --encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions"
        ))?;
        let hosts = if self.certificates.is_some() { "hostssl" } else { "host" };
        run(&format!("echo '{hosts} all all 0.0.0.0/0 scram-sha-256' > \"$2\"/pg_hba.conf"))?;
        run(&format!("echo 'CREATE DATABASE {NAME}' | \"$1\"/postgres --single -F -D \"$2\" postgres"))?;
        fs::rename(&new, self.data())?;
        Ok(())
    }
}

/// Debian keeps the server's programs off PATH, one directory per version: the newest.
fn programs() -> Result<PathBuf> {
    let versions =
        fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is not installed: apt-get install postgresql")?;
    versions
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("postgres").is_file())
        .max()
        .map(|(_, programs)| programs)
        .context("PostgreSQL's server is not installed: apt-get install postgresql")
}

/// 128 random bits in hexadecimal: nothing in it needs escaping in a URL.
fn random_password() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
