//! Gathers the facts of cluster and account, before the probes.

use std::time::Duration;

use crate::aws::identity;
use crate::aws::signed::Client;
use crate::castai::endpoints::Protocol;
use crate::cluster::environment::Environment;
use crate::cluster::{self, Connection};
use crate::endpoints::gather::{Clients, Selection};
use crate::error::CommandError;
use crate::model::image::Mirror;
use crate::model::image::ecr::{EcrRegistry, PATH};
use crate::model::knowledge::Knowledge;
use crate::model::name_map::NameMap;
use crate::preflight::facts::Unread;
use crate::preflight::settings::{Inputs, PodInputs};
use crate::transport;

/// The flags that gathering depends on.
#[derive(Clone)]
pub struct InputSettings {
    /// Timeout of each request to EC2 and EKS.
    pub timeout: Duration,
    /// All namespaces without it.
    pub namespace: Option<String>,
    pub registry: Option<Mirror>,
    pub region: Option<String>,
    pub maps: Vec<NameMap>,
    pub knowledge: Knowledge,
    /// Additional endpoints to check.
    pub extra: Vec<(probe::Endpoint, Protocol)>,
}

/// An unreachable cluster is a finding; an invalid kubeconfig stops the command.
///
/// # Errors
/// AWS' configuration cannot be read.
pub async fn read(
    connection: &Connection,
    network: &transport::Settings,
    wanted: InputSettings,
) -> Result<Inputs, CommandError> {
    let mut unread = Vec::new();
    let environment = match Environment::read(connection).await {
        Ok(environment) => Some(environment),
        Err(error) => {
            unread.push(Unread::from_error(&error));
            None
        }
    };
    let mut workloads = Vec::new();
    if environment.is_some() {
        match cluster::list_workloads(connection, wanted.namespace.as_deref(), None).await {
            Ok(listed) => {
                workloads = listed.workloads;
                unread.extend(listed.notes.into_iter().map(Unread::Forbidden));
                let own = listed.malformed.into_iter();
                let own = own.filter(|malformed| wanted.knowledge.is_namespace(&malformed.namespace));
                unread.extend(own.map(|malformed| Unread::Malformed(malformed.why)));
            }
            Err(error) => unread.push(Unread::from_error(&error)),
        }
    }
    let registry = wanted.registry.as_ref().map(|mirror| EcrRegistry::of_host(&mirror.registry));
    let flag = wanted.region.clone();
    let region = flag
        .or_else(|| environment.as_ref()?.region(None))
        .or_else(|| connection.eks.as_ref()?.region.clone())
        .or_else(|| match &registry {
            Some(Some(ecr)) => Some(ecr.region.clone()),
            _ => None,
        });
    let (account, aws) = match (&registry, &region) {
        (Some(None), _) => {
            let why = "--registry is not an ECR registry".to_owned();
            (Err(why.clone()), Err(why))
        }
        (_, None) => {
            let why = "unknown region: set --region".to_owned();
            (Err(why.clone()), Err(why))
        }
        (Some(Some(ecr)), _) => {
            (Ok(ecr.account.clone()), Ok(identity::configuration(&ecr.region, network).await?))
        }
        (None, Some(region)) => {
            let aws = identity::configuration(region, network).await?;
            let account = match environment.as_ref().and_then(Environment::account) {
                Some(account) => Ok(account),
                None => match identity::identity(&aws).await {
                    Ok(identity) => Ok(identity.account),
                    Err(error) => Err(error.to_string()),
                },
            };
            (account, Ok(aws))
        }
    };
    let mirror = match (&wanted.registry, &account, &region) {
        (Some(mirror), ..) => Ok(mirror.clone()),
        (None, Ok(account), Some(region)) => {
            let registry = EcrRegistry { account: account.clone(), region: region.clone() };
            Ok(Mirror { registry: registry.host(), prefix: Some(PATH.to_owned()) })
        }
        (None, Err(why), _) => Err(format!("unknown AWS account of the registry: {why}")),
        (None, Ok(_), None) => Err("unknown region: set --region".to_owned()),
    };
    let pods = environment.as_ref().map(|environment| PodInputs {
        connection: connection.clone(),
        nodes: environment.nodes.nodes.clone(),
        subnets: Vec::new(),
        namespace: wanted.namespace.clone(),
        mirror,
        network: network.clone(),
        not_confirmed: None,
    });
    let nodes = environment.as_ref().map_or(Ok(Vec::new()), |environment| {
        let nodes = &environment.nodes;
        nodes.forbidden.clone().map_or_else(|| Ok(nodes.internal_addresses().collect()), Err)
    });
    let client = environment.is_some().then(|| connection.client.clone());
    let vpc = match &region {
        Some(region) => Ok(clients(region, environment, network, wanted.timeout).await?),
        None => Err("unknown region: set --region".to_owned()),
    };
    Ok(Inputs {
        pods,
        cluster: Some(connection.name.clone()),
        workloads,
        knowledge: wanted.knowledge,
        maps: wanted.maps,
        unread,
        client,
        nodes,
        registry_host: wanted.registry.as_ref().map(|mirror| mirror.registry.clone()),
        registry_region: registry.flatten().map(|ecr| ecr.region).or_else(|| region.clone()),
        registry_path: wanted
            .registry
            .as_ref()
            .map_or(Some(PATH), |mirror| mirror.prefix.as_deref())
            .map(str::to_owned),
        region,
        account,
        aws,
        vpc,
        extra: wanted.extra,
    })
}

/// The clients that read the VPC of the cluster.
async fn clients(
    region: &str,
    environment: Option<Environment>,
    network: &transport::Settings,
    timeout: Duration,
) -> Result<Clients, CommandError> {
    let aws = identity::configuration(region, network).await?;
    let client = Client::new(&aws, network)?.single_attempt(timeout);
    Ok(Clients::new(region.to_owned(), None, environment, Selection::default(), client, aws))
}
