//! The cluster's AWS account, from everything in the cluster that names one.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Api;
use kube::api::ListParams;

use super::connect::Connection;
use super::pages;
use crate::model::inventory::AccountOrigin;
use crate::parse;

/// The namespace of Cast AI's charts.
const NAMESPACE: &str = "castai-agent";

/// The annotation with the IAM role of a service account (EKS user guide, "IAM roles for service accounts").
const ROLE: &str = "eks.amazonaws.com/role-arn";

/// Accounts, each with its origin, the most reliable one first. Everything here is a hint, so nothing missing or
/// forbidden is reported.
pub(super) async fn accounts(connection: &Connection, on_aws: bool) -> Vec<(AccountOrigin, String)> {
    let arn = connection.eks.as_ref().and_then(|eks| eks.account.clone());
    let mut found: Vec<_> = arn.into_iter().map(|account| (AccountOrigin::EksArn, account)).collect();
    if on_aws {
        let of_nodes = of_node_roles(connection).await;
        found.extend(of_nodes.into_iter().map(|account| (AccountOrigin::AwsAuth, account)));
    }
    // A request that most clusters do not need.
    if on_aws && found.is_empty() {
        let of_accounts = of_service_accounts(connection).await;
        found.extend(of_accounts.into_iter().map(|account| (AccountOrigin::ServiceAccounts, account)));
    }
    found
}

/// The account of the first origin, if that names one account only.
pub(super) fn chosen(found: &[(AccountOrigin, String)]) -> Option<&(AccountOrigin, String)> {
    let first = found.first()?;
    found[1..].iter().all(|(origin, _)| *origin != first.0).then_some(first)
}

/// That the origins name several accounts, if they do.
pub(super) fn conflict(found: &[(AccountOrigin, String)]) -> Option<String> {
    let accounts: BTreeSet<_> = found.iter().map(|(_, account)| account).collect();
    let named: Vec<_> = found.iter().map(|(origin, account)| format!("{account} ({origin})")).collect();
    (accounts.len() > 1)
        .then(|| format!("several AWS accounts are named for the cluster: {}", named.join(", ")))
}

/// The accounts of the roles that nodes join with.
async fn of_node_roles(connection: &Connection) -> BTreeSet<String> {
    let api: Api<ConfigMap> = Api::namespaced(connection.client.clone(), "kube-system");
    let read = connection.read(|| api.get_opt("aws-auth")).await;
    let data = read.ok().flatten().and_then(|map| map.data).unwrap_or_default();
    data.get("mapRoles").map(|roles| role_accounts(roles)).unwrap_or_default()
}

/// The accounts of the roles that Cast AI's service accounts assume.
async fn of_service_accounts(connection: &Connection) -> BTreeSet<String> {
    let api: Api<ServiceAccount> = Api::namespaced(connection.client.clone(), NAMESPACE);
    let list = |parameters| async { api.list(&{ parameters }).await };
    let take = |accounts: &mut BTreeSet<String>, page: Vec<ServiceAccount>| {
        let annotations = page.into_iter().filter_map(|account| account.metadata.annotations);
        accounts.extend(annotations.filter_map(|all| account_of(all.get(ROLE)?)));
    };
    pages::collect(connection, ListParams::default(), list, take).await.unwrap_or_default()
}

/// Accounts in the entries of `mapRoles` that let nodes join.
fn role_accounts(roles: &str) -> BTreeSet<String> {
    #[derive(serde::Deserialize)]
    struct Role {
        #[serde(default)]
        rolearn: String,
        #[serde(default)]
        groups: Vec<String>,
    }
    let roles: Vec<Role> = parse::yaml::from_str(roles, 1).unwrap_or_default();
    roles
        .iter()
        .filter(|role| role.groups.iter().any(|group| group == "system:nodes"))
        .filter_map(|role| account_of(&role.rolearn))
        .collect()
}

/// The account in an ARN.
fn account_of(arn: &str) -> Option<String> {
    let account = arn.split(':').nth(4)?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    is_account.then(|| account.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_in_node_roles() {
        let roles = "- rolearn: arn:aws:iam::123456789012:role/nodes\n  username: system:node:{{EC2PrivateDNSName}}\n  groups: [system:bootstrappers, system:nodes]\n- rolearn: arn:aws:iam::999999999999:role/admin\n  groups: [system:masters]\n";
        assert_eq!(role_accounts(roles).into_iter().collect::<Vec<_>>(), ["123456789012"]);
        assert!(role_accounts("{").is_empty());
    }

    #[test]
    fn the_first_origin_decides_and_others_may_contradict() {
        let (one, two) = ("111111111111", "222222222222");
        let arn = (AccountOrigin::EksArn, one);
        let nodes = |account| (AccountOrigin::AwsAuth, account);
        let none: &[(AccountOrigin, &str)] = &[];
        let cases = [
            (none, None, None),
            (&[arn, nodes(one)], Some(one), None),
            (&[arn, nodes(two)], Some(one), Some("111111111111 (EKS ARN), 222222222222 (aws-auth)")),
            (&[nodes(one), nodes(two)], None, Some("111111111111 (aws-auth), 222222222222 (aws-auth)")),
            (&[(AccountOrigin::ServiceAccounts, two)], Some(two), None),
        ];
        for (found, account, words) in cases {
            let found: Vec<_> =
                found.iter().map(|(origin, account)| (*origin, (*account).to_owned())).collect();
            assert_eq!(chosen(&found).map(|(_, account)| account.as_str()), account, "{found:?}");
            let conflict = conflict(&found);
            assert_eq!(conflict.is_some(), words.is_some(), "{found:?}");
            assert!(conflict.unwrap_or_default().ends_with(words.unwrap_or_default()), "{found:?}");
        }
    }
}
