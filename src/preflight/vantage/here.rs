//! The vantage point of this machine: gathers facts about cluster, account and network, and judges nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Client;

use super::{ecr, metadata, objects, pod, vpc};
use crate::event::Observer;
use crate::model::image::Image;
use crate::model::workload::Workload;
use crate::preflight::api_response::ApiResponse;
use crate::preflight::check::{Check, Need};
use crate::preflight::component::{Component, containers};
use crate::preflight::configured;
use crate::preflight::facts::{ClusterFacts, Facts, RegionFacts, RegistryFacts, View};
use crate::preflight::graph;
use crate::preflight::machine::{Here, MachineFacts, Metadata};
use crate::preflight::pods::{InCluster, PodFacts};
use crate::preflight::references::Objects;
use crate::preflight::settings::{Inputs, Settings};
use crate::preflight::subject::VantagePoint;
use crate::preflight::target::{self, Target};
use crate::transport::USER_AGENT;

/// Gathers the facts that these checks need.
pub async fn gather(
    inputs: &Inputs,
    settings: &Settings,
    checks: &[&'static Check],
    observer: Observer<'_>,
) -> Facts {
    let needs = graph::needs(checks);
    let found = configured::components(&inputs.workloads, inputs.known());
    let (metadata, objects) =
        tokio::join!(read_metadata(&needs, settings), read_objects(&needs, &found, inputs, settings.timeout));
    let components: Vec<Component> =
        found.iter().map(|workload| configured::resolve(workload, &objects, inputs.known())).collect();
    let mut machine = MachineFacts {
        declared: settings.here,
        metadata,
        nodes: inputs.nodes.clone(),
        have_pods_reported: false,
        is_left_out: false,
    };

    let region = inputs.region.as_deref();
    let mut targets = target::cast_ai(&components, region, &inputs.extra);
    let account = inputs.account.as_deref().ok();
    let host = inputs.registry_host.as_deref();
    targets.extend(target::aws(inputs.registry_region.as_deref(), account, host));
    let known = request(&targets, &machine, settings, checks);
    let (mut view, registry, reading) = tokio::join!(
        probe_from_here(&known, &machine, settings),
        fetch_registry_facts(&needs, inputs, settings.timeout),
        vpc::read(inputs, |need| needs.contains(&need), settings.timeout),
    );
    let further = reading.vpc().map(|vpc| target::described(&mut targets, vpc)).unwrap_or_default();
    let rest = request(&further, &machine, settings, checks);
    targets.extend(further);
    // Pods look at everything, so they start when all hosts are known.
    let all = request(&targets, &machine, settings, checks);
    let (more, pods) = tokio::join!(
        probe_from_here(&rest, &machine, settings),
        probe_from_pods(&needs, inputs, settings, &all, observer),
    );
    if let (Some(hosts), Some(more)) = (&mut view.hosts, more.hosts) {
        hosts.extend(more);
    }
    let aws = reading.facts(&targets, &image_names(&inputs.workloads));
    machine.have_pods_reported = pods.have_reported();
    machine.is_left_out = settings.pods.mode == InCluster::Only;
    // What pods see counts, so nothing depends on a machine that sees nothing.
    let is_dispensable = machine.is_left_out || machine.have_pods_reported && view.hosts.is_none();
    let mut views = if is_dispensable { Vec::new() } else { vec![view] };
    views.extend(View::of_pods(&pods));
    Facts {
        cluster: ClusterFacts {
            name: inputs.cluster.clone(),
            workloads: inputs.workloads.len(),
            unread: inputs.unread.clone(),
            components,
        },
        region: RegionFacts { name: inputs.region.clone(), forbidden: inputs.nodes.clone().err() },
        machine,
        targets,
        views,
        registry,
        aws,
        pods,
    }
}

/// The names of all images that run in the cluster, without registry and path.
fn image_names(workloads: &[Workload]) -> BTreeSet<String> {
    let images = workloads.iter().flat_map(containers).filter_map(|container| container.image.as_ref());
    let images = images.filter_map(|image| image.parse::<Image>().ok());
    images.filter_map(|image| image.repository().rsplit('/').next().map(str::to_owned)).collect()
}

async fn read_metadata(needs: &BTreeSet<Need>, settings: &Settings) -> Metadata {
    if !needs.contains(&Need::Metadata) {
        return Metadata::Silent("not requested".to_owned());
    }
    metadata::fetch(&settings.metadata, &settings.tls, settings.metadata_timeout).await
}

async fn read_objects(
    needs: &BTreeSet<Need>,
    workloads: &[&Workload],
    inputs: &Inputs,
    timeout: Duration,
) -> Objects {
    if !needs.contains(&Need::Configuration) {
        return Objects::default();
    }
    let wanted = configured::referenced_keys(workloads.iter().copied(), inputs.known());
    let client: Option<&Client> = inputs.client.as_ref();
    match client {
        Some(client) => objects::read(client, wanted, timeout).await,
        None => Objects::unreadable(wanted, "cannot reach the cluster"),
    }
}

/// What probes gather, on this machine and in pods.
fn request(
    targets: &[Target],
    machine: &MachineFacts,
    settings: &Settings,
    checks: &[&'static Check],
) -> probe::Request {
    let wanted = targets.iter().filter_map(|target| Some(target.probed(graph::layer(checks, target)?)));
    probe::Request {
        targets: wanted.collect(),
        name_servers: settings.name_servers.clone(),
        private: machine.metadata.ranges().to_vec(),
        timeout: settings.timeout,
        user_agent: USER_AGENT.to_owned(),
    }
}

/// The network facts of the targets, if this machine is inside the VPC.
async fn probe_from_here(request: &probe::Request, machine: &MachineFacts, settings: &Settings) -> View {
    let is_inside = machine.here() == Here::Inside && settings.pods.mode != InCluster::Only;
    let hosts = if is_inside { Some(probe::gather(request, &settings.tls).await) } else { None };
    View { vantage_point: VantagePoint::Here, hosts }
}

async fn probe_from_pods(
    needs: &BTreeSet<Need>,
    inputs: &Inputs,
    settings: &Settings,
    request: &probe::Request,
    observer: Observer<'_>,
) -> PodFacts {
    if !needs.contains(&Need::Pods) {
        return PodFacts::off();
    }
    Box::pin(pod::run::gather(inputs, settings, request, observer)).await
}

async fn fetch_registry_facts(needs: &BTreeSet<Need>, inputs: &Inputs, timeout: Duration) -> RegistryFacts {
    let not_requested = || ApiResponse::NotRequested("not requested".to_owned());
    let mut facts = RegistryFacts {
        region: inputs.registry_region.clone(),
        account: inputs.account.clone(),
        token: not_requested(),
        repository: not_requested(),
    };
    if !needs.contains(&Need::EcrToken) {
        return facts;
    }
    let client = match (&inputs.aws, &facts.region) {
        (Ok(config), Some(region)) => ecr::client(config, region),
        (Ok(_), None) => {
            facts.token = ApiResponse::NotRequested("unknown region".to_owned());
            return facts;
        }
        (Err(why), _) => {
            facts.token = ApiResponse::NotRequested(why.clone());
            return facts;
        }
    };
    let (milliseconds, result) = Box::pin(probe::timed(ecr::fetch_token(&client, timeout))).await;
    let has_token = result.is_ok();
    facts.token = ApiResponse::Received { milliseconds, result };
    if let (true, true, Ok(account)) =
        (needs.contains(&Need::EcrRepository), has_token, facts.account.as_deref())
    {
        let path = inputs.registry_path.as_deref();
        let call = ecr::fetch_repository(&client, account, path, timeout);
        let (milliseconds, result) = Box::pin(probe::timed(call)).await;
        facts.repository = ApiResponse::Received { milliseconds, result };
    }
    facts
}
