//! Chooses the ECR registry if the user names no registry.

use super::default_mirror::{self, AccountFacts, default_mirror};
use crate::aws::error::Error;
use crate::aws::identity;
use crate::error::CommandError;
use crate::model::image::Mirror;
use crate::model::inventory::Cluster;
use crate::transport::Settings;

/// The request to STS failed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Unidentified(Error);

impl Unidentified {
    /// What to do about it. Credentials that STS rejects cannot be used for ECR either.
    pub const fn hint(&self) -> Option<&'static str> {
        match self.0 {
            Error::NoCredentials { .. }
            | Error::Credentials(_)
            | Error::Expired
            | Error::NotAccepted { .. }
            | Error::Clock { .. }
            | Error::Blocked { .. } => None,
            _ => Some("STS is used to detect the account ID; pass --registry to skip it"),
        }
    }

    pub fn into_error(self) -> CommandError {
        let hint = self.hint().map(str::to_owned);
        let error = CommandError::from(self.0);
        CommandError { hint: hint.or(error.hint), ..error }
    }
}

/// Our path in the ECR of the cluster's account and region; the inner error means that STS did not identify the caller.
///
/// # Errors
/// The region is unknown, or the accounts of cluster and credentials differ.
pub async fn by_identity(
    network: &Settings,
    region: Option<&str>,
    cluster: Option<&Cluster>,
) -> Result<Result<Mirror, Unidentified>, CommandError> {
    let mut facts = AccountFacts {
        cluster_account: cluster.and_then(|cluster| cluster.account.clone()),
        cluster_account_origin: cluster.and_then(|cluster| cluster.account_origin),
        region: region.map(str::to_owned).or_else(|| cluster?.region.clone()),
        own_account: None,
    };
    let Some(region) = &facts.region else {
        return Err(unclear(no_region(cluster)));
    };
    let configuration = identity::configuration(region, network).await?;
    let own = match identity::identity(&configuration).await {
        Ok(own) => own,
        Err(error) => return Ok(Err(Unidentified(error))),
    };
    facts.own_account = Some(own.account);
    default_mirror(&facts).map(Ok).map_err(unclear)
}

/// Why the region is unknown.
const fn no_region(cluster: Option<&Cluster>) -> default_mirror::Error {
    match cluster {
        Some(_) => default_mirror::Error::NoRegion,
        None => default_mirror::Error::NoCluster,
    }
}

/// Our path in the ECR of the cluster's account and region, without checking with STS that the account is ours.
///
/// # Errors
/// The account or the region of the cluster is unknown.
pub fn of_cluster(cluster: Option<&Cluster>, region: Option<&str>) -> Result<Mirror, CommandError> {
    let account = cluster.and_then(|cluster| cluster.account.clone());
    let facts = AccountFacts {
        own_account: account.clone(),
        cluster_account: account,
        cluster_account_origin: cluster.and_then(|cluster| cluster.account_origin),
        region: region.map(str::to_owned),
    };
    default_mirror(&facts).map_err(unclear)
}

#[expect(clippy::needless_pass_by_value, reason = "it ends chains of combinators")]
fn unclear(error: default_mirror::Error) -> CommandError {
    CommandError::with_hint(format!("error: {error}"), error.hint())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_reads_no_cluster_does_not_say_that_it_looked_there() {
        let cluster: Cluster = serde_json::from_value(serde_json::json!({"name": "c"})).unwrap();
        let message = |cluster| unclear(no_region(cluster)).message;
        assert_eq!(
            message(Some(&cluster)),
            "error: unknown AWS region of the cluster: not found in its nodes or the kubeconfig"
        );
        assert_eq!(message(None), "error: unknown AWS region: no cluster is read, so only --region sets it");
    }
}
