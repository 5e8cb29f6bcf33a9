//! The cluster's AWS account and region, from its nodes and the kubeconfig.

use super::connect::Connection;
use super::error::Error;
use super::nodes::{Nodes, nodes};
use crate::model::inventory::Cluster;

/// A reachable cluster, with facts from its nodes and the kubeconfig.
pub struct Environment {
    pub connection: Connection,
    pub nodes: Nodes,
}

impl Environment {
    /// Lists the nodes.
    ///
    /// # Errors
    /// The cluster cannot be reached or rejects our credentials. That listing nodes is forbidden is in the result.
    pub async fn read(connection: &Connection) -> Result<Self, Error> {
        let nodes = nodes(connection).await?;
        Ok(Self { connection: connection.clone(), nodes })
    }

    /// The cluster's region: from the user, else from its nodes, else from the EKS ARN.
    pub fn region(&self, given: Option<&str>) -> Option<String> {
        given
            .or_else(|| self.nodes.region())
            .or_else(|| self.connection.eks.as_ref()?.region.as_deref())
            .map(str::to_owned)
    }

    /// The account in the cluster's EKS ARN, else the account of the nodes' roles if they all have the same.
    pub fn account(&self) -> Option<String> {
        let by_name = self.connection.eks.as_ref().and_then(|eks| eks.account.clone());
        by_name.or_else(|| match self.nodes.accounts.len() {
            1 => self.nodes.accounts.first().cloned(),
            _ => None,
        })
    }

    /// The cluster as inventory and plan record it.
    pub fn cluster(&self, region: Option<&str>) -> Cluster {
        Cluster {
            name: self.connection.name.clone(),
            account: self.account(),
            region: self.region(region),
            platforms: self.nodes.platforms(),
        }
    }
}
