//! The default without `--registry`: a path of our own in the private ECR of the cluster's account and region.

use crate::model::image::Mirror;
use crate::model::image::ecr::{EcrRegistry, PATH};
use crate::model::inventory::AccountOrigin;

/// What is known about the account and region of the cluster, and about our account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFacts {
    pub cluster_account: Option<String>,
    pub cluster_account_origin: Option<AccountOrigin>,
    /// From `--region`, the nodes' labels and provider ids, or the EKS ARN, in this order.
    pub region: Option<String>,
    /// From STS.
    pub own_account: Option<String>,
}

/// The default mirror cannot be determined.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("unknown AWS region of the cluster: not found in its nodes or the kubeconfig")]
    NoRegion,
    /// Nothing that belongs to a cluster was read.
    #[error("unknown AWS region: no cluster is read, so only --region sets it")]
    NoCluster,
    #[error("unknown AWS account of the destination")]
    NoAccount,
    #[error(
        "ambiguous destination: the cluster is in AWS account {cluster}{}, but the AWS credentials belong to \
         account {own} (STS)",
        .origin.map(|origin| format!(" ({origin})")).unwrap_or_default()
    )]
    AccountsDiffer { cluster: String, origin: Option<AccountOrigin>, own: String },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::NoRegion | Self::NoCluster => "set --region, or the registry with --registry".to_owned(),
            Self::NoAccount | Self::AccountsDiffer { .. } => {
                format!("set the registry: --registry <account>.dkr.ecr.<region>.amazonaws.com/{PATH}")
            }
        }
    }
}

/// Our path in the ECR registry of the cluster's account and region.
///
/// # Errors
/// The account or region is unknown, or our credentials belong to another account than the cluster.
pub fn default_mirror(facts: &AccountFacts) -> Result<Mirror, Error> {
    let account = match (&facts.cluster_account, &facts.own_account) {
        (Some(cluster), Some(own)) if cluster != own => {
            return Err(Error::AccountsDiffer {
                cluster: cluster.clone(),
                origin: facts.cluster_account_origin,
                own: own.clone(),
            });
        }
        (Some(account), _) | (None, Some(account)) => account,
        (None, None) => return Err(Error::NoAccount),
    };
    let region = facts.region.as_ref().ok_or(Error::NoRegion)?;
    let registry = EcrRegistry { account: account.clone(), region: region.clone() };
    Ok(Mirror { registry: registry.host(), prefix: Some(PATH.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(cluster: &str, own: &str, region: &str) -> AccountFacts {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        AccountFacts {
            cluster_account: known(cluster),
            cluster_account_origin: None,
            own_account: known(own),
            region: known(region),
        }
    }

    #[test]
    fn the_default_is_our_path_in_the_clusters_own_ecr() {
        let cases = [
            (
                "111111111111",
                "111111111111",
                "us-east-1",
                Ok("111111111111.dkr.ecr.us-east-1.amazonaws.com/castai-privatelink"),
            ),
            (
                "",
                "222222222222",
                "us-east-2",
                Ok("222222222222.dkr.ecr.us-east-2.amazonaws.com/castai-privatelink"),
            ),
            (
                "111111111111",
                "",
                "cn-north-1",
                Ok("111111111111.dkr.ecr.cn-north-1.amazonaws.com.cn/castai-privatelink"),
            ),
            ("", "", "us-east-1", Err(Error::NoAccount)),
            ("111111111111", "111111111111", "", Err(Error::NoRegion)),
            (
                "111111111111",
                "222222222222",
                "us-east-1",
                Err(Error::AccountsDiffer {
                    cluster: "111111111111".to_owned(),
                    origin: None,
                    own: "222222222222".to_owned(),
                }),
            ),
        ];
        for (cluster, own, region, expected) in cases {
            let mirror = default_mirror(&facts(cluster, own, region)).map(|mirror| mirror.to_string());
            assert_eq!(mirror, expected.map(str::to_owned), "{cluster} {own} {region}");
        }
    }

    #[test]
    fn an_ambiguous_account_gets_the_complete_flag_as_hint() {
        let differ = Error::AccountsDiffer { cluster: String::new(), origin: None, own: String::new() };
        for error in [Error::NoAccount, differ] {
            let flag = "--registry <account>.dkr.ecr.<region>.amazonaws.com/castai-privatelink";
            assert!(error.hint().ends_with(flag), "{}", error.hint());
        }
    }
}
