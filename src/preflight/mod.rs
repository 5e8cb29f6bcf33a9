//! Preflight: proves that this cluster can reach Cast AI privately.
//!
//! Checks are data ([`checks`]). Each probe fetches facts and a pure function judges them. Targets are looked at
//! side by side; what one target's checks hand on to each other stays in its [`engine::Trail`].

pub mod check;
pub mod checks;
pub mod config_file;
pub mod configured;
pub mod ecr;
pub mod engine;
pub mod finding;
pub mod judgement;
pub mod network;
pub mod place;
pub mod references;
pub mod report;
pub mod subject;
pub mod target;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use futures::future::join_all;
use kube::Client;
use rustls::ClientConfig;
use serde_json::json;

pub use probe::dns::NameServers;
pub use probe::{Endpoint, NotAnEndpoint};

use self::configured::Component;
use self::engine::Trail;
use self::finding::Finding;
use self::judgement::{Judgement, Remedy};
use self::network::{Checks, Network, Way};
use self::place::{Here, MetadataService};
use self::references::Objects;
use self::report::Report;
use self::subject::{Subject, SubjectKind};
use crate::castai::endpoints::{self, Protocol};
use crate::cluster::{self, ErrorKind};
use crate::event::{Event, Observer, Stage};
use crate::model::image::ecr::PATH;
use crate::model::workload::Workload;

/// What is known before anything is probed.
pub struct Inputs {
    /// The kubeconfig's context.
    pub cluster: Option<String>,
    /// Workloads of any kind and namespace; Cast AI's are picked out.
    pub workloads: Vec<Workload>,
    pub unread: Vec<Unread>,
    /// For `ConfigMap`s and Secrets that components refer to.
    pub client: Option<Client>,
    /// Internal addresses of the nodes.
    pub nodes: Vec<IpAddr>,
    pub region: Option<String>,
    /// AWS account of the registry.
    pub account: Option<String>,
    /// Region of the registry, which need not be the cluster's.
    pub registry_region: Option<String>,
    /// Path in the registry below which images are mirrored; none where that is its root.
    pub registry_path: Option<String>,
    /// How to speak to AWS, or why that cannot be.
    pub aws: Result<SdkConfig, String>,
    /// Further endpoints to look at.
    pub extra: Vec<(Endpoint, Protocol)>,
}

/// Something of the cluster that could not be read, in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// A right is missing: whether all is well stays open.
    Forbidden(String),
    /// The cluster does not answer, or does not know us; and what to do, where that is known.
    Failed(String, Option<String>),
}

impl Unread {
    pub fn of(error: &cluster::Error) -> Self {
        if error.kind() == ErrorKind::Forbidden {
            return Self::Forbidden(error.to_string());
        }
        Self::Failed(error.to_string(), error.hint().map(ToOwned::to_owned))
    }
}

/// How to look.
pub struct Settings {
    /// Longest wait for each name, connection, handshake, answer and API call.
    pub timeout: Duration,
    /// Longest wait for instance metadata, which is near or not there at all.
    pub metadata_timeout: Duration,
    /// What the user says about this machine's place.
    pub here: Option<Here>,
    pub metadata: MetadataService,
    pub name_servers: NameServers,
    /// The TLS configuration of all our clients ([`crate::transport::tls`]).
    pub tls: Arc<ClientConfig>,
}

impl Settings {
    /// The documented defaults, with the system's name servers and the usual metadata service.
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self {
            timeout: Duration::from_secs(5),
            metadata_timeout: Duration::from_secs(1),
            here: None,
            metadata: MetadataService::from_variables(None, None),
            name_servers: NameServers::System,
            tls,
        }
    }
}

