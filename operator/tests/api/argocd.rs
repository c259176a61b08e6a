//! Argo CD's view of platforms: its own program with our scripts, on platforms as the operator leaves them.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use foodplatform_operator::api::{
    FoodPlatform, Reason,
    condition::{DATABASE_REACHABLE, PAUSED, READY, STALLED, TOPICS_READY},
};
use regex::Regex;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    kubelet::Fate,
    world::{World, eventually, is, is_current, kafka, merge},
};

/// The scripts and what they are tested with, in the layout of Argo CD's own repository.
const CUSTOMIZATION: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../gitops/argocd/resource_customizations/foodplatform.dev/FoodPlatform");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/argocd");
/// Set, the statuses that the operator writes take the place of those that are kept.
const WRITE: &str = "WRITE_TESTDATA";

fn yaml(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of the scripts' directory.
fn file(name: &str) -> PathBuf {
    Path::new(CUSTOMIZATION).join(name)
}

fn settings() -> PathBuf {
    Path::new(EXAMPLES).join("argocd-cm.yaml")
}

/// What Argo CD says, with the settings of the example.
fn argocd(command: &str, resource: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let program = env::var_os("TEST_ARGOCD").expect("TEST_ARGOCD names Argo CD's directory");
    let mut argocd = Command::new(Path::new(&program).join("argocd"));
    argocd.args(["admin", "settings", "resource-overrides", command]).arg(resource).args(arguments);
    argocd.arg("--argocd-cm-path").arg(settings()).envs(environment.iter().copied());
    let output = argocd.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_settings_of_the_example_are_the_scripts() {
    let settings = yaml(&settings());
    let script = |name: &str| Value::from(fs::read_to_string(file(name)).unwrap());
    let data = &settings["data"];
    assert_eq!(data["resource.customizations.health.foodplatform.dev_FoodPlatform"], script("health.lua"));
    let actions = data["resource.customizations.actions.foodplatform.dev_FoodPlatform"].as_str().unwrap();
    let actions: Value = serde_saphyr::from_str(actions).unwrap();
    let definitions = ["pause", "resume"]
        .map(|name| json!({ "name": name, "action.lua": script(&format!("actions/{name}/action.lua")) }));
    assert_eq!(actions, json!({ "discovery.lua": script("actions/discovery.lua"), "definitions": definitions }));
}

#[test]
fn platforms_are_as_healthy_as_the_cases_say() {
    let cases = yaml(&file("health_test.yaml"));
    let cases = cases["tests"].as_array().unwrap();
    let mut tried = vec![];
    for case in cases {
        let path = case["inputPath"].as_str().unwrap();
        let expected = &case["healthStatus"];
        let (status, message) = (expected["status"].as_str().unwrap(), expected["message"].as_str().unwrap());
        let said = argocd("health", &file(path), &[], &[]);
        assert_eq!(said, format!("STATUS: {status}\nMESSAGE: {message}\n"), "{path}");
        tried.push(path.to_owned());
    }
    let kept = fs::read_dir(file("testdata")).unwrap();
    let mut kept: Vec<_> = kept.map(|entry| format!("testdata/{}", entry.unwrap().file_name().display())).collect();
    kept.sort();
    tried.sort();
    assert_eq!(tried, kept);
}

#[test]
fn platforms_are_paused_and_resumed_by_actions() {
    let cases = yaml(&file("actions/action_test.yaml"));
    let input = |case: &Value, field: &str| file("actions").join(case[field].as_str().unwrap());
    for case in cases["discoveryTests"].as_array().unwrap() {
        let said = argocd("list-actions", &input(case, "inputPath"), &[], &[]);
        let said: Vec<_> = said.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        let expected = case["result"].as_array().unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|action| {
                vec![action["name"].as_str().unwrap(), if action["disabled"] == true { "true" } else { "false" }]
            })
            .collect();
        assert_eq!(said, expected, "{case}");
    }
    for case in cases["actionTests"].as_array().unwrap() {
        let (source, directory) = (input(case, "inputPath"), tempfile::tempdir().unwrap());
        // It shows what it would change by another program, which is given both in files; the changed one has the resource's name.
        let show = format!("cp --target-directory {}", directory.path().display());
        argocd("run-action", &source, &[case["action"].as_str().unwrap()], &[("KUBECTL_EXTERNAL_DIFF", &show)]);
        let name = yaml(&source)["metadata"]["name"].as_str().unwrap().to_owned();
        assert_eq!(yaml(&directory.path().join(name)), yaml(&input(case, "expectedOutputPath")), "{case}");
    }
}

/// A platform as the operator has left it, but for what is another one each time.
fn at_rest(platform: &FoodPlatform) -> Value {
    let namespace = platform.metadata.namespace.as_deref().unwrap();
    let mut value = serde_json::to_value(platform).unwrap();
    value["metadata"] = json!({
        "name": platform.metadata.name, "namespace": namespace, "generation": platform.metadata.generation,
    });
    let text = value.to_string().replace(namespace, "food").replace(&kafka(), "kafka:9092");
    let times = Regex::new(r#""lastTransitionTime":"[^"]+""#).unwrap();
    let text = times.replace_all(&text, r#""lastTransitionTime":"2026-01-01T00:00:00Z""#);
    let ids = Regex::new(r#""topicId":"[^"]+""#).unwrap();
    let text = ids.replace_all(&text, r#""topicId":"XTggzfXcRkuXvXz483kj2w""#);
    let ports = Regex::new(r#""endpoint":"[^"]+""#).unwrap();
    let text = ports.replace_all(&text, r#""endpoint":"http://192.0.2.7:30080""#);
    serde_json::from_str(&text).unwrap()
}

/// Waits until the platform is as it is kept in a file, or, when told so, puts it there as soon as it is as wanted.
async fn is_as_kept(world: &World, name: &str, wanted: impl Fn(&FoodPlatform) -> bool) -> Value {
    let path = file("testdata").join(format!("{name}.yaml"));
    if env::var_os(WRITE).is_some() {
        eventually(name, || async { world.get::<FoodPlatform>("shop").await.filter(|platform| wanted(platform)) })
            .await;
        // How pods are is told a moment later.
        sleep(Duration::from_secs(3)).await;
        let platform = world.get::<FoodPlatform>("shop").await.unwrap();
        fs::write(&path, serde_saphyr::to_string(&at_rest(&platform)).unwrap()).unwrap();
    }
    let kept = yaml(&path);
    let mut last = Value::Null;
    for _ in 0..300 {
        let platform = world.get::<FoodPlatform>("shop").await.unwrap();
        last = at_rest(&platform);
        if last == kept {
            assert!(wanted(&platform), "{last:#}");
            return last;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{} is not what the operator writes (run with {WRITE}=1 to keep that): {last:#}", path.display());
}

/// What is kept in a file is a platform that was made from another one.
fn follows(name: &str, platform: &Value) {
    let path = file("testdata").join(format!("{name}.yaml"));
    if env::var_os(WRITE).is_some() {
        fs::write(&path, serde_saphyr::to_string(platform).unwrap()).unwrap();
    }
    assert_eq!(yaml(&path), *platform, "{}", path.display());
}

#[tokio::test]
async fn the_cases_are_what_the_operator_writes() {
    let unseen = World::unattended("unseen").await;
    unseen.shop(json!({})).await;
    let mut bare = is_as_kept(&unseen, "progressing_unseen", |_| true).await;
    unseen.end().await;
    // As such a one is that an older definition took.
    bare.as_object_mut().unwrap().remove("status");
    follows("progressing_noStatus", &bare);

    let world = World::without_secret("shown").await;
    world.pods(Fate::Nothing);
    world.shop(json!({})).await;
    let stalls = |shop: &FoodPlatform| is_current(shop) && is(shop, STALLED, "True", Reason::SecretNotFound.as_str());
    let topics_ready = |shop: &FoodPlatform| is(shop, TOPICS_READY, "True", "TopicsReady");
    is_as_kept(&world, "degraded_secretNotFound", |shop| stalls(shop) && topics_ready(shop)).await;
    let pause =
        async |paused: Value| drop(world.patch::<FoodPlatform>("shop", json!({ "spec": { "paused": paused } })).await);
    let is_paused = |shop: &FoodPlatform| is_current(shop) && is(shop, PAUSED, "True", "Paused");

    // Nobody answers there.
    world.secret_with("url", "postgres://food:secret@127.0.0.1:1/food").await;
    let silent = |shop: &FoodPlatform| is(shop, DATABASE_REACHABLE, "False", Reason::DatabaseUnreachable.as_str());
    is_as_kept(&world, "progressing_databaseUnreachable", |shop| {
        is_current(shop) && silent(shop) && topics_ready(shop)
    })
    .await;
    world.secret("url").await;
    is_as_kept(&world, "progressing_migrations", |shop| {
        let reachable = is(shop, DATABASE_REACHABLE, "True", "DatabaseReachable");
        is_current(shop) && is(shop, READY, "False", "Progressing") && topics_ready(shop) && reachable
    })
    .await;
    world.pods(Fate::Work);
    let healthy = is_as_kept(&world, "healthy", |shop| {
        is_current(shop) && is(shop, READY, "True", "Ready") && topics_ready(shop)
    })
    .await;
    pause(json!(true)).await;
    is_as_kept(&world, "suspended", |shop| is_paused(shop) && is(shop, READY, "True", "Ready")).await;
    // A paused platform is not brought about, but what can't be understood of it is told.
    let spec = json!({ "services": { "order": { "affinity": { "nodeAfinity": {} } } } });
    world.patch::<FoodPlatform>("shop", json!({ "spec": spec })).await;
    let invalid = |shop: &FoodPlatform| is(shop, STALLED, "True", Reason::InvalidSpec.as_str());
    is_as_kept(&world, "suspended_stalled", |shop| is_paused(shop) && invalid(shop)).await;
    world.end().await;

    // The operator hasn't got to it yet.
    let mut platform = healthy;
    let generation = platform["metadata"]["generation"].as_i64().unwrap() + 1;
    merge(&mut platform, json!({ "metadata": { "generation": generation }, "spec": { "image": { "tag": "1.1.0" } } }));
    follows("progressing_newGeneration", &platform);
    // The operator leaves no conditions of another generation behind, but others may who write a status.
    merge(&mut platform, json!({ "status": { "observedGeneration": generation } }));
    follows("progressing_staleConditions", &platform);
}

/// The Applications of the example, by their files.
fn applications() -> BTreeMap<String, Value> {
    let directory = Path::new(EXAMPLES).join("apps");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut applications: BTreeMap<_, _> = files.map(|path| (name(&path), yaml(&path))).collect();
    applications.insert("root".to_owned(), yaml(&Path::new(EXAMPLES).join("root.yaml")));
    applications
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

#[test]
fn the_applications_lead_to_what_is_here() {
    let applications = applications();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let urls: Vec<_> = applications.values().map(|application| &application["spec"]["source"]["repoURL"]).collect();
    assert!(urls.iter().all(|url| *url == urls[0]), "{urls:?}");
    for (name, application) in &applications {
        let source = &application["spec"]["source"];
        let path = repository.join(source["path"].as_str().unwrap());
        let expected: &[&str] = match name.as_str() {
            "root" => &["operator.yaml", "platform.yaml"],
            "operator" => &["Chart.yaml"],
            "platform" => &["shop.yaml"],
            other => panic!("what does {other} lead to?"),
        };
        for file in expected {
            assert!(path.join(file).is_file(), "{name}: {}", path.join(file).display());
        }
    }
    let wave = |name: &str| -> i32 {
        let annotation = &applications[name]["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"];
        annotation.as_str().unwrap().parse().unwrap()
    };
    assert!(wave("operator") < wave("platform"), "a FoodPlatform can't be applied before its definition");

    // The chart takes the values: it has a schema of them.
    let source = &applications["operator"]["spec"]["source"];
    let values = tempfile::NamedTempFile::new().unwrap();
    fs::write(values.path(), source["helm"]["valuesObject"].to_string()).unwrap();
    let helm = env::var("TEST_HELM").expect("TEST_HELM names Helm");
    let mut template = Command::new(helm);
    template.args(["template", source["helm"]["releaseName"].as_str().unwrap()]);
    template.arg(repository.join(source["path"].as_str().unwrap())).arg("--values").arg(values.path());
    let output = template.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
