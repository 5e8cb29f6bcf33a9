//! The cluster's AWS account and region, from its nodes and the kubeconfig.

use super::accounts;
use super::connect::Connection;
use super::error::Error;
use super::nodes::{Nodes, nodes};
use crate::model::inventory::{AccountOrigin, Cluster};

/// A reachable cluster, with facts from its nodes and the kubeconfig.
pub struct Environment {
    pub connection: Connection,
    pub nodes: Nodes,
    /// What names the cluster's account.
    pub accounts: Vec<(AccountOrigin, String)>,
}

impl Environment {
    /// Lists the nodes.
    ///
    /// # Errors
    /// The cluster cannot be reached or rejects our credentials. That listing nodes is forbidden is in the result.
    pub async fn read(connection: &Connection) -> Result<Self, Error> {
        let nodes = nodes(connection).await?;
        let accounts = accounts::accounts(connection, nodes.are_on_aws()).await;
        Ok(Self { connection: connection.clone(), nodes, accounts })
    }

    /// The cluster's region: from the user, else from its nodes, else from the EKS ARN.
    pub fn region(&self, given: Option<&str>) -> Option<String> {
        given
            .or_else(|| self.nodes.region())
            .or_else(|| self.connection.eks.as_ref()?.region.as_deref())
            .map(str::to_owned)
    }

    /// The account in the cluster's EKS ARN, else that of the nodes' roles, else that of the roles of Cast AI's service
    /// accounts, if they all have the same.
    pub fn account(&self) -> Option<String> {
        accounts::chosen(&self.accounts).map(|(_, account)| account.clone())
    }

    /// That several accounts are named for the cluster, if they are.
    pub fn account_conflict(&self) -> Option<String> {
        accounts::conflict(&self.accounts)
    }

    /// The cluster as inventory and plan record it.
    pub fn cluster(&self, region: Option<&str>) -> Cluster {
        Cluster {
            name: self.connection.name.clone(),
            account: self.account(),
            account_origin: accounts::chosen(&self.accounts).map(|(origin, _)| *origin),
            region: self.region(region),
            platforms: self.nodes.platforms(),
        }
    }
}
