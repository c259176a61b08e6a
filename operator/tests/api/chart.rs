//! The operator's chart through its life, with Helm 3 and 4.

use std::{net::TcpListener, process::Stdio};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Pod, ServiceAccount},
        rbac::v1::ClusterRole,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use nix::{sys::signal::Signal, unistd::Pid};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::{
    helm::{Chart, Helm, OPERATOR},
    installation::kubeconfig_with,
    kubelet::Fate,
    world::{World, eventually, shop},
};

/// A field of the spec that the older chart's definition doesn't have.
const NEW_FIELD: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionTimeout";

/// The chart as it was before monitoring and tests came, and before that field.
fn older(name: &str) -> Chart {
    let mut older = Chart::new(name).version("0.0.1").without("templates/tests");
    for template in ["podmonitors", "prometheusrule", "dashboards", "poddisruptionbudget"] {
        older = older.without(&format!("templates/{template}.yaml"));
    }
    older = older.changed("values.yaml", |values| drop(values.as_object_mut().unwrap().remove("monitoring")));
    older.changed("files/foodplatforms.yaml", |definition| {
        let (parent, field) = NEW_FIELD.rsplit_once('/').unwrap();
        definition.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field).unwrap();
    })
}

#[tokio::test]
async fn upgrade_and_rollback_bring_the_definition_and_uninstalling_leaves_it_with_the_platforms() {
    let world = World::unattended("charts").await;
    for helm in Helm::both(&world.namespace) {
        let name = format!("{}-{}", world.namespace, helm.major);
        let (old, new) = (older(&name), Chart::new(&name));
        let group = new.group();
        let (old, new) = (old.write(), new.write());
        let (old, new) = (old.path().to_str().unwrap(), new.path().to_str().unwrap());
        let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
        let definition = format!("foodplatforms.{group}");
        let has_field = async || {
            let live = serde_json::to_value(definitions.get(&definition).await.unwrap()).unwrap();
            live.pointer(NEW_FIELD).is_some()
        };
        let version = async || {
            let deployment = world.get::<Deployment>(&name).await.unwrap();
            deployment.labels()["helm.sh/chart"].rsplit_once('-').unwrap().1.to_owned()
        };

        let notes = helm.does(&["install", "release", old, "--set", "logLevel=debug"]).await;
        assert!(notes.contains(&format!("kubectl -n {} rollout status deployment/{name}", world.namespace)), "{notes}");
        assert!(!has_field().await);
        established(&definitions, &definition).await;
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(&group, "v1alpha1", "FoodPlatform"));
        let platforms: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &kind);
        let mut platform = shop(json!({}));
        platform["apiVersion"] = kind.api_version.clone().into();
        let platform: DynamicObject = serde_json::from_value(platform).unwrap();
        let platform = platforms.create(&PostParams::default(), &platform).await.unwrap();

        // With the older chart's values alone, in which monitoring isn't there at all.
        helm.does(&["upgrade", "release", new, "--reuse-values"]).await;
        assert!(has_field().await, "Helm {} leaves the definition as it was", helm.major);
        assert_eq!(version().await, "0.1.0");
        helm.does(&["rollback", "release", "1"]).await;
        assert!(!has_field().await);
        assert_eq!(version().await, "0.0.1");
        helm.does(&["upgrade", "release", new, "--reset-then-reuse-values", "--set", "replicas=2"]).await;
        assert!(has_field().await);
        let deployment = serde_json::to_value(world.get::<Deployment>(&name).await.unwrap()).unwrap();
        let environment = deployment.pointer("/spec/template/spec/containers/0/env").unwrap().as_array().unwrap();
        assert!(environment.contains(&json!({ "name": "LOG_LEVEL", "value": "debug" })), "{environment:?}");

        helm.does(&["uninstall", "release"]).await;
        eventually("the Deployment to be gone", || async {
            world.get::<Deployment>(&name).await.is_none().then_some(())
        })
        .await;
        let roles: Api<ClusterRole> = Api::all(world.client.clone());
        assert!(roles.get_opt(&name).await.unwrap().is_none(), "its role is left");
        let left = platforms.get("shop").await.unwrap();
        assert_eq!((left.uid(), left.metadata.deletion_timestamp), (platform.uid(), None));
        // What is left is no obstacle to the next installation.
        helm.does(&["install", "release", new]).await;
        assert_eq!(platforms.get("shop").await.unwrap().uid(), platform.uid());
        helm.does(&["uninstall", "release"]).await;
        definitions.delete(&definition, &DeleteParams::default()).await.unwrap();
    }
    world.end().await;
}

