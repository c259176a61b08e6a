//! From a change of the code to a platform that runs it, by the commands of buildspec.yml and of .github/workflows: test, static
//! build, images, a registry, the tag in the platform's spec, and the new version's answer.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use ::tests::{
    api::{fresh, text},
    process::Service,
    servers, wait,
};
use local::{repository, run as run_tool};
use serde_json::{Value, json};

use crate::{
    Length, Outcome, Shown, Stage,
    load::{EVERYTHING, GENTLE, Load},
};

/// What a copy of the project goes without.
const LEFT_OUT: [&str; 3] = [".git", "target", "dist"];
/// What the change is in, so that its tests are those that count.
const CHANGED: &str = "chassis";
/// Where services say which version they are.
const DOCUMENT: &str = "/openapi.json";

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let host = servers::registry();
    let registry = format!("{host}/foodplatform");
    let work = tempfile::tempdir().map_err(|error| error.to_string())?;
    let before = version(stage, Service::Gateway).await?;
    // A registry and a node that have seen neither.
    let tag = format!("{}-c{}", next(&before)?, &fresh()[..8]);
    let mut pipeline = Pipeline { project: repository().to_owned(), version: None, shown: vec![], times: vec![] };
    let after = if stage.length == Length::Short {
        // Without a change, so that there is nothing to lint or to test: the same programs in images with another tag. They
        // are not to be compiled again, to say which commit they are of.
        pipeline.version = Some(before.clone());
        before.clone()
    } else {
        pipeline.step("lint", &["lint"])?;
        pipeline.project = work.path().to_owned();
        change(&pipeline.project, &before, &tag).map_err(|error| format!("changing a copy of the project: {error}"))?;
        pipeline.step("test", &["test", "pure", "--package", CHANGED, "--package", "gateway"])?;
        tag.clone()
    };
    pipeline.step("images", &["images", "--push", &registry, "--plain-http", "--tag", &tag])?;

    let load = Load::start(stage, GENTLE, EVERYTHING, &Service::ALL).await;
    load.answers(50).await;
    load.mark(format!("tag {tag}"));
    let started = Instant::now();
    let image = json!({ "registry": registry, "tag": tag, "pullPolicy": "IfNotPresent" });
    let patch = json!({ "spec": { "image": image } }).to_string();
    let name = &stage.platform.name;
    pipeline.shown.push(stage.kubectl(&["patch", "foodplatform", name, "--type=merge", "--patch", &patch]).await);
    let ready = format!("foodplatform/{name}");
    pipeline.shown.push(stage.kubectl(&["wait", &ready, "--for=condition=Ready", "--timeout=5m"]).await);
    for service in Service::ALL {
        stage.until_image(service, |image| image == reference(&registry, service, &tag)).await;
    }
    pipeline.times.push(format!("rollout {:.0} s", started.elapsed().as_secs_f64()));
    load.mark("all pods new");
    load.answers(50).await;
    let traffic = load.stop().await;
    let answered = traffic.without_deferral()?;
    let held = stage.delivered(traffic.told).await?;

    pipeline.shown.push(stored(&host, &tag).await?);
    pipeline.shown.push(pulled(stage, &registry, &tag).await?);
    for service in Service::ALL {
        let says = version(stage, service).await?;
        if says != after {
            return Err(format!("{service} says that it is {says}, not {after}"));
        }
    }
    let gateway = text(&stage.gateway.get(DOCUMENT).await.expect(200)["info"], "version").to_owned();
    if gateway != after {
        return Err(format!("the gateway's address says {gateway}, not {after}"));
    }
    let order = stage.gateway.place_one(&stage.gateway.menu_with_stock(1).await, 1).await;
    stage.gateway.follow(&order, "DELIVERED").await;
    let change = match stage.length {
        Length::Short => "the same programs in new images",
        Length::Full => "a change of the version in Cargo.toml, the tests of what it is compiled into",
    };
    let answer = match stage.length {
        Length::Short => format!("all services answer as version {after}, as before"),
        Length::Full => format!("all services answer as version {after}, before it was {before}"),
    };
    Ok(Outcome {
        done: format!(
            "{change}, and the other steps of buildspec.yml and of the GitHub workflow: {}",
            pipeline.times.join(", ")
        ),
        seen: format!(
            "the node pulled five images of tag {tag} from {host}; {answer}, and delivered an order; {answered} requests during \
             the rollout and none failed; {held}"
        ),
        figure: pipeline.times.join(", "),
        shown: pipeline.shown,
        timeline: Some(traffic.timeline),
    })
}

/// The project's commands, one after the other.
struct Pipeline {
    project: PathBuf,
    /// What programs are to call themselves instead of what git says.
    version: Option<String>,
    shown: Vec<Shown>,
    times: Vec<String>,
}

