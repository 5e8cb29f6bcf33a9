//! Workloads whose images no pod has pulled: a complete run does not prove that nodes can pull them.

use std::collections::BTreeMap;

use crate::output::table::first_names;
use crate::sync::rollout::{NOT_AWAITED, Outcome, WorkloadReport};

/// The end of a last line: which workloads prove nothing, and why; empty if all do.
pub(super) fn not_pulled(workloads: &[WorkloadReport]) -> String {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for workload in workloads {
        let Some(reason) = &workload.not_pulled else { continue };
        reasons.entry(short(reason)).or_default().push(workload.workload.to_string());
    }
    let parts: Vec<_> = reasons
        .into_iter()
        .map(|(reason, names)| format!("{} ({reason})", first_names(names.into_iter())))
        .collect();
    let mut text = String::new();
    if !parts.is_empty() {
        text = format!("; no pod has pulled the images of {}", parts.join(", "));
    }
    if workloads.iter().any(|workload| workload.notes.iter().any(|note| note == NOT_AWAITED)) {
        text.push_str("; rollouts were not watched");
    }
    text
}

/// The result of a changed workload: `updated`, unless no pod has pulled its images.
pub(super) const fn updated_or_not_pulled(
    workload: &WorkloadReport,
    updated: &'static str,
    not_pulled: &'static str,
) -> &'static str {
    if workload.not_pulled.is_some() && matches!(workload.outcome, Outcome::Updated) {
        not_pulled
    } else {
        updated
    }
}

/// A reason without its advice, which the line of the workload has.
fn short(reason: &str) -> &str {
    reason.split_once(": ").map_or(reason, |(reason, _)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::{WorkloadKind, WorkloadName};

    #[test]
    fn workloads_without_a_pod_that_pulled_are_named_by_reason() {
        let report = |name: &str, reason: Option<&str>, notes: &[&str]| {
            let name = WorkloadName {
                cluster: "c".to_owned(),
                namespace: "n".to_owned(),
                kind: WorkloadKind::Deployment,
                name: name.to_owned(),
            };
            WorkloadReport {
                not_pulled: reason.map(ToOwned::to_owned),
                notes: notes.iter().map(ToString::to_string).collect(),
                ..WorkloadReport::new(name, Vec::new(), Outcome::Updated)
            }
        };
        let none = Some("0 replicas: no pod has pulled the image");
        let paused = Some("paused: run `kubectl rollout resume deployment/p` to update its pods");
        let several: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| report(name, none, &[])).into();
        let cases = [
            (vec![report("a", None, &[])], ""),
            (
                vec![report("a", none, &[]), report("p", paused, &[]), report("q", None, &[])],
                "; no pod has pulled the images of deployment.apps/a (0 replicas), deployment.apps/p (paused)",
            ),
            (
                several,
                "; no pod has pulled the images of deployment.apps/a, deployment.apps/b, deployment.apps/c and 2 \
                 more (0 replicas)",
            ),
            (vec![report("a", None, &[NOT_AWAITED])], "; rollouts were not watched"),
        ];
        for (reports, expected) in cases {
            assert_eq!(not_pulled(&reports), expected);
        }
    }
}
