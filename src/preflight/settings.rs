//! The input of preflight: what is known about cluster and account, and settings.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use kube::Client;
use probe::Endpoint;
use probe::dns::NameServers;
use rustls::ClientConfig;

use super::component::Known;
use super::facts::Unread;
use super::ignore::Ignore;
use super::judgement::Fix;
use super::machine::{Here, MetadataService};
use super::pods::{PodSettings, Subnet};
use super::selection::Selection;
use super::time_limit::TimeLimit;
use crate::castai::endpoints::Protocol;
use crate::cluster::{Connection, Node};
use crate::endpoints::gather::Clients;
use crate::error::CommandError;
use crate::model::image::Mirror;
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::model::workload::Workload;
use crate::transport;

/// Facts known before anything is probed.
pub struct Inputs {
    /// The kubeconfig's context.
    pub cluster: Option<String>,
    /// Workloads of any kind and namespace, not only Cast AI's.
    pub workloads: Vec<Workload>,
    /// What the user adds to what is known of Cast AI, and names in the mirror.
    pub knowledge: Knowledge,
    pub maps: Vec<NameMap>,
    pub unread: Vec<Unread>,
    /// For reading the `ConfigMap`s and Secrets that components refer to.
    pub client: Option<Client>,
    /// Internal addresses of the nodes, or why they could not be listed.
    pub nodes: Result<Vec<IpAddr>, String>,
    pub region: Option<String>,
    /// AWS account of the registry, or why it is unknown.
    pub account: Result<String, String>,
    /// Host of the registry, if the user names it: ECR has several for each registry.
    pub registry_host: Option<String>,
    /// Region of the registry, which may differ from the cluster's.
    pub registry_region: Option<String>,
    /// Path in the registry below which images are mirrored; `None` for its root.
    pub registry_path: Option<String>,
    /// The AWS configuration, or why there is none.
    pub aws: Result<SdkConfig, String>,
    /// The clients that read the cluster's VPC, or why there are none.
    pub vpc: Result<Clients, String>,
    /// Additional endpoints to check.
    pub extra: Vec<(Endpoint, Protocol)>,
    /// What pods need, if the cluster can be reached.
    pub pods: Option<PodInputs>,
}

/// What is needed to place and run pods.
pub struct PodInputs {
    pub connection: Connection,
    pub nodes: Vec<Node>,
    /// Subnets of the cluster's VPC, as far as they are known.
    pub subnets: Vec<Subnet>,
    /// The namespace of the flags.
    pub namespace: Option<String>,
    /// Where the probe image is pushed, or why that is unknown.
    pub mirror: Result<Mirror, String>,
    pub network: transport::Settings,
    /// Why it is not confirmed that pods may be created, with the command that confirms it.
    pub not_confirmed: Option<(String, Fix)>,
}

impl Inputs {
    /// What components are recognised by.
    pub fn known(&self) -> Known<'_> {
        Known { knowledge: &self.knowledge, maps: &self.maps }
    }

    /// Why the cluster could not be read: the report is incomplete then, whatever its checks say.
    pub(super) fn failure(&self) -> Option<CommandError> {
        self.unread.iter().find_map(|unread| match unread {
            Unread::Failed(message, hint) => {
                Some(CommandError { hint: hint.clone(), ..CommandError::new(message.clone()) })
            }
            Unread::Forbidden(_) | Unread::Malformed(_) => None,
        })
    }
}

/// Settings for gathering facts.
pub struct Settings {
    /// The time limit of everything together.
    pub limit: TimeLimit,
    /// Timeout for each DNS query, connection, handshake, response and API call.
    pub timeout: Duration,
    /// Timeout for instance metadata, which responds quickly or does not exist.
    pub metadata_timeout: Duration,
    /// The location of this machine according to the user.
    pub here: Option<Here>,
    pub metadata: MetadataService,
    pub name_servers: NameServers,
    pub selection: Selection,
    /// Findings that do not count.
    pub ignores: Vec<Ignore>,
    pub pods: PodSettings,
    /// The TLS configuration of all our clients ([`crate::transport::tls`]).
    pub tls: Arc<ClientConfig>,
}

impl Settings {
    /// The documented defaults, with the system's name servers and the default metadata service.
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        Self {
            limit: TimeLimit::new(Duration::from_mins(10)),
            timeout: Duration::from_secs(5),
            metadata_timeout: Duration::from_secs(1),
            here: None,
            metadata: MetadataService::from_variables(None, None),
            name_servers: NameServers::System,
            selection: Selection::default(),
            ignores: Vec::new(),
            pods: PodSettings::off(),
            tls,
        }
    }
}
