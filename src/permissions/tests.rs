//! Tests that the permissions are sound and match `docs/permissions.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::aws::AWS;
use super::iam::{Registry, policy};
use super::kubernetes::rules;
use super::rbac::{Subject, list, yaml};
use super::*;
use crate::castai::built_in;
use crate::model::knowledge::Knowledge;

fn subject() -> Subject {
    "group:castai-privatelink".parse().unwrap()
}

#[test]
fn a_statement_has_one_resource_and_is_optional_as_a_whole() {
    let mut statements = BTreeMap::new();
    for action in AWS {
        let seen = *statements.entry(action.statement).or_insert((action.resource, action.need));
        assert_eq!(seen, (action.resource, action.need), "{}", action.action);
        let is_named_optional = action.statement.starts_with("Optional");
        assert_eq!(is_named_optional, action.need == Need::Optional, "{}", action.action);
        assert!(action.statement.bytes().all(|byte| byte.is_ascii_alphanumeric()), "IAM allows no more");
    }
    let actions: BTreeSet<_> = AWS.iter().map(|action| action.action).collect();
    assert_eq!(actions.len(), AWS.len());
}

#[test]
fn a_policy_has_each_action_once_and_the_given_registry() {
    let text = policy(None, false, &Registry { account: Some("123456789012"), region: Some("cn-north-1") })
        .to_string();
    let whole = policy(Some(Purpose::Endpoints), false, &Registry::default()).to_string();
    for action in AWS {
        let count = |text: &str| text.matches(&format!("\"{}\"", action.action)).count();
        // Rights to change a VPC are in no policy but their own.
        let is_only_for_endpoints = action.purposes == [Purpose::Endpoints].as_slice();
        assert_eq!(count(&text), usize::from(!is_only_for_endpoints), "{text}");
        assert_eq!(count(&whole), usize::from(action.purposes.contains(&Purpose::Endpoints)), "{whole}");
    }
    let endpoints = policy(Some(Purpose::Endpoints), true, &Registry::default()).to_string();
    assert!(endpoints.contains("ec2:DescribeSubnets") && endpoints.contains("ecr:ListImages"), "{endpoints}");
    for purpose in [Purpose::Mirror, Purpose::Preflight] {
        let allowed = policy(Some(purpose), false, &Registry::default()).to_string();
        assert!(text.len() > allowed.len(), "a part of the whole policy: {allowed}");
        assert!(allowed.contains("ecr:ListImages"), "{allowed}");
        assert_eq!(allowed.contains("ecr:PutImage"), purpose == Purpose::Mirror, "{allowed}");
    }
    let nodes = policy(Some(Purpose::Nodes), false, &Registry::default());
    assert_eq!(nodes["Statement"][0]["Action"], json!(["ecr:GetAuthorizationToken"]));
    assert_eq!(nodes["Statement"][1]["Action"], json!(["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]));
    let read_only = policy(None, true, &Registry::default()).to_string();
    for changing in ["PutImage", "CreateRepository", "Upload\""] {
        assert!(!read_only.contains(changing), "{read_only}");
    }
}

/// Nothing outside our path is allowed, not even reading.
#[test]
fn a_policy_allows_repository_actions_only_below_our_path() {
    let any =
        ["ecr:GetAuthorizationToken", "ecr:GetAccountSetting", "ecr:DescribeRepositoryCreationTemplates"];
    for (account, region, arn) in [
        (Some("123456789012"), Some("us-east-1"), "arn:aws:ecr:us-east-1:123456789012:"),
        (Some("123456789012"), Some("cn-north-1"), "arn:aws-cn:ecr:cn-north-1:123456789012:"),
        (Some("123456789012"), Some("us-gov-west-1"), "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:"),
        (Some("123456789012"), Some("eusc-de-east-1"), "arn:aws-eusc:ecr:eusc-de-east-1:123456789012:"),
        (None, None, "arn:aws:ecr:*:*:"),
    ] {
        let policy = policy(None, false, &Registry { account, region });
        for statement in policy["Statement"].as_array().unwrap() {
            for action in statement["Action"].as_array().unwrap() {
                let name = action.as_str().unwrap();
                let is_any = !name.starts_with("ecr:") || any.contains(&name);
                let expected =
                    if is_any { "*".to_owned() } else { format!("{arn}repository/castai-privatelink/*") };
                assert_eq!(statement["Resource"], expected, "{action}");
            }
        }
    }
}

#[test]
fn yaml_and_json_give_the_same_roles() {
    let widgets = json!({"resources": [{"group": "castai.example", "kind": "Widget", "fields": ["/spec"],
        "purpose": "two lines\n  - apiGroups: ['*']"}]});
    let knowledge = Knowledge::read(widgets).unwrap();
    for (read_only, namespace, subject) in [
        (false, "castai-agent", subject()),
        (true, "castai-agent", "user:a: \"b\"".parse().unwrap()),
        (false, "kube-system", "serviceaccount:ci:deployer".parse().unwrap()),
    ] {
        let yaml = yaml(read_only, namespace, &subject, &knowledge);
        let documents: Vec<Value> = serde_saphyr::from_multiple(&yaml).unwrap();
        let list = list(read_only, namespace, &subject, &knowledge);
        assert_eq!(Value::Array(documents), list["items"], "{yaml}");
        assert!(yaml.contains("- apiGroups: [\"castai.example\"]\n    resources: [\"widgets\"]"), "{yaml}");
        assert!(!read_only || !yaml.contains("patch"), "{yaml}");
        let names: BTreeSet<_> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| format!("{}/{}", item["kind"], item["metadata"]["namespace"]))
            .collect();
        assert_eq!(names.len(), list["items"].as_array().unwrap().len(), "one object twice: {names:?}");
    }
}

#[test]
fn invalid_subjects_are_rejected() {
    for text in ["", "platform", "group:", "role:x", "serviceaccount:x", "serviceaccount::x", "user:a\nb"] {
        assert!(text.parse::<Subject>().is_err(), "{text}");
    }
}

/// `docs/permissions.md`, generated from the permissions.
fn page() -> String {
    let mut page = "# Permissions

The permissions that the plugin needs, each with its purpose. To grant them:

```
kubectl castai-privatelink permissions rbac --subject group:platform | kubectl apply -f -
kubectl castai-privatelink permissions iam --account 123456789012 --region us-east-1 >policy.json
```

`kubectl castai-privatelink permissions` prints the tables of this page. If a permission is missing, the message names the
object, and the command continues with the others where possible.

This page is generated from the sources: `UPDATE_DOCS=1 cargo test --workspace --lib permissions`.

## Kubernetes

| API group | Resources | Verbs | Where | Need | For |
| --- | --- | --- | --- | --- | --- |
"
    .to_owned();
    let code = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    for rule in rules(false, built_in()) {
        let group = if rule.api_group.is_empty() { "core".to_owned() } else { code(&[&rule.api_group]) };
        let mut resources = code(&rule.resources.iter().map(String::as_str).collect::<Vec<_>>());
        if !rule.resource_names.is_empty() {
            // Writing to a string cannot fail, here and below.
            let _ = write!(resources, " named {}", code(rule.resource_names));
        }
        let (verbs, place, need) = (code(rule.verbs), rule.scope.as_str(), rule.need.as_str());
        let _ = writeln!(page, "| {group} | {resources} | {verbs} | {place} | {need} | {} |", rule.reason);
    }
    page.push_str(
        "
`preflight`, `status`, `sync-images --dry-run=client` and `sync-images --no-rewrite` need no `get` and `patch` on workloads:
`permissions rbac --read-only` prints a role without them. Where the list of workloads does not show a rollout as finished,
`status` reads the workload, and without `get` reports that it cannot be read. `--dry-run=server` sends every patch to the API server as a dry
run, and needs them.

## AWS

| Action | Resource | Need | For |
| --- | --- | --- | --- |
",
    );
    for action in AWS {
        let resource = match action.resource {
            Resource::Any => "`*`",
            Resource::Repositories => "`repository/castai-privatelink/*`",
        };
        let _ = writeln!(
            page,
            "| `{}` | {resource} | {} | {} |",
            action.action,
            action.need.as_str(),
            action.reason
        );
    }
    page.push_str(
        "
`sync-images --dry-run` needs only the actions that `permissions iam --read-only` prints. `endpoints create --dry-run` needs the
rights to make the changes, because EC2 checks them.

Images are mirrored below `castai-privatelink/` in ECR, and the policy allows nothing on other repositories. For another
path in `--registry`, replace the path, or write `repository/*` for the root of the registry:

```
kubectl castai-privatelink permissions iam … | sed 's#repository/castai-privatelink/#repository/mirror/#g'
```

`permissions iam --for mirror` prints only what `sync-images` and `status` need, and `--for preflight` only what `preflight`
needs; without `--for`, it prints both. Only `permissions iam --for endpoints` prints what `endpoints` needs, on all VPCs, and
with `--read-only` what `endpoints plan` needs, which changes nothing.

Nodes pull with their own role (`AmazonEC2ContainerRegistryPullOnly` or similar), which the plugin does not change.
`permissions iam --for nodes` prints a policy that allows it to pull the mirrored images and no others.
",
    );
    page
}

#[test]
fn the_page_of_permissions_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/permissions.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page(),
        "docs/permissions.md differs from the sources; update it with: UPDATE_DOCS=1 cargo test --workspace --lib permissions"
    );
}
