//! A cluster's place in AWS, as its nodes and the kubeconfig tell it.

use super::connect::Connection;
use super::error::Error;
use super::nodes::{Nodes, nodes};
use crate::model::inventory::Cluster;

/// A cluster that answers, and what its nodes and kubeconfig tell.
pub struct Environment {
    pub connection: Connection,
    pub nodes: Nodes,
}

impl Environment {
    /// Reads the nodes.
    ///
    /// # Errors
    /// The cluster cannot be reached, or does not know us. Nodes that may not be listed are a note.
    pub async fn read(connection: &Connection) -> Result<Self, Error> {
        let nodes = nodes(connection).await?;
        Ok(Self { connection: connection.clone(), nodes })
    }

    /// The cluster's region: as the user says, else by its nodes, else by the EKS ARN.
    pub fn region(&self, given: Option<&str>) -> Option<String> {
        given
            .or_else(|| self.nodes.region())
            .or_else(|| self.connection.eks.as_ref()?.region.as_deref())
            .map(str::to_owned)
    }

    /// The account that the cluster's EKS ARN names, else the one account that all nodes' roles belong to.
    pub fn account(&self) -> Option<String> {
        let by_name = self.connection.eks.as_ref().and_then(|eks| eks.account.clone());
        by_name.or_else(|| match self.nodes.accounts.len() {
            1 => self.nodes.accounts.first().cloned(),
            _ => None,
        })
    }

    /// The cluster as inventory and plan name it.
    pub fn cluster(&self, region: Option<&str>) -> Cluster {
        Cluster {
            name: self.connection.name.clone(),
            account: self.account(),
            region: self.region(region),
            platforms: self.nodes.platforms(),
        }
    }
}
