//! Names that the cluster or the kubeconfig knows.

use std::time::Duration;

use crate::cli::ConnectionArguments;
use crate::cli::candidates::Dynamic;
use crate::cluster;
use crate::sync::{rollback, rollout};

/// Timeout for the cluster, because the user is waiting. `aws eks get-token`, which most EKS kubeconfigs run first,
/// takes about a second.
const LIMIT: Duration = Duration::from_secs(3);

/// The names that exist, in no order. What cannot be read is missing.
pub(super) async fn names(dynamic: Dynamic, connection: Option<&ConnectionArguments>) -> Vec<String> {
    let Some(connection) = connection else { return Vec::new() };
    if dynamic == Dynamic::Namespace {
        let listed = tokio::time::timeout(LIMIT, namespaces(connection)).await;
        return listed.ok().and_then(Result::ok).unwrap_or_default();
    }
    if dynamic == Dynamic::Rewritten {
        let listed = tokio::time::timeout(LIMIT, rewritten(connection)).await;
        return listed.ok().and_then(Result::ok).unwrap_or_default();
    }
    let Ok(names) = cluster::configured_names(connection.kubeconfig.as_deref()) else {
        return Vec::new();
    };
    match dynamic {
        Dynamic::Context => names.contexts,
        Dynamic::Cluster => names.clusters,
        Dynamic::User => names.users,
        Dynamic::Namespace | Dynamic::Rewritten | Dynamic::File => Vec::new(),
    }
}

async fn namespaces(arguments: &ConnectionArguments) -> Result<Vec<String>, cluster::Error> {
    let connection = cluster::connect(&arguments.unattended()).await?;
    cluster::namespaces(&connection).await
}

/// The workloads that `rollback` would restore.
async fn rewritten(arguments: &ConnectionArguments) -> Result<Vec<String>, cluster::Error> {
    let connection = cluster::connect(&arguments.unattended()).await?;
    let listed = cluster::list_workloads(&connection, arguments.namespace.as_deref(), None).await?;
    let planned = rollout::preview(&rollout::decide_all(&listed.workloads, &rollback::decide));
    Ok(planned.iter().map(|planned| planned.workload.to_string()).collect())
}
