//! What breaks comes back by itself: a pod that is deleted, a process that dies, and one that hangs; and a container runtime that
//! is restarted takes nothing with it.

use std::time::{Duration, Instant};

use kube::{ResourceExt as _, api::DeleteParams};
use local::Part;
use nix::sys::signal::{Signal, kill};
use tests::{process::Service, wait};

use crate::{
    Outcome, Stage,
    load::{Load, Rate},
    node::{Away, process_of},
};

/// How long each may take to be back: one that hangs is noticed by its liveness probe.
const BACK: Duration = Duration::from_secs(150);

/// What happens to a pod.
#[derive(Clone, Copy)]
enum Blow {
    Deleted,
    Killed,
    Hung,
}

impl Blow {
    const ALL: [Self; 3] = [Self::Deleted, Self::Killed, Self::Hung];

    const fn words(self) -> &'static str {
        match self {
            Self::Deleted => "pod deleted",
            Self::Killed => "process killed",
            Self::Hung => "process hung",
        }
    }
}

pub(super) async fn run(stage: &Stage) -> Result<Outcome, String> {
    let rate = stage.length.pick(Rate { orders: 5, reads: 0 }, Rate { orders: 20, reads: 0 });
    let services: &[Service] =
        stage.length.pick(&[Service::Order], &[Service::Order, Service::Cook, Service::Delivery]);
    let load = Load::start(stage, rate, &[Service::Order, Service::Cook, Service::Delivery]).await;
    load.answers(50).await;
    let mut times = vec![];
    for &service in services {
        for blow in Blow::ALL {
            load.mark(format!("{service}: {}", blow.words()));
            let took = back(stage, service, blow).await;
            times.push(format!("{service} {} {:.1} s", blow.words(), took.as_secs_f64()));
            stage.platform.until_ready().await;
        }
    }
    load.mark("container runtime restarted");
    let took = runtime_restarted(stage).await?;
    times.push(format!("container runtime restarted {:.1} s", took.as_secs_f64()));
    stage.platform.until_ready().await;
    load.answers(50).await;
    let shown = stage.kubectl(&["get", "pods", "-l", &stage.platform.selector()]).await;
    let traffic = load.stop().await;
    let accepted = traffic.told.accepted.len();
    let (answered, failed) = traffic.timeline.totals();
    let why = traffic.why();
    let held = stage.invariants(traffic.told).await?;
    Ok(Outcome {
        done: "pods deleted, processes killed and stopped (SIGSTOP), and the node's container runtime restarted, under load"
            .to_owned(),
        seen: format!(
            "back by themselves: {}; {accepted} orders accepted and all done, {failed} of {} requests not answered {why}; {held}",
            times.join(", "),
            answered + failed
        ),
        figure: times.join(", "),
        shown: vec![shown],
        timeline: Some(traffic.timeline),
    })
}

/// Strikes a service's one pod, and gives how long it took until one was ready again.
async fn back(stage: &Stage, service: Service, blow: Blow) -> Duration {
    let pod = wait::until("a ready pod", wait::SOON, async || {
        stage.ready_pods(service).await?.into_iter().next().ok_or_else(|| "none".to_owned())
    })
    .await;
    let (name, restarts, started) = (pod.name_any(), restarts(&pod), Instant::now());
    match blow {
        Blow::Deleted => {
            let pods = stage.cluster().namespaced::<k8s_openapi::api::core::v1::Pod>(&stage.platform.namespace);
            pods.delete(&name, &DeleteParams::default()).await.expect("the pod can be deleted");
        }
        Blow::Killed => kill(process_of(&name), Signal::SIGKILL).expect("the process can be killed"),
        Blow::Hung => kill(process_of(&name), Signal::SIGSTOP).expect("the process can be stopped"),
    }
    wait::until(&format!("{service} after: {}", blow.words()), BACK, async || {
        let pods = stage.ready_pods(service).await?;
        let is_new = |pod: &k8s_openapi::api::core::v1::Pod| pod.name_any() != name || self::restarts(pod) > restarts;
        if pods.iter().any(is_new) { Ok(()) } else { Err(format!("{name} is still the one that is ready, or none is")) }
    })
    .await;
    started.elapsed()
}

/// Restarts the node's container runtime, and gives how long it took until it had made a pod. No other container notices.
async fn runtime_restarted(stage: &Stage) -> Result<Duration, String> {
    const OTHERS: [Service; 4] = [Service::Cook, Service::Delivery, Service::Mypage, Service::Gateway];
    let others = async || {
        let mut seen = vec![];
        for service in OTHERS {
            seen.extend(stage.ready_pods(service).await?.iter().map(|pod| (pod.name_any(), restarts(pod))));
        }
        seen.sort();
        Ok::<_, String>(seen)
    };
    let (before, started) = (others().await?, Instant::now());
    Away::stop(&stage.node, Part::Containerd)?.back()?;
    back(stage, Service::Order, Blow::Deleted).await;
    let (after, took) = (others().await?, started.elapsed());
    if before == after { Ok(took) } else { Err(format!("the runtime's restart changed {before:?} to {after:?}")) }
}

fn restarts(pod: &k8s_openapi::api::core::v1::Pod) -> i32 {
    let status = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    status.map(|container| container.restart_count).sum()
}