impl Pipeline {
    /// Runs `cargo xtask …` in the project.
    fn step(&mut self, name: &str, arguments: &[&str]) -> Result<(), String> {
        let started = Instant::now();
        let mut command = Command::new("cargo");
        command.arg("xtask").args(arguments).current_dir(&self.project).env("CARGO_TARGET_DIR", target());
        command.envs(self.version.iter().map(|version| ("FOODPLATFORM_VERSION", version)));
        let output = tokio::task::block_in_place(|| run_tool(&mut command)).map_err(|error| format!("{error:#}"))?;
        self.shown.push(Shown { command: format!("cargo xtask {}", arguments.join(" ")), output: last_lines(&output) });
        self.times.push(format!("{name} {:.0} s", started.elapsed().as_secs_f64()));
        Ok(())
    }
}

/// Where the project's programs are built: libraries need not be built again for a copy.
fn target() -> PathBuf {
    repository().join(env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from))
}

fn last_lines(output: &str) -> String {
    let lines: Vec<_> = output.lines().collect();
    lines[lines.len().saturating_sub(20)..].iter().map(|line| format!("{line}\n")).collect()
}

/// Copies the project into a directory, with another version.
fn change(directory: &Path, old: &str, new: &str) -> io::Result<()> {
    copy(repository(), directory)?;
    let file = directory.join("Cargo.toml");
    let text = fs::read_to_string(&file)?;
    let changed = text.replacen(&format!("version = \"{old}\""), &format!("version = \"{new}\""), 1);
    if changed == text {
        return Err(io::Error::other(format!("Cargo.toml doesn't say that this is version {old}")));
    }
    fs::write(&file, changed)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        if LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The version after that one, in its last number.
fn next(version: &str) -> Result<String, String> {
    let (front, last) = version.rsplit_once('.').ok_or_else(|| format!("{version} is no version"))?;
    let last: u64 = last.parse().map_err(|_| format!("{version} is no version of three numbers"))?;
    Ok(format!("{front}.{}", last + 1))
}

fn reference(registry: &str, service: Service, tag: &str) -> String {
    format!("{registry}/{service}:{tag}")
}

/// The version that a pod of a service says it is.
async fn version(stage: &Stage, service: Service) -> Result<String, String> {
    let answer = stage.direct(service).await.get(DOCUMENT).await;
    let version = text(&answer.body["info"], "version").to_owned();
    if version.is_empty() { Err(format!("{service} doesn't say its version: {}", answer.text)) } else { Ok(version) }
}

/// That the registry has the images.
async fn stored(host: &str, tag: &str) -> Result<Shown, String> {
    let mut output = String::new();
    for service in Service::ALL {
        let url = format!("http://{host}/v2/foodplatform/{service}/tags/list");
        let answer = reqwest::get(&url).await.map_err(|error| error.to_string())?;
        let list = answer.text().await.map_err(|error| error.to_string())?;
        let tags = serde_json::from_str::<Value>(&list).unwrap_or_default();
        if !tags["tags"].as_array().is_some_and(|tags| tags.iter().any(|own| own == tag)) {
            return Err(format!("the registry doesn't have tag {tag} of {service}: {list}"));
        }
        output += &format!("{}\n", list.trim());
    }
    Ok(Shown { command: format!("curl http://{host}/v2/foodplatform/SERVICE/tags/list"), output })
}

/// That the kubelet has pulled each image, and has not had it from anywhere else.
async fn pulled(stage: &Stage, registry: &str, tag: &str) -> Result<Shown, String> {
    let columns = "custom-columns=OBJECT:.involvedObject.name,MESSAGE:.message";
    let arguments = ["get", "events", "--field-selector", "reason=Pulled", "-o", columns];
    let output = wait::until("events of five pulls", wait::SOON, async || {
        let events = stage.kubectl(&arguments).await;
        let own: Vec<_> = events.output.lines().filter(|line| line.contains(tag)).collect();
        for service in Service::ALL {
            let wanted = format!("Successfully pulled image \"{}\"", reference(registry, service, tag));
            if !own.iter().any(|line| line.contains(&wanted)) {
                return Err(format!("no pull of {service}: {own:?}"));
            }
        }
        Ok(own.iter().map(|line| format!("{line}\n")).collect())
    })
    .await;
    Ok(Shown { command: format!("kubectl {} | grep {tag}", arguments.join(" ")), output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_project_has_another_version() {
        let directory = tempfile::tempdir().unwrap();
        let old = env!("CARGO_PKG_VERSION");
        let new = format!("{}-c0", next(old).unwrap());
        change(directory.path(), old, &new).unwrap();
        let text = fs::read_to_string(directory.path().join("Cargo.toml")).unwrap();
        assert!(text.contains(&format!("[workspace.package]\nversion = \"{new}\"\n")), "{text}");
        assert!(directory.path().join(".cargo/config.toml").is_file() && !directory.path().join("target").exists());
        change(directory.path(), "9.9.9", &new).unwrap_err();
    }

    #[test]
    fn a_version_has_a_next_one() {
        assert_eq!(next("0.1.9"), Ok("0.1.10".to_owned()));
        next("0.1.0-a").unwrap_err();
    }

    #[test]
    fn what_is_run_here_is_what_the_pipelines_run() {
        let text = fs::read_to_string(repository().join("buildspec.yml")).unwrap();
        for command in ["cargo xtask test pure", "cargo xtask images --push", "food patch foodplatform", "food wait"] {
            assert!(text.contains(command), "{command}");
        }
    }
}
