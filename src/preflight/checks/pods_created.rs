//! CPL501: probe pods can be created and get a network.

use std::collections::BTreeMap;

use serde_json::json;

use crate::preflight::check::{Category, Check, FactSource, Judge, Severity};
use crate::preflight::judgement::{Fix, Judgement};
use crate::preflight::pods::{Creation, Ended, Phase, PodFacts};

pub static CHECK: Check = Check {
    code: "CPL501",
    title: "probe pods can be created and get a network",
    category: Category::Pods,
    severity: Severity::Error,
    requires: &[],
    explains: &[],
    source: FactSource::KubernetesApi,
    permissions: &[
        "create configmaps",
        "delete configmaps",
        "create pods",
        "watch pods",
        "delete pods",
        "get pods/log (optional)",
        "list events (optional)",
    ],
    explanation: "Only a pod sees what components see: its subnet's routes, endpoints and network ACLs, the \
                  cluster's DNS, and the policies of the namespace. For each combination of subnet, \
                  architecture and node group, a pod with the cluster's DNS servers and one with those of the \
                  node probe all hosts, in the namespace and with the service account of a component. They \
                  comply with the Pod Security Standard `restricted`, and are removed at the end.",
    remediation: "allow pods in the namespace of Cast AI's components",
    judge: Judge::Pods(judge),
};

fn judge(pods: &PodFacts) -> Judgement {
    let judgement = match &pods.creation {
        Creation::Off => return Judgement::not_wanted("no pods are wanted"),
        Creation::NotConfirmed { why, fix } => return Judgement::not_wanted(why.clone()).fix(fix.clone()),
        Creation::NotPossible { why, fix } => {
            return Judgement::unknown(why.clone()).fixes(fix.iter().cloned().collect());
        }
        Creation::Requested { refused } => {
            let mut texts: BTreeMap<String, usize> = BTreeMap::new();
            let stuck = pods.runs.iter().filter_map(|run| match &run.ended {
                Ended::Failed(trouble) if matches!(trouble.phase, Phase::Schedule | Phase::Sandbox) => {
                    Some(trouble.to_text())
                }
                _ => None,
            });
            for text in refused.iter().map(|(_, why)| why.clone()).chain(stuck) {
                *texts.entry(text).or_default() += 1;
            }
            let all = pods.runs.len() + refused.len();
            let missing: usize = texts.values().sum();
            if missing == 0 {
                passed(pods, all)
            } else {
                let texts: Vec<_> = texts.into_keys().collect();
                Judgement::fail(format!("{missing} of {all} pods: {}", texts.join("; ")))
                    .fix(Fix::text("remove what the message names, or look from other nodes with --nodes"))
            }
        }
    };
    judgement.evidence(json!({
        "namespace": pods.namespace,
        "pods": pods.runs.iter().map(|run| json!({
            "name": run.name, "location": *run.location, "milliseconds": run.milliseconds,
        })).collect::<Vec<_>>(),
        "nodesNotLookedAt": pods.left_out.iter().map(|node| json!({
            "node": node.node, "reason": node.why,
        })).collect::<Vec<_>>(),
        "notes": pods.notes,
    }))
}

/// All pods were created. Nodes that no pod looks from are unknown, which is a warning as long as others are looked from.
fn passed(pods: &PodFacts, all: usize) -> Judgement {
    let seen = format!("{all} in namespace {}", pods.namespace);
    let seen = pods.notes.iter().fold(seen, |seen, note| format!("{seen}; {note}"));
    if let Some(why) = &pods.not_removed {
        return Judgement::warn(format!("{seen}; not removed: {why}")).fix(Fix::command(
            "remove what is left of the pods",
            "kubectl castai-privatelink preflight cleanup",
        ));
    }
    if pods.left_out.is_empty() {
        return Judgement::pass(seen);
    }
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in &pods.left_out {
        reasons.entry(&node.why).or_default().push(&node.node);
    }
    let reasons = reasons.into_iter().map(|(why, nodes)| match nodes.as_slice() {
        [only] => format!("{only} ({why})"),
        [first, others @ ..] => format!("{first} and {} more ({why})", others.len()),
        [] => String::new(),
    });
    let reasons = reasons.collect::<Vec<_>>().join(", ");
    Judgement::pass(format!("{seen}; not looked from: {reasons}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks::testing::{failed, pod_facts, reported};
    use crate::preflight::pods::LeftOut;

    #[test]
    fn what_keeps_pods_from_being_created_is_named() {
        let refuse = |message: &str| -> PodFacts {
            let location = reported("n", 1).location;
            pod_facts(vec![reported("a", 1)], vec![(location, message.to_owned())])
        };
        let with = |creation| PodFacts { creation, ..pod_facts(Vec::new(), Vec::new()) };
        let fix = || Fix::command("confirm", "preflight --in-cluster=only");
        let left_out = |node: &str, why: &str| LeftOut { node: node.to_owned(), why: why.to_owned() };
        let nodes = vec![left_out("x", "cordoned"), left_out("y", "cordoned"), left_out("z", "not ready")];
        let cases = [
            (
                pod_facts(vec![reported("a", 1), reported("b", 1)], Vec::new()),
                "Pass",
                "2 in namespace castai-agent",
            ),
            (
                PodFacts { left_out: nodes, ..pod_facts(vec![reported("a", 1)], Vec::new()) },
                "Pass",
                "1 in namespace castai-agent; not looked from: x and 1 more (cordoned), z (not ready)",
            ),
            (refuse("violates PodSecurity"), "Fail", "1 of 2 pods: violates PodSecurity"),
            (
                pod_facts(vec![failed("a", Phase::Sandbox, "no IP"), reported("b", 1)], Vec::new()),
                "Fail",
                "1 of 2 pods: Reason: no IP",
            ),
            // The others are for the checks of each pod.
            (
                pod_facts(vec![failed("a", Phase::Pull, "403")], Vec::new()),
                "Pass",
                "1 in namespace castai-agent",
            ),
            (
                PodFacts {
                    not_removed: Some("timed out".to_owned()),
                    ..pod_facts(vec![reported("a", 1)], Vec::new())
                },
                "Warn",
                "1 in namespace castai-agent; not removed: timed out",
            ),
            (
                with(Creation::NotConfirmed { why: "no terminal".to_owned(), fix: fix() }),
                "Skipped",
                "no terminal",
            ),
            (
                with(Creation::NotPossible { why: "requires create pods".to_owned(), fix: None }),
                "Unknown",
                "requires create pods",
            ),
        ];
        for (pods, result, text) in cases {
            let judgement = judge(&pods);
            let seen = judgement.outcome.reason().unwrap_or(judgement.observed);
            assert_eq!((judgement.outcome.name(), seen.as_str()), (result, text));
        }
    }
}