/// Runs all checks. What cannot be looked at is a finding, never an error.
pub async fn run(inputs: &Inputs, settings: &Settings, observer: Observer<'_>) -> Report {
    observer(Event::Stage(Stage::Preflight));
    let found = configured::components(&inputs.workloads);
    let (metadata, objects) = tokio::join!(
        place::fetch(&settings.metadata, &settings.tls, settings.metadata_timeout),
        read_objects(&found, inputs.client.as_ref(), settings.timeout),
    );
    let components: Vec<Component> =
        found.iter().map(|workload| configured::resolve(workload, &objects)).collect();
    let (here, place_judgement) = place::decide(settings.here, &metadata, &inputs.nodes);

    let region = inputs.region.as_deref();
    // Hosts do not depend on the region, so that an unknown one is no reason not to look.
    let offered = region.is_none_or(|region| endpoints::regions().any(|known| known == region));
    let targets = target::targets(&components, offered, &inputs.extra);
    let mut findings = judge_cluster(inputs, &components);
    findings.extend(judge_region(region));
    let mut machine = Trail::new(Subject::new(SubjectKind::Machine, "this machine"));
    machine.judge("CPL110", place_judgement);
    findings.extend(machine.finish(&[]));
    let mut configuration = target::judge_configuration(&components);
    configuration.extend(target::judge_coverage(&targets, &components));
    if offered {
        configuration.extend(target::judge_hosts(region, target::installation(&components)));
    }
    findings.extend(configuration.into_iter().flat_map(|trail| trail.finish(&[])));

    let network = Network {
        resolver: probe::dns::resolver(&settings.name_servers, settings.timeout)
            .map_err(|error| error.to_string()),
        tls: Arc::clone(&settings.tls),
        timeout: settings.timeout,
        vpc: metadata.ranges().to_vec(),
    };
    let ways = targets
        .iter()
        .map(|target| {
            let way = Way {
                endpoint: target.endpoint.clone(),
                checks: Checks::cast_ai(target.protocol),
                private_dns: target::private_dns_remedies(target, region),
            };
            (Trail::new(target.subject()).optional(target.optional), way)
        })
        .chain(ecr_ways(inputs.registry_region.as_deref(), inputs.account.as_deref()));
    let probes = join_all(ways.map(|(trail, way)| {
        let network = &network;
        async move {
            match here {
                Here::Inside => Box::pin(network::probe(trail, &way, network)).await,
                Here::Outside => network::unknown(trail, &way, place::OUTSIDE, &[place::look_from_inside()]),
            }
        }
    }));
    let (probed, registry) = tokio::join!(probes, check_registry(inputs, settings.timeout));
    findings.extend(probed.into_iter().flatten());
    findings.extend(registry);
    Report::new(inputs.cluster.clone(), inputs.region.clone(), findings)
}

async fn read_objects(workloads: &[&Workload], client: Option<&Client>, timeout: Duration) -> Objects {
    let wanted = references::wanted(workloads.iter().copied());
    match client {
        Some(client) => references::read(client, wanted, timeout).await,
        None => Objects::unreadable(wanted, "the cluster cannot be asked from here"),
    }
}

fn judge_cluster(inputs: &Inputs, components: &[Component]) -> Vec<Finding> {
    let name = inputs.cluster.as_deref().unwrap_or("cluster");
    let mut trail = Trail::new(Subject::new(SubjectKind::Cluster, name));
    let read = trail.judge("CPL101", judge_reading(inputs));
    if !components.is_empty() {
        let names: Vec<_> = components.iter().map(|component| component.name.as_str()).collect();
        let evidence = json!({ "components": components.iter().map(|component| &component.workload).collect::<Vec<_>>() });
        trail.judge("CPL102", Judgement::pass(names.join(", ")).evidence(evidence));
    } else if read {
        trail.judge("CPL102", Judgement::fail("none"));
    }
    if components.is_empty() { trail.finish(&["CPL102", "CPL103"]) } else { trail.finish(&[]) }
}

fn judge_reading(inputs: &Inputs) -> Judgement {
    let mut forbidden = Vec::new();
    for unread in &inputs.unread {
        match unread {
            Unread::Forbidden(why) => forbidden.push(why.as_str()),
            Unread::Failed(what, hint) => {
                // What cannot be looked at is unknown; the command says by its exit code that it could not look.
                let judgement = Judgement::unknown(what.clone());
                return match hint {
                    Some(hint) => judgement.remedy(Remedy::text(hint.clone())),
                    None => judgement,
                };
            }
        }
    }
    if forbidden.is_empty() {
        return Judgement::pass(format!("{} workloads", inputs.workloads.len()));
    }
    Judgement::unknown(forbidden.join("; ")).evidence(json!({ "unread": forbidden })).remedy(Remedy::command(
        "give this user the rights that docs/permissions.md lists, and see which ones it has",
        "kubectl auth can-i --list",
    ))
}

