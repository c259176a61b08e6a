//! The tutorial, run as a person would: one shell, command after command, as they stand in the page.

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use book::Step;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::DeleteParams;
use tests::{
    cluster::{Cluster, until_gone},
    process::program,
    servers,
};

const PAGE: &str = "docs/src/tutorial.md";
/// The namespace that its platform is in.
const NAMESPACE: &str = "tutorial";
/// For the commands of one block.
const PATIENCE: Duration = Duration::from_secs(300);
/// Ends what a block prints.
const END: &str = "--- the end of the block ---";

/// A shell that keeps its variables from one block to the next. What goes wrong in it is told on standard error, as it is to
/// people; the pages show what is on standard output.
struct Shell {
    process: Child,
    commands: ChildStdin,
    printed: Receiver<io::Result<String>>,
}

impl Shell {
    fn start() -> Self {
        let mut process = Command::new("bash")
            .current_dir(book::repository())
            .env("PATH", path())
            .env("KUBECONFIG", servers::kubeconfig())
            .env_remove("CLICOLOR_FORCE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash starts");
        let commands = process.stdin.take().expect("its input");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        let (sender, printed) = mpsc::channel();
        thread::spawn(move || output.lines().try_for_each(|line| sender.send(line)));
        Self { process, commands, printed }
    }

    /// Runs a block, and gives what it printed. It ends at its first command that fails.
    fn run(&mut self, step: &Step) -> Result<String, String> {
        // Its commands get no input, lest they read the next block.
        let block = format!("{{ set -eu\n{}\n}} </dev/null; echo; echo '{END}'\n", step.commands);
        self.commands.write_all(block.as_bytes()).map_err(|error| error.to_string())?;
        let (started, mut printed) = (Instant::now(), String::new());
        loop {
            let left = PATIENCE.saturating_sub(started.elapsed());
            match self.printed.recv_timeout(left) {
                Ok(Ok(line)) if line == END => return Ok(printed),
                Ok(Ok(line)) => printed.extend([line.as_str(), "\n"]),
                Ok(Err(error)) => return Err(format!("it printed no text: {error}")),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(format!("it has not ended after {} s, and printed\n{printed}", PATIENCE.as_secs()));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(format!("a command failed, after this was printed\n{printed}"));
                }
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// With the plugin, which people install, and the cluster's kubectl.
fn path() -> OsString {
    let ours = [program("kubectl-foodplatform"), servers::kubectl()];
    let ours = ours.iter().filter_map(|file| file.parent()).map(Into::into);
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(ours.chain(env::split_paths(&path))).expect("a PATH")
}

/// Removes the tutorial's platform with its namespace, which a run that failed leaves.
async fn clean(cluster: &Cluster) {
    let namespaces = cluster.cluster_wide::<Namespace>();
    if namespaces.delete(NAMESPACE, &DeleteParams::default()).await.is_ok() {
        until_gone(&namespaces, NAMESPACE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the order of \"A service that is lost\" is not delivered within 300 s, for a reason that is yet to be found"]
async fn the_tutorial_does_what_it_says() {
    let cluster = Cluster::connect().await;
    cluster.quickstart().await.until_ready().await;
    clean(&cluster).await;
    let steps = book::steps(&book::page(PAGE).expect("the page"));
    assert!(steps.len() > 15, "{} blocks", steps.len());
    let followed = tokio::task::spawn_blocking(move || follow(&steps)).await.expect("no panic");
    clean(&cluster).await;
    followed.unwrap_or_else(|problem| panic!("{problem}"));
}

fn follow(steps: &[Step]) -> Result<(), String> {
    let mut shell = Shell::start();
    for step in steps {
        let started = Instant::now();
        let outcome = shell.run(step).and_then(|printed| step.compare(&printed));
        outcome.map_err(|problem| format!("{PAGE}:{}: {problem}\nby\n{}", step.line, step.commands))?;
        eprintln!("{PAGE}:{}: {:.1} s", step.line, started.elapsed().as_secs_f64());
    }
    Ok(())
}
