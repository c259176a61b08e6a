//! What breaks comes back by itself: a pod that is deleted, a process that dies, and one that hangs; and a container runtime that
//! is restarted takes nothing with it.

use std::time::{Duration, Instant};

use ::tests::{process::Service, wait};
use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::DeleteParams};
use local::Part;
use nix::sys::signal::{Signal, kill};
use serde_json::json;

use crate::{
    Length, Outcome, Shown, Stage,
    load::{Load, PAGES, Rate},
    meanwhile::{Meanwhile, until_well},
    node::{Away, process_of},
};

/// How long each may take to be back: one that hangs is noticed by its liveness probe.
const BACK: Duration = Duration::from_secs(150);
/// Those that are struck.
const STRUCK: [Service; 3] = [Service::Order, Service::Cook, Service::Delivery];
/// Those that nothing may happen to when the container runtime is restarted and order's pod deleted.
const OTHERS: [Service; 4] = [Service::Cook, Service::Delivery, Service::Mypage, Service::Gateway];

/// What happens to a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Killed,
    Deleted,
    /// The node's container runtime is restarted, and the pod deleted: there is one again once the runtime has made it.
    Renewed,
    Hung,
}

impl Blow {
    const fn words(self) -> &'static str {
        match self {
            Self::Killed => "process killed",
            Self::Deleted => "pod deleted",
            Self::Renewed => "container runtime restarted",
            Self::Hung => "process hung",
        }
    }

    /// Whether the pods that are ready, each with its restarts, are what Kubernetes has to make of the one that was struck.
    fn is_over(self, struck: &(String, i32), ready: &[(String, i32)]) -> bool {
        let (name, restarts) = struck;
        match self {
            Self::Deleted | Self::Renewed => !ready.is_empty() && ready.iter().all(|(other, _)| other != name),
            Self::Killed | Self::Hung => ready.iter().any(|(same, more)| same == name && more > restarts),
        }
    }

    /// Holds what came of the load meanwhile against what may have, and gives how many orders nobody knows the fate of.
    ///
    /// Nobody needs the struck service but those who place orders, where it is order: the gateway takes them for later once
    /// it can't connect. What was sent may have happened, so it is not taken once more: whoever was under way to a process
    /// that was killed gets 502, and whoever waits for one that hangs 504 (and 502 at its end), until the breaker has cut it
    /// off.
    fn judge(self, service: Service, meanwhile: &Meanwhile, rate: Rate) -> Result<usize, String> {
        let unknown = meanwhile.failures.values().sum();
        let (allowed, most): (&[u16], _) = match (service, self) {
            (Service::Order, Self::Killed) => (&[502], rate.orders as usize),
            (Service::Order, Self::Hung) => (&[502, 504], usize::MAX),
            _ => (&[], 0),
        };
        let is_allowed =
            |what: &String| allowed.iter().any(|status| what.starts_with(&format!("POST /orders: {status} ")));
        let may_defer = service == Service::Order;
        let must_defer = may_defer && self == Self::Hung;
        let is_good = meanwhile.failures.keys().all(is_allowed)
            && unknown <= most
            && (may_defer || meanwhile.deferred == 0)
            && (!must_defer || meanwhile.deferred > 0);
        if is_good { Ok(unknown) } else { Err(format!("{service}, {}: {meanwhile:?}", self.words())) }
    }
}

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 5, reads: 20 }, Rate { orders: 20, reads: 40 });
    // With a second pod one would be ready although the struck one may never come back.
    for service in STRUCK {
        stage.change(json!({ "services": { service.name(): { "replicas": 1, "autoscaling": null } } })).await;
    }
    stage.until_settled().await;
    for service in STRUCK {
        stage.until_pods(service, 1).await;
    }
    let load = Load::start(stage, rate, PAGES, &STRUCK).await;
    load.answers(50).await;
    let (mut times, mut shown, mut deferred, mut unknown) = (vec![], vec![], 0, 0);
    for (service, blow) in blows(stage.length) {
        let before = load.traffic();
        load.mark(format!("{service}: {}", blow.words()));
        let (pod, took) = back(stage, service, blow).await?;
        times.push(format!("{service} {} {:.1} s", blow.words(), took.as_secs_f64()));
        if blow == Blow::Hung {
            shown.push(liveness(stage, &pod).await);
        }
        // A deleted pod goes on answering for a moment.
        stage.until_pods(service, 1).await;
        until_well(&load, rate).await;
        let meanwhile = Meanwhile::between(&before, &load.traffic());
        unknown += blow.judge(service, &meanwhile, rate)?;
        deferred += meanwhile.deferred;
    }
    stage.platform.until_ready().await;
    shown.push(stage.kubectl(&["get", "pods", "-l", &stage.platform.selector()]).await);
    let traffic = load.stop().await;
    let (accepted, (answered, _)) = (traffic.told.accepted.len(), traffic.timeline.totals());
    let held = stage.delivered(traffic.told).await?;
    Ok(Outcome {
        done: "pods deleted, processes killed and stopped (SIGSTOP), and the node's container runtime restarted, under load"
            .to_owned(),
        seen: format!(
            "back by themselves: {}; {answered} requests answered, no read of MyPage failed; {accepted} orders accepted, {deferred} \
             of them for later; {unknown} that were under way to a killed or hung order got 502 or 504; {held}",
            times.join(", ")
        ),
        figure: times.join(", "),
        shown,
        timeline: Some(traffic.timeline),
    })
}

