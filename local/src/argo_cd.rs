//! Argo CD as it runs headless ("core"): what makes a cluster as a git repository says, without the server that people talk to.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    time::Duration,
};

use anyhow::Result;

use crate::{Progress, Server, packages, process::free_port, program::Program};

/// How long a component may take to start: the controller looks at everything in the cluster first.
const LIMIT: Duration = Duration::from_secs(60);

/// Argo CD's controller and its server of repositories, with the Redis that they share and a git server, all on loopback. They
/// end when this is dropped.
pub struct ArgoCd {
    git: SocketAddr,
    // Dropped in this order.
    _controller: Server,
    _repo_server: Server,
    _redis: Server,
    _git: Server,
}

/// What Argo CD is to work with.
#[derive(Debug, Clone, Copy)]
pub struct ArgoCdSettings<'a> {
    /// The directory of its programs, see [`crate::argocd`].
    pub programs: &'a Path,
    /// Helm, which it makes charts' objects with.
    pub helm: &'a Path,
    /// The cluster that it runs in, where its definitions, its ConfigMaps and its Secret are already.
    pub kubeconfig: &'a Path,
    /// The namespace of these.
    pub namespace: &'a str,
    /// The directory of bare git repositories, that [`ArgoCd::repository`] leads to.
    pub repositories: &'a Path,
    /// Where all that it writes goes.
    pub directory: &'a Path,
}

impl ArgoCd {
    /// Starts it, and waits until it is ready.
    ///
    /// # Errors
    /// When a component does not start, with the end of its log.
    pub fn start(settings: ArgoCdSettings<'_>) -> Result<Self> {
        packages::install(&["git", "redis-server"], &Progress::new())?;
        let directory = settings.directory;
        let git = address()?;
        let arguments = [
            "daemon".to_owned(),
            "--export-all".to_owned(),
            format!("--base-path={}", settings.repositories.display()),
            format!("--listen={}", git.ip()),
            format!("--port={}", git.port()),
        ];
        let git_server = start(&Program::new("git-daemon", Path::new("/usr/bin/git"), arguments), directory, git)?;
        let redis = address()?;
        let arguments = ["--bind", &redis.ip().to_string(), "--port", &redis.port().to_string(), "--save", ""];
        let program =
            Program::new("redis", Path::new("/usr/bin/redis-server"), arguments.into_iter().map(str::to_owned));
        let redis_server = start(&program, directory, redis)?;

        let repo = address()?;
        let metrics = address()?;
        let arguments = [
            "argocd-repo-server".to_owned(),
            format!("--address={}", repo.ip()),
            format!("--port={}", repo.port()),
            format!("--metrics-address={}", metrics.ip()),
            format!("--metrics-port={}", metrics.port()),
            format!("--redis={redis}"),
            "--disable-tls".to_owned(),
            "--client-ca-path=".to_owned(),
        ];
        let repo_server = start(&settings.program(&arguments), directory, repo)?;
        let metrics = address()?;
        let arguments = [
            "argocd-application-controller".to_owned(),
            format!("--kubeconfig={}", settings.kubeconfig.display()),
            format!("--namespace={}", settings.namespace),
            format!("--repo-server={repo}"),
            "--repo-server-plaintext".to_owned(),
            // Where its server, which is not here, would show it from Redis.
            "--persist-resource-health".to_owned(),
            format!("--redis={redis}"),
            format!("--metrics-port={}", metrics.port()),
        ];
        let controller = start(&settings.program(&arguments), directory, metrics)?;
        Ok(Self { git, _controller: controller, _repo_server: repo_server, _redis: redis_server, _git: git_server })
    }

    /// The URL of the repository in the directory of that name.
    pub fn repository(&self, name: &str) -> String {
        format!("git://{}/{name}", self.git)
    }
}

impl ArgoCdSettings<'_> {
    /// A component, by its name and its arguments.
    fn program(&self, line: &[String]) -> Program {
        let helm = self.helm.parent().unwrap_or(self.helm).display();
        let (programs, directory) = (self.programs.display(), self.directory.display());
        let variables = [
            format!("PATH={programs}:{helm}:/usr/bin:/bin"),
            format!("HOME={directory}"),
            format!("TMPDIR={directory}"),
            format!("KUBECONFIG={}", self.kubeconfig.display()),
            format!("ARGOCD_GPG_DATA_PATH={directory}"),
            // Signatures of commits are not looked at.
            "ARGOCD_GPG_ENABLED=false".to_owned(),
            // What an Application calls https://kubernetes.default.svc is the cluster of KUBECONFIG.
            "ARGOCD_FAKE_IN_CLUSTER=true".to_owned(),
        ];
        let name = line.first().map(String::as_str).unwrap_or_default();
        Program::new(name, Path::new("/usr/bin/env"), variables.into_iter().chain(line.iter().cloned()))
    }
}

fn address() -> Result<SocketAddr> {
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), free_port()?))
}

/// Starts a server, and waits until something listens at `address`.
fn start(program: &Program, logs: &Path, address: SocketAddr) -> Result<Server> {
    let mut server = Server::start(program, logs)?;
    server.wait_ready(LIMIT, |_| TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok())?;
    Ok(server)
}
