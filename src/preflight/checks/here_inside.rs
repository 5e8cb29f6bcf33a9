//! CPL110: this machine is inside the cluster's VPC.

use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Severity};
use crate::preflight::fixes;
use crate::preflight::judgement::Judgement;
use crate::preflight::machine::{Here, MachineFacts, Metadata, Position};

pub static CHECK: Check = Check {
    code: "CPL110",
    title: "this machine is inside the cluster's VPC",
    category: Category::Cluster,
    severity: Severity::Warning,
    requires: &[],
    explains: &[],
    source: FactSource::VantagePoint,
    permissions: &[],
    explanation: "Host names resolve to the endpoints only inside the VPC. On a machine outside, network \
                  checks are Unknown.",
    remediation: "run from a machine in the VPC",
    judge: Judge::Machine(judge),
};

fn judge(machine: &MachineFacts) -> Judgement {
    if machine.is_left_out {
        return Judgement::not_wanted("only pods look, by --in-cluster=only");
    }
    let judgement = judge_position(machine);
    match (machine.have_pods_reported, judgement.outcome.reason()) {
        (true, Some(why)) => Judgement::not_wanted(format!("{why}; pods look from inside")),
        _ => judgement,
    }
}

fn judge_position(machine: &MachineFacts) -> Judgement {
    let ranges: Vec<_> = machine.metadata.ranges().iter().map(ToString::to_string).collect();
    let ranges = ranges.join(", ");
    let position = machine.position();
    let judgement = match &position {
        Position::Declared(Here::Inside) => Judgement::pass("set by --here=inside"),
        Position::Declared(Here::Outside) => {
            Judgement::unknown("set by --here=outside").fix(fixes::run_from_inside())
        }
        Position::MetadataDisabled => outside("AWS_EC2_METADATA_DISABLED is set"),
        Position::MetadataSilent(why) => outside(&format!("no instance metadata ({why})")),
        Position::NodesForbidden(why) => {
            Judgement::unknown(format!("unknown whether it is inside: {why}")).fix(fixes::grant())
        }
        Position::NodesUnknown => outside("unknown node addresses"),
        Position::SameVpc(count) => {
            let nodes = machine.nodes.iter().flatten().count();
            Judgement::pass(format!("{count} of {nodes} nodes are in this machine's VPC ({ranges})"))
        }
        Position::OtherVpc => outside(&format!("no node is in this machine's VPC ({ranges})")),
    };
    match (position, &machine.metadata) {
        (Position::Declared(_), _) | (_, Metadata::Disabled | Metadata::Silent(_)) => judgement,
        (_, Metadata::Ranges(ranges)) => judgement
            .evidence(json!({ "vpcRanges": ranges, "nodes": machine.nodes.as_deref().unwrap_or_default() })),
    }
}

fn outside(why: &str) -> Judgement {
    Judgement::unknown(format!("assumed to be outside: {why}")).fix(fixes::run_from_inside())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_outside_the_vpc_is_unknown_and_never_a_failure() {
        let ranges = || Metadata::Ranges(vec!["10.0.0.0/16".parse().unwrap()]);
        let silent = || Metadata::Silent("no route".to_owned());
        let cases = [
            (None, ranges(), "10.0.1.5", "Pass", "1 of 1 nodes are in this machine's VPC (10.0.0.0/16)"),
            (None, ranges(), "10.1.0.5", "Unknown", "no node is in this machine's VPC (10.0.0.0/16)"),
            (None, ranges(), "", "Unknown", "unknown node addresses"),
            (None, silent(), "10.0.1.5", "Unknown", "no instance metadata (no route)"),
            (None, Metadata::Disabled, "10.0.1.5", "Unknown", "AWS_EC2_METADATA_DISABLED is set"),
            (Some(Here::Inside), silent(), "", "Pass", "set by --here=inside"),
            (Some(Here::Outside), ranges(), "10.0.1.5", "Unknown", "set by --here=outside"),
        ];
        for (declared, metadata, node, result, expected) in cases {
            let nodes = node.parse().into_iter().collect();
            let machine = MachineFacts {
                declared,
                metadata,
                nodes: Ok(nodes),
                have_pods_reported: false,
                is_left_out: false,
            };
            let judgement = judge(&machine);
            assert_eq!(judgement.outcome.name(), result, "{expected}");
            let seen = judgement.outcome.reason().unwrap_or(judgement.observed);
            assert!(seen.ends_with(expected), "{seen}");
        }
    }

    #[test]
    fn a_machine_outside_is_no_problem_if_pods_look_from_inside() {
        let machine = |have_pods_reported, is_left_out, declared| MachineFacts {
            declared,
            metadata: Metadata::Disabled,
            nodes: Ok(Vec::new()),
            have_pods_reported,
            is_left_out,
        };
        for (machine, result, reason) in [
            (
                machine(false, false, None),
                "Unknown",
                "assumed to be outside: AWS_EC2_METADATA_DISABLED is set",
            ),
            (
                machine(true, false, None),
                "Skipped",
                "assumed to be outside: AWS_EC2_METADATA_DISABLED is set; pods look from inside",
            ),
            (machine(true, false, Some(Here::Inside)), "Pass", ""),
            (machine(false, true, None), "Skipped", "only pods look, by --in-cluster=only"),
        ] {
            let judgement = judge(&machine);
            let seen = judgement.outcome.reason().unwrap_or_default();
            assert_eq!((judgement.outcome.name(), seen.as_str()), (result, reason));
            assert_eq!(judgement.outcome.is_problem(), result == "Unknown");
        }
    }

    #[test]
    fn without_the_permission_to_list_nodes_the_permission_is_the_cause() {
        let ranges = || Metadata::Ranges(vec!["10.0.0.0/16".parse().unwrap()]);
        let machine = |declared| MachineFacts {
            declared,
            metadata: ranges(),
            nodes: Err("cannot list nodes: nodes is forbidden".to_owned()),
            have_pods_reported: false,
            is_left_out: false,
        };
        let judgement = judge(&machine(None));
        let reason = judgement.outcome.reason().unwrap();
        assert_eq!(reason, "unknown whether it is inside: cannot list nodes: nodes is forbidden");
        assert!(judgement.fixes[0].text.contains("permissions rbac"), "{:?}", judgement.fixes);
        assert_eq!(judge(&machine(Some(Here::Inside))).outcome.name(), "Pass");
    }
}
