//! Custom resources that name subnets: node classes of Karpenter and EKS Auto Mode, and the VPC CNI's `ENIConfig`.

use serde_json::Value;

use crate::cluster::{Connection, list_custom_resources};
use crate::endpoints::facts::{SubnetReason, SubnetUse, VpcFacts};
use crate::model::knowledge::CustomResource;

/// Group, kind, and the parts that name subnets.
const KINDS: [(&str, &str); 3] = [
    ("karpenter.k8s.aws", "EC2NodeClass"),
    ("eks.amazonaws.com", "NodeClass"),
    ("crd.k8s.amazonaws.com", "ENIConfig"),
];

/// What the cluster's custom resources say. What cannot be listed is a note.
pub(super) async fn read(connection: &Connection) -> VpcFacts {
    let mut facts = VpcFacts::default();
    let definitions = KINDS.map(|(group, kind)| CustomResource {
        group: group.to_owned(),
        kind: kind.to_owned(),
        fields: Vec::new(),
        purpose: None,
        not_rewritable: None,
        installs: None,
        on_change: None,
        readonly: None,
    });
    match list_custom_resources(connection, &definitions.iter().collect::<Vec<_>>(), None).await {
        Ok(listed) => {
            for resource in &listed.resources {
                add(&mut facts, &resource.definition.kind, &resource.name, &resource.content);
            }
            facts.unread.extend(listed.notes);
        }
        Err(error) => facts.unread.push(format!("node classes could not be listed: {error}")),
    }
    facts
}

fn add(facts: &mut VpcFacts, kind: &str, name: &str, content: &Value) {
    let ids = |list: &Value| -> Vec<String> {
        let items = list.as_array().into_iter().flatten();
        items.filter_map(|item| item.as_str().or_else(|| item["id"].as_str()).map(str::to_owned)).collect()
    };
    let (subnets, groups, reason) = if kind == "ENIConfig" {
        let subnet = content["spec"]["subnet"].as_str().map(str::to_owned);
        (
            subnet.into_iter().collect(),
            ids(&content["spec"]["securityGroups"]),
            SubnetReason::Pods(format!("ENIConfig {name}")),
        )
    } else {
        // The controllers resolve their selectors here.
        let status = &content["status"];
        (
            ids(&status["subnets"]),
            ids(&status["securityGroups"]),
            SubnetReason::NodeClass(format!("{kind} {name}")),
        )
    };
    facts.uses.extend(subnets.into_iter().map(|subnet| SubnetUse { subnet, reason: reason.clone() }));
    facts.client_groups.extend(groups);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn node_classes_and_eni_configs_name_subnets_and_groups() {
        let mut facts = VpcFacts::default();
        let status = json!({"status": {"subnets": [{"id": "subnet-a", "zone": "a"}], "securityGroups": [{"id": "sg-1"}]}});
        add(&mut facts, "EC2NodeClass", "default", &status);
        add(&mut facts, "NodeClass", "system", &json!({"status": {}}));
        let config = json!({"spec": {"subnet": "subnet-pods", "securityGroups": ["sg-2"]}});
        add(&mut facts, "ENIConfig", "us-east-1a", &config);
        let expected = [
            SubnetUse {
                subnet: "subnet-a".to_owned(),
                reason: SubnetReason::NodeClass("EC2NodeClass default".to_owned()),
            },
            SubnetUse {
                subnet: "subnet-pods".to_owned(),
                reason: SubnetReason::Pods("ENIConfig us-east-1a".to_owned()),
            },
        ];
        assert_eq!(facts.uses, expected);
        assert_eq!(facts.client_groups, ["sg-1".to_owned(), "sg-2".to_owned()].into());
    }
}
