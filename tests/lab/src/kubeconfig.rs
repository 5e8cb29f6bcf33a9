//! Kubeconfig files for users of the lab's cluster.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::address;
use crate::pki::{Authority, Identity};

/// A kubeconfig with the names of `aws eks update-kubeconfig` for cluster, context and user.
pub fn kubeconfig(server: &str, authority: &Authority, identity: &Identity) -> String {
    let name = cluster_arn();
    let encode = |pem: &str| STANDARD.encode(pem);
    format!(
        "\
apiVersion: v1
kind: Config
clusters:
- name: {name}
  cluster:
    server: {server}
    certificate-authority-data: {authority}
contexts:
- name: {name}
  context:
    cluster: {name}
    user: {name}
current-context: {name}
users:
- name: {name}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
",
        authority = encode(&authority.certificate),
        certificate = encode(&identity.certificate),
        key = encode(&identity.key),
    )
}

/// The cluster's ARN, the name that EKS and `aws eks update-kubeconfig` use.
pub fn cluster_arn() -> String {
    format!("arn:aws:eks:{}:{}:cluster/{}", address::REGION, address::ACCOUNT, address::CLUSTER)
}
