//! CPL110: this machine is inside the cluster's VPC.

use serde_json::json;

use crate::preflight::check::{Category, Check, Judge, Severity, Source};
use crate::preflight::judgement::Judgement;
use crate::preflight::machine::{Here, MachineFacts, Metadata, Position};
use crate::preflight::remedies;

pub static CHECK: Check = Check {
    code: "CPL110",
    title: "this machine is inside the cluster's VPC",
    category: Category::Cluster,
    severity: Severity::Warning,
    requires: &[],
    source: Source::VantagePoint,
    permissions: &[],
    explanation: "Names resolve to endpoints only inside the VPC. What a machine outside sees says nothing about the cluster, so that there network checks are Unknown.",
    remediation: "run from a machine in the VPC",
    judge: Judge::Machine(judge),
};

fn judge(machine: &MachineFacts) -> Judgement {
    let ranges: Vec<_> = machine.metadata.ranges().iter().map(ToString::to_string).collect();
    let ranges = ranges.join(", ");
    let position = machine.position();
    let judgement = match &position {
        Position::Told(Here::Inside) => Judgement::pass("--here=inside says so"),
        Position::Told(Here::Outside) => outside("--here=outside says so"),
        Position::MetadataDisabled => outside("AWS_EC2_METADATA_DISABLED is set"),
        Position::MetadataSilent(why) => outside(&format!("no instance metadata on this machine ({why})")),
        Position::NodesUnknown => outside("the nodes' addresses are not known"),
        Position::Beside(beside) => {
            let nodes = machine.nodes.len();
            Judgement::pass(format!("{beside} of {nodes} nodes lie in this machine's VPC ({ranges})"))
        }
        Position::Apart => outside(&format!("no node lies in this machine's VPC ({ranges})")),
    };
    match (position, &machine.metadata) {
        (Position::Told(_), _) | (_, Metadata::Disabled | Metadata::Silent(_)) => judgement,
        (_, Metadata::Ranges(ranges)) => {
            judgement.evidence(json!({ "vpcRanges": ranges, "nodes": machine.nodes }))
        }
    }
}

fn outside(why: &str) -> Judgement {
    Judgement::unknown(format!("taken to be outside: {why}")).remedy(remedies::look_from_inside())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_not_inside_is_unknown_and_never_a_failure() {
        let ranges = || Metadata::Ranges(vec!["10.0.0.0/16".parse().unwrap()]);
        let silent = || Metadata::Silent("no route".to_owned());
        let cases = [
            (None, ranges(), "10.0.1.5", "Pass", "1 of 1 nodes lie in this machine's VPC (10.0.0.0/16)"),
            (None, ranges(), "10.1.0.5", "Unknown", "no node lies in this machine's VPC (10.0.0.0/16)"),
            (None, ranges(), "", "Unknown", "the nodes' addresses are not known"),
            (None, silent(), "10.0.1.5", "Unknown", "no instance metadata on this machine (no route)"),
            (None, Metadata::Disabled, "10.0.1.5", "Unknown", "AWS_EC2_METADATA_DISABLED is set"),
            (Some(Here::Inside), silent(), "", "Pass", "--here=inside says so"),
            (Some(Here::Outside), ranges(), "10.0.1.5", "Unknown", "--here=outside says so"),
        ];
        for (told, metadata, node, result, said) in cases {
            let nodes = node.parse().into_iter().collect();
            let judgement = judge(&MachineFacts { told, metadata, nodes });
            assert_eq!(judgement.outcome.name(), result, "{said}");
            let seen = judgement.outcome.reason().unwrap_or(judgement.observed);
            assert!(seen.ends_with(said), "{seen}");
        }
    }
}