/// The account that pods run as is made by a controller.
async fn has_account(world: &World) {
    eventually("the namespace's account", || world.get::<ServiceAccount>("default")).await;
}

async fn established(definitions: &Api<CustomResourceDefinition>, name: &str) {
    eventually("the definition to be served", || async {
        let conditions = definitions.get(name).await.unwrap().status?.conditions?;
        conditions.iter().any(|c| c.type_ == "Established" && c.status == "True").then_some(())
    })
    .await;
}

/// A process of the operator for `helm test` to look at, in the place of the chart's pod.
struct Leader {
    process: Child,
    port: u16,
}

impl Leader {
    /// Starts it as that pod, which has its address then.
    async fn start(world: &World, pod: &str, lease: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let container = json!({ "name": "operator", "image": "operator.test/operator:1" });
        world.create::<Pod>(json!({ "metadata": { "name": pod }, "spec": { "containers": [container] } })).await;
        let address = json!({ "status": { "podIP": "127.0.0.1", "podIPs": [{ "ip": "127.0.0.1" }] } });
        let patch = Patch::Merge(address);
        world.api::<Pod>().patch_status(pod, &PatchParams::default(), &patch).await.unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_operator"))
            .env("KUBECONFIG", std::env::var_os("TEST_KUBECONFIG").unwrap())
            .env("POD_NAME", pod)
            .env("POD_NAMESPACE", &world.namespace)
            .env("LEASE_NAME", lease)
            .env("WATCH_NAMESPACES", &world.namespace)
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { process, port }
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id().unwrap()).unwrap();
        nix::sys::signal::kill(Pid::from_raw(id), signal).unwrap();
    }
}

/// Runs `helm test`, and what its pod is to run, with the rights and the settings that the chart gives it. Returns what both say,
/// or why it fails.
async fn helm_test(helm: &Helm, world: &World, name: &str, port: u16, patience: &str) -> Result<String, String> {
    let test = format!("{name}-test");
    let said = async {
        let before = world.get::<Pod>(&test).await.and_then(|pod| pod.uid());
        let helm = tokio::spawn(helm.command(&["test", "release", "--timeout", "60s"]).output());
        let pod = eventually("the test's pod", || async {
            world.get::<Pod>(&test).await.filter(|pod| pod.uid() != before && pod.metadata.deletion_timestamp.is_none())
        })
        .await;
        let spec = pod.spec.unwrap();
        let container = &spec.containers[0];
        let account = spec.service_account_name.unwrap();
        let wanted = TokenRequest { spec: TokenRequestSpec::default(), ..Default::default() };
        let accounts = world.api::<ServiceAccount>();
        let token = accounts.create_token_request(&account, &PostParams::default(), &wanted).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = directory.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_with(&token.status.unwrap().token)).unwrap();
        let namespace = container.env.iter().flatten().find(|variable| variable.name == "POD_NAMESPACE").unwrap();
        assert_eq!(namespace.value_from.as_ref().unwrap().field_ref.as_ref().unwrap().field_path, "metadata.namespace");
        let check = Command::new(env!("CARGO_BIN_EXE_operator"))
            .args(container.args.iter().flatten())
            .args(["--port", &port.to_string(), "--timeout", patience])
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAMESPACE", &world.namespace)
            // The copied chart's objects have another name than the operator knows of.
            .env("LEASE_NAME", name)
            .output()
            .await
            .unwrap();
        let phase = json!({ "status": { "phase": if check.status.success() { "Succeeded" } else { "Failed" } } });
        let patch = Patch::Merge(phase);
        world.api::<Pod>().patch_status(&test, &PatchParams::default(), &patch).await.unwrap();
        let helm = helm.await.unwrap().unwrap();
        assert_eq!(helm.status.success(), check.status.success(), "{}", String::from_utf8_lossy(&helm.stderr));
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if check.status.success() { Ok(text(&check.stdout)) } else { Err(text(&check.stderr)) }
    };
    said.await
}

