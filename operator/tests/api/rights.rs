//! The rights that the chart gives: enough for everything, and none too many.

use std::fmt::Debug;

use foodplatform_operator::{
    api::{FoodPlatform, condition::STALLED},
    build::{self, labels},
    controller::{self, Conditions},
    fence::Fence,
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
        core::v1::{ConfigMap, Secret, Service, ServiceAccount},
        policy::v1::PodDisruptionBudget,
        rbac::v1::{ClusterRole, PolicyRule, RoleBinding, RoleRef},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use nix::sys::signal::Signal;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    installation::{Installation, Rights},
    interference::Interference,
    strimzi::Cluster,
    undecodable::{self, UNREADABLE},
    ways_in::{self, HTTP_ROUTES},
    world::{World, eventually, is, message, shop},
};

/// Rights that no request shows. That this one is needed is tested below.
const UNSEEN: [(&str, &str, &str); 1] = [("update", "foodplatform.dev", "foodplatforms/finalizers")];

/// Everything that an operator does, from the platform's creation to its deletion.
async fn life(world: &World, cluster: &Cluster) {
    let full = json!({
        "logs": { "volume": { "size": "64Mi", "retention": "Delete" } },
        "services": { "order": { "autoscaling": { "maxReplicas": 3 } } },
        "gateway": {
            "type": null, "ingress": { "host": "shop.example.com" },
            "httpRoute": { "parentRefs": [{ "name": "web" }], "hostnames": ["shop.example.com"] },
        },
        "mesh": "Istio",
        "kafka": { "deletionPolicy": "Delete" },
    });
    world.shop(full).await;
    world.ready().await;
    // Another one, whose topics Strimzi makes.
    let mut other = shop(cluster.spec(&json!({ "deletionPolicy": "Delete" })));
    other["metadata"]["name"] = json!("other");
    world.create::<FoodPlatform>(other).await;
    eventually("the other to be ready", || async {
        world.get::<FoodPlatform>("other").await.filter(|other| is(other, "Ready", "True", "Ready"))
    })
    .await;
    world.delete::<FoodPlatform>("other").await;
    eventually("the other to be gone", || async { world.get::<FoodPlatform>("other").await.is_none().then_some(()) })
        .await;
    let old = json!({ "metadata": { "annotations": { "foodplatform.dev/changed-at": "2020-01-01T00:00:00Z" } } });
    let before = world.patch::<Secret>("shop-cancellation-tokens", old).await.data;
    eventually("other tokens", || async {
        (world.get::<Secret>("shop-cancellation-tokens").await?.data != before).then_some(())
    })
    .await;
    // The same event a second time is no new one.
    for _ in 0..2 {
        let gone = world.get::<ConfigMap>("shop-cook").await.unwrap().uid();
        world.delete::<ConfigMap>("shop-cook").await;
        eventually("the ConfigMap again", || async {
            (world.get::<ConfigMap>("shop-cook").await?.uid() != gone).then_some(())
        })
        .await;
    }
    world.ready().await;
    unlabelled(world).await;
    // Whoever copies a child with all of its metadata makes one that is the platform's, and that nobody wants.
    copied::<Service>(world).await;
    copied::<ServiceAccount>(world).await;
    copied::<PodDisruptionBudget>(world).await;
    let less = json!({ "spec": {
        "image": { "tag": "2.0.0" },
        "logs": { "volume": null },
        "services": { "order": { "autoscaling": null } },
        "gateway": { "ingress": null, "httpRoute": null },
        "mesh": null,
        "networkPolicy": { "enabled": false },
    } });
    world.patch::<FoodPlatform>("shop", less).await;
    world.ready().await;
    world.delete::<FoodPlatform>("shop").await;
    world.gone().await;
}

/// One that can't be read is told so. What makes it unreadable comes between the API server and an operator in here.
async fn unread(world: &World, installation: &Installation<'_>) {
    let client = Interference::new(UNREADABLE).client(&installation.client().await);
    let (scope, stop) = ([world.namespace.clone()], CancellationToken::new());
    let operator = {
        let stop = stop.clone();
        tokio::spawn(async move {
            controller::run(client, Fence::open(), &scope, None, &Conditions::default(), stop, || {}).await
        })
    };
    undecodable::create(world, "broken", json!({ "image": { "tag": "unreadable" } })).await;
    undecodable::broken_when(world, "told so", |broken| is(broken, STALLED, "True", "InvalidSpec")).await;
    stop.cancel();
    operator.await.unwrap();
    world.delete::<FoodPlatform>("broken").await;
}

