//! Finds an EKS cluster's account, region and name in the names of a kubeconfig.

use super::exec_arguments::{flag, region};
use super::{Exec, Selection};
use crate::model::aws_partition::Partition;

/// What is known about an EKS cluster from names. Every part may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EksIdentity {
    pub name: Option<String>,
    pub account: Option<String>,
    pub region: Option<String>,
}

impl EksIdentity {
    /// Parses the names that `aws eks update-kubeconfig` and eksctl create, the arguments of `aws eks get-token`, and
    /// the server's host name. For each part, the first source that has it is used.
    pub(in crate::cluster) fn read(selection: &Selection, server: &str) -> Option<Self> {
        let mut identity = Self::default();
        for name in [&selection.cluster_name, &selection.context].into_iter().flatten() {
            identity.complete(from_arn(name));
            identity.complete(from_eksctl(name));
        }
        identity.complete(selection.user.exec.as_ref().map(from_plugin));
        identity.complete(from_server(server));
        (identity != Self::default()).then_some(identity)
    }

    fn complete(&mut self, other: Option<Self>) {
        if let Some(other) = other {
            self.name = self.name.take().or(other.name);
            self.account = self.account.take().or(other.account);
            self.region = self.region.take().or(other.region);
        }
    }
}

/// `arn:aws:eks:us-east-1:123456789012:cluster/name`.
fn from_arn(text: &str) -> Option<EksIdentity> {
    let mut parts = text.splitn(6, ':');
    let (arn, _partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account) = (parts.next()?, parts.next()?);
    let name = parts.next()?.strip_prefix("cluster/")?;
    (arn == "arn" && service == "eks").then(|| EksIdentity {
        name: Some(name.to_owned()),
        account: Some(account.to_owned()),
        region: Some(region.to_owned()),
    })
}

/// `name.us-east-1.eksctl.io`, for contexts with `user@` before it.
fn from_eksctl(text: &str) -> Option<EksIdentity> {
    let (name, region) = text.rsplit('@').next()?.strip_suffix(".eksctl.io")?.rsplit_once('.')?;
    Some(EksIdentity { name: Some(name.to_owned()), account: None, region: Some(region.to_owned()) })
}

/// `--region us-east-1 eks get-token --cluster-name name`, or aws-iam-authenticator's `token -i name`.
fn from_plugin(exec: &Exec) -> EksIdentity {
    EksIdentity {
        name: flag(exec, &["--cluster-name", "--cluster-id", "-i"]),
        account: None,
        region: region(exec),
    }
}

/// `https://<id>.gr7.us-east-1.eks.amazonaws.com`, and `https://<id>.gr7.eks-cluster.us-east-1.api.aws` of clusters with
/// IPv6.
fn from_server(server: &str) -> Option<EksIdentity> {
    let host = server.split("://").last()?.split(['/', ':']).next()?;
    let region = match host.split_once(".eks-cluster.") {
        Some((_, rest)) => rest.split_once(".api.")?.0,
        None => Partition::strip_dns_suffix(host)?.strip_suffix(".eks")?.rsplit('.').next()?,
    };
    Some(EksIdentity { region: Some(region.to_owned()), ..EksIdentity::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::kubeconfig::tests::selected;

    #[test]
    fn eks_clusters_are_recognised_by_names() {
        let selection = selected();
        let identity = EksIdentity::read(&selection, "https://one").unwrap();
        let part = |text: &str| Some(text.to_owned());
        assert_eq!(
            (identity.name, identity.account, identity.region),
            (part("prod"), part("123456789012"), part("us-east-1"))
        );
        assert_eq!(from_eksctl("me@prod.eu-west-1.eksctl.io").unwrap().region, part("eu-west-1"));
        for (server, region) in [
            ("https://ABC.gr7.us-east-2.eks.amazonaws.com", "us-east-2"),
            ("https://ABC.sk1.cn-north-1.eks.amazonaws.com.cn", "cn-north-1"),
            ("https://ABC.gr7.eusc-de-east-1.eks.amazonaws.eu:443/", "eusc-de-east-1"),
            ("https://ABC.gr7.us-iso-east-1.eks.c2s.ic.gov", "us-iso-east-1"),
            ("https://ABC.gr7.eks-cluster.us-west-2.api.aws", "us-west-2"),
        ] {
            assert_eq!(from_server(server).unwrap().region, part(region), "{server}");
        }
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso-b"] {
            let arn = format!("arn:{partition}:eks:us-east-1:123456789012:cluster/prod");
            assert_eq!(from_arn(&arn).unwrap().account, part("123456789012"));
        }
        let exec = Exec { args: ["token", "-i", "x"].map(str::to_owned).into(), ..Exec::default() };
        assert_eq!(from_plugin(&exec).name, part("x"));
        for nothing in ["kind-kind", "arn:aws:iam::123456789012:role/x", "https://127.0.0.1:6443"] {
            assert_eq!((from_arn(nothing), from_eksctl(nothing), from_server(nothing)), (None, None, None));
        }
    }
}