fn judge_region(region: Option<&str>) -> Vec<Finding> {
    let mut trail = Trail::new(Subject::new(SubjectKind::Region, region.unwrap_or("region")));
    let known: Vec<_> = endpoints::regions().collect();
    if let Some(region) = region {
        trail.judge("CPL104", Judgement::pass(region));
        let services =
            endpoints::services().iter().filter(|service| service.service_name(region).is_some()).count();
        let judgement = if services > 0 {
            Judgement::pass(format!("{services} services"))
        } else {
            let why = format!("no endpoint service is known for {region}, only for {}", known.join(", "));
            Judgement::unknown(why).remedy(Remedy::text(
                "ask Cast AI for the endpoint services of this region; the hosts that components are configured with are checked anyway",
            ))
        };
        trail.judge("CPL105", judgement.expected(known.join(", ")));
    } else {
        let judgement = Judgement::unknown("neither the nodes nor the kubeconfig tell the region").remedy(
            Remedy::command("give the region", "kubectl castai-privatelink preflight --region REGION"),
        );
        trail.judge("CPL104", judgement);
    }
    trail.finish(&["CPL105"])
}

fn ecr_ways(region: Option<&str>, account: Option<&str>) -> Vec<(Trail, Way)> {
    let Some(region) = region else {
        return Vec::new();
    };
    ecr::hosts(region, account)
        .into_iter()
        .map(|host| {
            let service = if host.starts_with("api.") { "ecr.api" } else { "ecr.dkr" };
            let subject = Subject {
                needed_by: std::iter::once("nodes that pull images".to_owned()).collect(),
                ..Subject::new(SubjectKind::Host, host.clone())
            };
            let way = Way {
                endpoint: Endpoint { host, port: 443 },
                checks: Checks::ECR,
                private_dns: target::endpoint_remedies(
                    service,
                    &format!("com.amazonaws.{region}.{service}"),
                    region,
                ),
            };
            (Trail::new(subject), way)
        })
        .collect()
}

async fn check_registry(inputs: &Inputs, timeout: Duration) -> Vec<Finding> {
    let (region, account) = (inputs.registry_region.as_deref(), inputs.account.as_deref());
    let name = account.map_or_else(|| "ECR".to_owned(), |account| format!("ECR of {account}"));
    let mut trail = Trail::new(Subject::new(SubjectKind::Registry, name));
    let registry = region.zip(account);
    trail.judge(
        "CPL301",
        match registry {
            Some((region, account)) => Judgement::pass(format!("account {account} in {region}")),
            None => Judgement::unknown(match (region, account) {
                (None, Some(_)) => "the region is not known",
                (Some(_), _) => "the account is not known",
                (None, None) => "neither the account nor the region is known",
            })
            .remedy(Remedy::command(
                "give the registry",
                format!("kubectl castai-privatelink preflight --registry ACCOUNT.dkr.ecr.REGION.amazonaws.com/{PATH}"),
            )),
        },
    );
    let client = match (&inputs.aws, region) {
        (Ok(config), Some(region)) => Ok(ecr::client(config, region)),
        (Ok(_), None) => Err("the region is not known".to_owned()),
        (Err(why), _) => Err(why.clone()),
    };
    match client {
        Err(why) => {
            let why = format!("AWS cannot be asked: {why}");
            trail.judge("CPL302", Judgement::unknown(why).remedy(ecr::no_credentials()));
        }
        Ok(client) => {
            let token = Box::pin(async {
                let answer = ecr::fetch_token(&client, timeout).await;
                (ecr::judge(&answer), ())
            });
            trail.check("CPL302", token).await;
            if let Some((_, account)) = registry
                && trail.allows("CPL303")
            {
                let repository = Box::pin(async {
                    let path = inputs.registry_path.as_deref();
                    let answer = ecr::fetch_repository(&client, account, path, timeout).await;
                    (ecr::judge(&answer), ())
                });
                trail.check("CPL303", repository).await;
            }
        }
    }
    trail.finish(&["CPL303"])
}

#[cfg(test)]
mod http_server;
#[cfg(test)]
mod tests;
