//! `kubectl foodplatform`, found and run by kubectl itself.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::Value;
use tests::{
    cluster::{Cluster, Platform},
    process::{Service, program},
    servers, wait,
};

/// `kubectl foodplatform` with those arguments, in the platform's namespace.
fn kubectl(platform: &Platform, arguments: &[&str]) -> Command {
    let plugin = program("kubectl-foodplatform");
    let path = env::var_os("PATH").unwrap_or_default();
    let places = plugin.parent().map(Into::into).into_iter().chain(env::split_paths(&path));
    let mut command = Command::new(servers::kubectl());
    command
        .arg("foodplatform")
        .args(arguments)
        .args(["--namespace", &platform.namespace])
        .env("PATH", env::join_paths(places).expect("a PATH"))
        .env("KUBECONFIG", servers::kubeconfig())
        .env_remove("CLICOLOR_FORCE");
    command
}

/// What it prints, and what it ends with.
async fn said(platform: &Platform, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = kubectl(platform, arguments);
    let output = tokio::task::spawn_blocking(move || command.stderr(Stdio::inherit()).output()).await;
    let output = output.expect("no panic").expect("kubectl starts");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_tells_how_the_platform_stands() {
    let platform = Cluster::connect().await.quickstart().await;
    platform.until_ready().await;
    // A reader knows its lag a while after it has started.
    wait::until("every reader's lag", wait::SOON, async || {
        let (code, status) = said(&platform, &["status", &platform.name, "-o", "json"]).await;
        wait::equals(code, Some(0))?;
        let status: Value = serde_json::from_str(&status).map_err(|error| format!("{error}: {status}"))?;
        let services = status["services"].as_array().ok_or_else(|| status.to_string())?;
        let told =
            services.iter().filter(|service| service["lag"]["total"].is_u64() && service["lag"]["untold"].is_null());
        let mut names: Vec<_> = told.filter_map(|service| service["name"].as_str()).collect();
        names.sort_unstable();
        wait::equals(names, vec!["cook", "delivery", "mypage", "order"]).map_err(|seen| format!("{seen}: {status}"))
    })
    .await;
    let (code, tree) = said(&platform, &["status", &platform.name]).await;
    assert_eq!(code, Some(0));
    assert!(tree.contains("ready  5/5 services") && tree.contains("lag 0"), "{tree}");

    let (code, diff) = said(&platform, &["diff", &platform.name]).await;
    assert_eq!((code, diff.as_str()), (Some(0), ""), "at rest nothing differs");
}

/// A program that runs on, with what it has printed so far. It ends with this value.
struct Running {
    program: Child,
    printed: Arc<Mutex<String>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut program = command.stdout(Stdio::piped()).spawn().expect("kubectl starts");
        let output = BufReader::new(program.stdout.take().expect("its output"));
        let printed = Arc::new(Mutex::new(String::new()));
        let into = Arc::clone(&printed);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                into.lock().unwrap().extend([line.as_str(), "\n"]);
            }
        });
        Self { program, printed }
    }

    /// Waits until a line is printed that holds all of `parts`.
    async fn until_line(&self, parts: &[&str]) {
        wait::until(&format!("a line with {parts:?}"), wait::SOON, async || {
            let printed = self.printed.lock().unwrap().clone();
            let found = printed.lines().any(|line| parts.iter().all(|part| line.contains(part)));
            if found { Ok(()) } else { Err(printed) }
        })
        .await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // kubectl has become the plugin: it is this very process.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_shows_and_follows_logs() {
    let platform = Cluster::connect().await.quickstart().await;
    platform.until_ready().await;
    let pods = async || {
        let selector = format!("{},foodplatform.dev/role=serve", platform.selector_of(Service::Delivery));
        platform.cluster.names::<Pod>(&platform.namespace, &selector).await
    };
    let old = pods().await.expect("pods").remove(0);
    let (code, raw) = said(&platform, &["logs", &platform.name, "delivery", "--raw"]).await;
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = raw.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(lines.iter().any(|line| line["message"] == "ready"), "{raw}");
    let (code, all) = said(&platform, &["logs", &platform.name]).await;
    assert_eq!(code, Some(0));
    for service in Service::ALL {
        let prefix = format!("{service}/{}-", platform.child(service));
        let ready = all.lines().any(|line| line.starts_with(&prefix) && line.contains(" INFO ready"));
        assert!(ready, "{service}: {all}");
    }

    let running = Running::start(kubectl(&platform, &["logs", &platform.name, "delivery", "--follow", "--tail=1"]));
    // From this line on nothing is missed: neither the pod's end, nor the one that takes its place.
    running.until_line(&[&format!("delivery/{old}")]).await;
    let api = platform.cluster.namespaced::<Pod>(&platform.namespace);
    api.delete(&old, &DeleteParams::default()).await.expect("the deletion");
    running.until_line(&[&format!("delivery/{old}"), " INFO stopped"]).await;
    let new = wait::until("another pod", wait::SOON, async || {
        let names = pods().await?;
        names.iter().find(|name| **name != old).cloned().ok_or_else(|| format!("{names:?}"))
    })
    .await;
    running.until_line(&[&format!("delivery/{new}"), " INFO ready"]).await;
    drop(running);
    platform.until_ready().await;
}
