//! CPL403: the VPC resolves private names.

use crate::endpoints::lack::attributes;
use crate::preflight::check::{Category, Check, FactSource, Judge, Requires, Severity};
use crate::preflight::judgement::{Fix, Judgement, Symptom};
use crate::preflight::vpc::VpcView;

pub static CHECK: Check = Check {
    code: "CPL403",
    title: "the VPC resolves private names",
    category: Category::Aws,
    severity: Severity::Error,
    requires: &[Requires::Same("CPL402")],
    explains: &[Symptom::NoAddress, Symptom::PublicAddress],
    source: FactSource::AwsApi,
    permissions: &["ec2:DescribeVpcAttribute"],
    explanation: "Private DNS of endpoints works only if enableDnsSupport and enableDnsHostnames of the VPC are on.",
    remediation: "turn on enableDnsSupport and enableDnsHostnames",
    judge: Judge::Vpc(judge),
};

fn judge(vpc: &VpcView) -> Judgement {
    let facts = &vpc.facts;
    let off: Vec<_> = attributes(facts, Some(false)).collect();
    let unread: Vec<_> = attributes(facts, None).collect();
    if !off.is_empty() {
        let command = "kubectl castai-privatelink endpoints create --enable-vpc-dns";
        return Judgement::fail(format!("off: {}", off.join(", ")))
            .expected("enableDnsSupport and enableDnsHostnames are on")
            .fix(Fix::command(
                "show what this changes, and turn them on after a confirmation prompt",
                command,
            ));
    }
    if !unread.is_empty() {
        let permissions = "allow ec2:DescribeVpcAttribute; in a shared VPC, ask its owner";
        return Judgement::unknown(format!("could not read {}", unread.join(", ")))
            .fix(Fix::text(permissions));
    }
    Judgement::pass("enableDnsSupport and enableDnsHostnames are on")
}