/// What is done to whom, one after the other: with a new pod between two restarts of a container, for the kubelet lets the
/// second one wait.
fn blows(length: Length) -> Vec<(Service, Blow)> {
    match length {
        Length::Short => [Blow::Killed, Blow::Renewed, Blow::Hung].map(|blow| (Service::Order, blow)).to_vec(),
        Length::Full => {
            let each = |service| [Blow::Killed, Blow::Deleted, Blow::Hung].map(|blow| (service, blow));
            STRUCK.into_iter().flat_map(each).chain([(Service::Order, Blow::Renewed)]).collect()
        }
    }
}

/// Strikes a service's one pod, and gives its name, and how long it took until one was ready again.
async fn back(stage: &Stage, service: Service, blow: Blow) -> Result<(String, Duration), String> {
    let struck = wait::until(&format!("the one pod of {service}"), wait::SOON, async || {
        match ready(stage, &[service]).await?.as_slice() {
            [pod] => Ok(pod.clone()),
            pods => Err(format!("{pods:?}")),
        }
    })
    .await;
    let others = ready(stage, &OTHERS).await?;
    let (name, started) = (struck.0.clone(), Instant::now());
    if blow == Blow::Renewed {
        Away::stop(&stage.node, Part::Containerd)?.back()?;
    }
    match blow {
        Blow::Deleted | Blow::Renewed => {
            let pods = stage.cluster().namespaced::<Pod>(&stage.platform.namespace);
            pods.delete(&name, &DeleteParams::default()).await.expect("the pod can be deleted");
        }
        Blow::Killed => kill(process_of(&name), Signal::SIGKILL).expect("the process can be killed"),
        Blow::Hung => kill(process_of(&name), Signal::SIGSTOP).expect("the process can be stopped"),
    }
    wait::until(&format!("{service} after: {}", blow.words()), BACK, async || {
        let ready = ready(stage, &[service]).await?;
        if blow.is_over(&struck, &ready) { Ok(()) } else { Err(format!("{struck:?} was struck, ready: {ready:?}")) }
    })
    .await;
    let took = started.elapsed();
    if blow == Blow::Renewed {
        // Without the runtime the kubelet may have taken them for not ready; but a restart would be counted for ever.
        let now = async || wait::equals(ready(stage, &OTHERS).await?, others.clone());
        wait::until("all other pods as they were", wait::SOON, now).await;
    }
    Ok((name, took))
}

/// What Kubernetes tells of a pod that hung: that its liveness probe has failed.
async fn liveness(stage: &Stage, pod: &str) -> Shown {
    let selector = format!("involvedObject.name={pod}");
    wait::until("an event about the liveness probe", wait::SOON, async || {
        let shown = stage.kubectl(&["get", "events", "--field-selector", &selector]).await;
        let is_told =
            ["Liveness probe failed", "failed liveness probe"].iter().any(|words| shown.output.contains(words));
        if is_told { Ok(shown) } else { Err(shown.output) }
    })
    .await
}

/// The ready pods of services, each with how often its containers were restarted.
async fn ready(stage: &Stage, services: &[Service]) -> Result<Vec<(String, i32)>, String> {
    let mut seen = vec![];
    for &service in services {
        seen.extend(stage.ready_pods(service).await?.iter().map(|pod| (pod.name_any(), restarts(pod))));
    }
    seen.sort();
    Ok(seen)
}

fn restarts(pod: &Pod) -> i32 {
    let status = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    status.map(|container| container.restart_count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { orders: 5, reads: 20 };

    #[test]
    fn a_restarted_container_is_the_same_pods_and_a_deleted_pod_is_followed_by_another() {
        let pod = |name: &str, restarts| (name.to_owned(), restarts);
        let struck = pod("a", 1);
        for (ready, restarted, replaced) in [
            (vec![], false, false),
            (vec![pod("a", 1)], false, false),
            (vec![pod("a", 2)], true, false),
            (vec![pod("b", 0)], false, true),
            (vec![pod("b", 7), pod("a", 1)], false, false),
        ] {
            for (blow, expected) in [
                (Blow::Killed, restarted),
                (Blow::Hung, restarted),
                (Blow::Deleted, replaced),
                (Blow::Renewed, replaced),
            ] {
                assert_eq!(blow.is_over(&struck, &ready), expected, "{blow:?} {ready:?}");
            }
        }
    }

    #[test]
    fn only_what_was_under_way_to_a_struck_order_may_fail() {
        let meanwhile = |deferred, failures: &[(&str, usize)]| Meanwhile {
            deferred,
            failures: failures.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect(),
            ..Meanwhile::default()
        };
        let (broken, late) = ("POST /orders: 502 It ended.", "POST /orders: 504 It is late.");
        for (service, blow, seen, unknown) in [
            (Service::Order, Blow::Deleted, meanwhile(3, &[]), Some(0)),
            (Service::Order, Blow::Deleted, meanwhile(3, &[(broken, 1)]), None),
            (Service::Order, Blow::Killed, meanwhile(0, &[(broken, 5)]), Some(5)),
            (Service::Order, Blow::Killed, meanwhile(3, &[(broken, 6)]), None),
            (Service::Order, Blow::Killed, meanwhile(3, &[(late, 1)]), None),
            (Service::Order, Blow::Hung, meanwhile(1, &[(broken, 2), (late, 40)]), Some(42)),
            (Service::Order, Blow::Hung, meanwhile(0, &[(late, 40)]), None),
            (Service::Order, Blow::Hung, meanwhile(1, &[("GET /mypages: 504 It is late.", 1)]), None),
            (Service::Cook, Blow::Hung, meanwhile(0, &[]), Some(0)),
            (Service::Cook, Blow::Killed, meanwhile(1, &[]), None),
            (Service::Delivery, Blow::Hung, meanwhile(0, &[(late, 1)]), None),
        ] {
            assert_eq!(blow.judge(service, &seen, RATE).ok(), unknown, "{service} {blow:?} {seen:?}");
        }
    }
}