/// Takes the label by which the operator watches from one child of each kind, and waits until each has it again: it finds
/// them by their names, in the way of what it wants to make.
async fn unlabelled(world: &World) {
    for resource in build::kinds().into_iter().chain(build::optional_kinds()) {
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), &world.namespace, &resource);
        let mut all =
            api.list(&ListParams::default().labels(&labels::platform_selector("shop"))).await.unwrap().into_iter();
        // By its owner it stays the platform's.
        let some = all.find(|child| !child.owner_references().is_empty());
        let name = some.unwrap_or_else(|| panic!("no {}", resource.kind)).name_any();
        let patch = json!({ "metadata": { "labels": { (labels::MANAGED_BY): null } } });
        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        eventually(&format!("the label of {} {name}", resource.kind), || async {
            api.get(&name).await.unwrap().labels().contains_key(labels::MANAGED_BY).then_some(())
        })
        .await;
    }
}

/// Copies order's child of a kind under another name, and waits until it is gone.
async fn copied<K>(world: &World)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize,
{
    let original = serde_json::to_value(world.get::<K>("shop-order").await.unwrap()).unwrap();
    let mut copy = json!({ "metadata": {
        "name": "copy",
        "labels": original["metadata"]["labels"],
        "ownerReferences": original["metadata"]["ownerReferences"],
    } });
    if K::kind(&()) == "Service" {
        copy["spec"] = json!({ "ports": [{ "port": 80 }] });
    }
    world.api::<K>().create(&PostParams::default(), &serde_json::from_value(copy).unwrap()).await.unwrap();
    let what = format!("the copied {} to be gone", K::kind(&()));
    eventually(&what, || async { world.get::<K>("copy").await.is_none().then_some(()) }).await;
}

/// The rights that were made use of. A patch that makes an object (201) takes the right to create it too: the audit log
/// knows no verb of its own for that.
fn used(requests: &[Value]) -> Rights {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut used = Rights::new();
    for request in requests.iter().filter(|request| request["objectRef"]["resource"].is_string()) {
        let object = &request["objectRef"];
        let resource = match object["subresource"].as_str() {
            Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
            None => text(&object["resource"]),
        };
        if request["verb"] == "patch" && request["responseStatus"]["code"] == 201 {
            used.insert(("create".to_owned(), text(&object["apiGroup"]), resource.clone()));
        }
        used.insert((text(&request["verb"]), text(&object["apiGroup"]), resource));
    }
    used
}

#[tokio::test]
async fn with_the_chart_s_rights_everything_works_and_none_of_them_is_idle() {
    let _alone = HTTP_ROUTES.lock().await;
    let world = World::unattended("rights").await;
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let routes = ways_in::definition("gateway.networking.k8s.io", "httproutes", "HTTPRoute");
    definitions.create(&PostParams::default(), &routes).await.unwrap();
    ways_in::install_destination_rules(&world.client).await;
    let cluster = Cluster::start(&world.client).await;
    let installation = Installation::new(&world, &[&world.namespace, &cluster.namespace]).await;
    let mut operator = installation.start("operator").await;
    life(&world, &cluster).await;
    cluster.end().await;
    operator.signal(Signal::SIGTERM);
    assert!(operator.process.wait().await.unwrap().success());
    unread(&world, &installation).await;
    let routes = "httproutes.gateway.networking.k8s.io";
    definitions.delete(routes, &DeleteParams::default()).await.unwrap();

    let requests = installation.requests();
    let refused: Vec<_> = requests.iter().filter(|request| request["responseStatus"]["code"] == 403).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let unseen = UNSEEN.map(|(verb, group, resource)| (verb.to_owned(), group.to_owned(), resource.to_owned()));
    let used = used(&requests);
    let idle: Vec<_> = installation.rights.difference(&used).filter(|right| !unseen.contains(right)).collect();
    assert!(idle.is_empty(), "nothing needs {idle:#?}");
    drop(operator);
    drop(installation);
    world.end().await;
}

