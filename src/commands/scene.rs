//! What every command gathers first: the cluster, its nodes, and its place in AWS.

use crate::cli::{Arguments, ConnectionArguments, NetworkArguments};
use crate::cluster::custom::Resource;
use crate::cluster::{self, Connection, ConnectionFlags, Nodes};
use crate::model::inventory::Cluster;
use crate::model::workload::Workload;
use crate::ownership::owners::{Surroundings, application, flux_release};
use crate::transport;

/// A cluster that answers, and what its nodes and kubeconfig tell.
pub(super) struct Scene {
    pub(super) connection: Connection,
    pub(super) nodes: Nodes,
}

impl Scene {
    /// Reads the nodes.
    pub(super) async fn of(connection: &Connection) -> Result<Self, cluster::Error> {
        let nodes = cluster::nodes(connection).await?;
        Ok(Self { connection: connection.clone(), nodes })
    }

    /// The cluster's region: as the user says, else by its nodes, else by the EKS ARN.
    pub(super) fn region(&self, said: Option<&str>) -> Option<String> {
        said.or_else(|| self.nodes.region())
            .or_else(|| self.connection.eks.as_ref()?.region.as_deref())
            .map(str::to_owned)
    }

    /// The account that the cluster's EKS ARN names, else the one account that all nodes' roles belong to.
    pub(super) fn account(&self) -> Option<String> {
        let by_name = self.connection.eks.as_ref().and_then(|eks| eks.account.clone());
        by_name.or_else(|| match self.nodes.accounts.len() {
            1 => self.nodes.accounts.first().cloned(),
            _ => None,
        })
    }

    /// The cluster as inventory and plan name it.
    pub(super) fn cluster(&self, region: Option<&str>) -> Cluster {
        Cluster {
            name: self.connection.name.clone(),
            account: self.account(),
            region: self.region(region),
            platforms: self.nodes.platforms(),
        }
    }
}

/// Connects as kubectl's flags say; no request is sent yet.
pub(super) async fn connect(arguments: &Arguments) -> Result<Connection, cluster::Error> {
    cluster::connect(&flags(&arguments.connection)).await
}

/// What else in the cluster tells who owns workloads. Argo CD and Flux are only asked for
/// where something says that they are there.
pub(super) async fn surroundings(
    connection: &Connection,
    workloads: &[Workload],
    resources: &[Resource],
) -> Surroundings {
    let mut around = Surroundings::of(workloads, resources);
    if workloads.iter().any(|workload| application(workload).is_some()) {
        around.applications = cluster::self_healing_applications(connection).await;
    }
    if workloads.iter().any(|workload| flux_release(workload).is_some()) {
        around.releases = cluster::drift_correcting_releases(connection).await;
    }
    around
}

/// The flags for a connection while nobody can be asked anything.
pub(super) fn unattended(arguments: &ConnectionArguments) -> ConnectionFlags {
    ConnectionFlags { unattended: true, ..flags(arguments) }
}

fn flags(arguments: &ConnectionArguments) -> ConnectionFlags {
    ConnectionFlags {
        kubeconfig: arguments.kubeconfig.clone(),
        context: arguments.context.clone(),
        cluster: arguments.cluster.clone(),
        user: arguments.user.clone(),
        server: arguments.server.clone(),
        token: arguments.token.clone(),
        impersonate: arguments.impersonate.clone(),
        impersonate_groups: arguments.impersonate_group.clone(),
        impersonate_uid: arguments.impersonate_uid.clone(),
        certificate_authority: arguments.certificate_authority.clone(),
        client_certificate: arguments.client_certificate.clone(),
        client_key: arguments.client_key.clone(),
        insecure_skip_tls_verify: arguments.insecure_skip_tls_verify,
        tls_server_name: arguments.tls_server_name.clone(),
        request_timeout: Some(arguments.request_timeout),
        unattended: false,
    }
}

/// The network flags as settings.
pub(super) fn settings(arguments: &NetworkArguments) -> transport::Settings {
    transport::Settings {
        connect_timeout: arguments.connect_timeout,
        idle_timeout: arguments.idle_timeout,
        retries: arguments.retries,
        retry_delay: arguments.retry_delay,
    }
}
