//! CPL402: the cluster's VPC can be read.

use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Severity};
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::vpc::{VpcUnread, VpcView};

pub static CHECK: Check = Check {
    code: "CPL402",
    title: "the cluster's VPC can be read",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[],
    explains: &[],
    source: FactSource::AwsApi,
    permissions: &[
        "eks:DescribeCluster",
        "eks:ListNodegroups",
        "eks:DescribeNodegroup",
        "eks:ListFargateProfiles",
        "eks:DescribeFargateProfile",
        "ec2:DescribeInstances",
        "ec2:DescribeVpcs",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeSubnets",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcEndpointServices",
        "route53:ListHostedZonesByVPC",
    ],
    explanation: "Endpoints, subnets, security groups and DNS settings of the VPC decide whether names lead to private addresses and whether these accept connections.",
    remediation: "allow the read actions that `permissions iam` prints",
    judge: Judge::VpcRead(judge),
};

fn judge(vpc: Result<&VpcView, &VpcUnread>) -> Judgement {
    let vpc = match vpc {
        Ok(vpc) => vpc,
        Err(unread) => {
            let judgement = Judgement::unknown(unread.why.clone());
            return match &unread.hint {
                Some(hint) => judgement.fix(Fix::text(hint.clone())),
                None => judgement,
            };
        }
    };
    let facts = &vpc.facts;
    let seen = format!(
        "{} subnets, {} of them of nodes; {} endpoints",
        facts.subnets.len(),
        vpc.node_subnets().count(),
        facts.endpoints.len()
    );
    let mut unread = facts.unread.clone();
    unread.extend(facts.groups_unread.iter().cloned());
    if unread.is_empty() {
        return Judgement::pass(seen).evidence(json!({ "notes": facts.notes }));
    }
    // What was read is judged, and what was not is said.
    let permissions = "kubectl castai-privatelink permissions iam --for preflight";
    Judgement::warn(format!("{seen}; not read: {}", unread.join("; ")))
        .expected("everything")
        .evidence(json!({ "unread": unread, "notes": facts.notes }))
        .fix(Fix::command("if permissions are missing, grant those that this prints", permissions))
}