#[tokio::test]
async fn helm_test_says_whether_an_operator_leads_and_is_ready_and_what_is_in_the_way() {
    let world = World::unattended("helm-test").await;
    // Nobody but the test may say what becomes of pods.
    world.pods(Fate::Nothing);
    has_account(&world).await;
    for helm in Helm::both(&world.namespace) {
        let name = format!("{}-{}", world.namespace, helm.major);
        let chart = Chart::new(&name).write();
        helm.does(&["install", "release", chart.path().to_str().unwrap(), "--set", "replicas=0,crds.install=false"])
            .await;
        let lease = format!("{}/{name}", world.namespace);

        let error = helm_test(&helm, &world, &name, 1, "1s").await.unwrap_err();
        assert_eq!(
            error,
            format!(
                "error: no operator leads, for nobody holds Lease {lease}: look at the operator's pods and what they log\n"
            )
        );
        let pod = format!("leader-{}", helm.major);
        let mut leader = Leader::start(&world, &pod, &name).await;
        let said = helm_test(&helm, &world, &name, leader.port, "30s").await.unwrap();
        assert_eq!(said, format!("FoodPlatforms are served, and {pod} leads and is ready\n"));
        let error = helm_test(&helm, &world, &name, 1, "1s").await.unwrap_err();
        assert!(
            error.contains(&format!(
                "Pod {}/{pod}, which leads, gives no answer at http://127.0.0.1:1/readyz",
                world.namespace
            )),
            "{error}"
        );
        leader.signal(Signal::SIGSTOP);
        let error = helm_test(&helm, &world, &name, leader.port, "1s").await.unwrap_err();
        assert!(error.contains(&format!("{pod} holds Lease {lease} but did not renew it within 9 s")), "{error}");
        leader.process.kill().await.unwrap();

        // Its rights are there only while it runs.
        assert!(world.get::<ServiceAccount>(&format!("{name}-test")).await.is_none());
        helm.does(&["uninstall", "release"]).await;
    }
    world.end().await;
}

#[tokio::test]
async fn its_pods_keep_to_the_pod_security_level_restricted() {
    let world = World::unattended("restricted").await;
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(world.client.clone());
    let enforce = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    namespaces.patch(&world.namespace, &PatchParams::default(), &Patch::Merge(enforce)).await.unwrap();
    has_account(&world).await;
    let dry_run = PostParams { dry_run: true, ..Default::default() };
    for helm in Helm::both(&world.namespace) {
        let values = format!("{OPERATOR}/ci/production-values.yaml");
        let text = helm.does(&["template", "test", OPERATOR, "--values", &values, "--kube-version", "1.35.0"]).await;
        let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        let mut tried = 0;
        for object in &objects {
            let mut pod = match object["kind"].as_str().unwrap_or_default() {
                "Deployment" => {
                    json!({ "metadata": { "name": "operator" }, "spec": object["spec"]["template"]["spec"] })
                }
                "Pod" => json!({ "metadata": { "name": "test" }, "spec": object["spec"] }),
                _ => continue,
            };
            // One that is there; the chart's own isn't.
            pod["spec"]["serviceAccountName"] = json!("default");
            pod["spec"].as_object_mut().unwrap().remove("priorityClassName");
            let created = world.api::<Pod>().create(&dry_run, &serde_json::from_value(pod.clone()).unwrap()).await;
            created.unwrap_or_else(|error| panic!("Helm {}: {error}", helm.major));
            // The level is in force.
            pod["spec"]["containers"][0]["securityContext"].as_object_mut().unwrap().remove("capabilities");
            let error = world.api::<Pod>().create(&dry_run, &serde_json::from_value(pod).unwrap()).await.unwrap_err();
            assert!(error.to_string().contains("violates PodSecurity"), "{error}");
            tried += 1;
        }
        assert_eq!(tried, 2, "the operator's and the test's");
    }
    world.end().await;
}

#[tokio::test]
async fn a_wrong_value_is_refused_with_its_path() {
    let world = World::unattended("values").await;
    for helm in Helm::both(&world.namespace) {
        for (set, path) in [
            ("replicas=two", "replicas"),
            ("image.pullPolicy=Sometimes", "image/pullPolicy"),
            ("watchNamespaces={Food}", "watchNamespaces/0"),
            ("monitoring.podMonitors.enabled=maybe", "monitoring/podMonitors/enabled"),
            ("monitoring.podMonitors.interval=often", "monitoring/podMonitors/interval"),
            ("monitoring.rules.disabled={NoSuchAlert}", "monitoring/rules/disabled/0"),
            ("monitoring.dashboards.labels.a=1", "monitoring/dashboards/labels/a"),
            ("monitoring.dashboard.enabled=true", "monitoring"),
        ] {
            let refused = helm.run(&["template", "test", OPERATOR, "--kube-version", "1.35.0", "--set", set]).await;
            let error = refused.expect_err(set);
            assert!(error.contains(&format!("'/{path}'")), "Helm {} says of {set}: {error}", helm.major);
        }
    }
    world.end().await;
}