/// Owner references that block deletion need it, where a cluster guards them.
#[tokio::test]
async fn without_the_right_to_finalizers_nothing_is_made_and_why_is_told() {
    let world = World::unattended("finalizers").await;
    let installation = Installation::new(&world, &[&world.namespace]).await;
    let (roles, bindings): (Api<ClusterRole>, Api<RoleBinding>) = (Api::all(world.client.clone()), world.api());
    let all = bindings.list(&ListParams::default()).await.unwrap();
    let binding = all.into_iter().find(|binding| binding.role_ref.kind == "ClusterRole").expect("the chart's");
    // Other tests use the chart's role.
    let mut role = roles.get(&binding.role_ref.name).await.unwrap();
    role.metadata = ObjectMeta { name: Some(world.namespace.clone()), ..ObjectMeta::default() };
    let count = role.rules.iter().flatten().count();
    let is_it = |rule: &PolicyRule| rule.resources.iter().flatten().any(|resource| resource == UNSEEN[0].2);
    role.rules.iter_mut().for_each(|rules| rules.retain(|rule| !is_it(rule)));
    assert_eq!(role.rules.iter().flatten().count(), count - 1);
    roles.create(&PostParams::default(), &role).await.unwrap();
    let bind = async |name: &str, role: &str| {
        let bound = RoleBinding {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            role_ref: RoleRef { name: role.to_owned(), ..binding.role_ref.clone() },
            subjects: binding.subjects.clone(),
        };
        bindings.create(&PostParams::default(), &bound).await.unwrap();
    };
    bind("without", &world.namespace).await;
    world.delete::<RoleBinding>(&binding.name_any()).await;

    let operator = installation.start("operator").await;
    world.shop(json!({})).await;
    let shop = world.shop_when("told", |shop| is(shop, "Ready", "False", "ApplyFailed")).await;
    let told = message(&shop, "Ready");
    assert!(told.contains("cannot set blockOwnerDeletion"), "{told}");
    bind("with", &binding.role_ref.name).await;
    world.ready().await;
    roles.delete(&world.namespace, &DeleteParams::default()).await.unwrap();
    drop(operator);
    drop(installation);
    world.end().await;
}

#[tokio::test]
async fn an_operator_of_some_namespaces_has_rights_in_these_alone() {
    let (one, two, other) =
        tokio::join!(World::unattended("watched"), World::unattended("watched-too"), World::unattended("not-watched"));
    let installation = Installation::new(&one, &[&one.namespace, &two.namespace]).await;
    let operator = installation.start("operator").await;
    other.shop(json!({})).await;
    for world in [&one, &two] {
        world.shop(json!({})).await;
        world.ready().await;
    }
    let status = other.get::<FoodPlatform>("shop").await.unwrap().status.unwrap_or_default();
    assert!(status.conditions.is_empty(), "somebody has looked at it: {status:?}");
    let user = format!("system:serviceaccount:{}:foodplatform-operator", one.namespace);
    for (namespace, allowed) in [(&one.namespace, true), (&two.namespace, true), (&other.namespace, false)] {
        for (group, resource) in [("foodplatform.dev", "foodplatforms"), ("", "secrets"), ("apps", "deployments")] {
            let asked = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    user: Some(user.clone()),
                    resource_attributes: Some(ResourceAttributes {
                        namespace: Some(namespace.clone()),
                        verb: Some("list".to_owned()),
                        group: Some(group.to_owned()),
                        resource: Some(resource.to_owned()),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
                ..Default::default()
            };
            let reviews: Api<SubjectAccessReview> = Api::all(one.client.clone());
            let answer = reviews.create(&PostParams::default(), &asked).await.unwrap();
            assert_eq!(answer.status.unwrap().allowed, allowed, "{resource} in {namespace}");
        }
    }
    let refused = installation.requests().into_iter().filter(|request| request["responseStatus"]["code"] == 403);
    assert_eq!(refused.count(), 0);
    drop(operator);
    drop(installation);
    for world in [one, two, other] {
        world.end().await;
    }
}
