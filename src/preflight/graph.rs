//! The check graph: nodes are checks of a subject from a vantage point, edges are prerequisites. It determines which
//! facts are needed, and which checks are skipped.

use std::collections::{BTreeMap, BTreeSet};

use probe::Layer;

use super::check::{Check, Judge, Need, Requires, Severity};
use super::facts::Facts;
use super::finding::Finding;
use super::judgement::{Judgement, Outcome};
use super::nodes::{self, Node, Verdict};
use super::selection::Selection;
use super::subject::VantagePoint;
use super::target::Target;

/// The selected checks and all their prerequisites, in order. Facts are gathered for these.
pub fn needed(checks: &[&'static Check], selection: &Selection) -> Vec<&'static Check> {
    let mut codes: BTreeSet<&str> = BTreeSet::new();
    // Prerequisites come earlier in the list, so one pass from last to first finds all.
    for check in checks.iter().rev() {
        if selection.includes(check.code) || codes.contains(check.code) {
            codes.insert(check.code);
            codes.extend(check.requires.iter().map(|required| required.code()));
        }
    }
    checks.iter().copied().filter(|check| codes.contains(check.code)).collect()
}

/// The facts to gather for these checks, besides network facts.
pub fn needs(checks: &[&'static Check]) -> BTreeSet<Need> {
    checks.iter().flat_map(|check| check.needs()).copied().collect()
}

/// Whether pods are to look for these checks.
pub fn are_pods_needed(checks: &[&'static Check]) -> bool {
    needs(checks).contains(&Need::Pods)
}

/// The highest layer to probe of a target for these checks; `None` if it is not probed.
pub fn layer(checks: &[&'static Check], target: &Target) -> Option<Layer> {
    let layers = checks.iter().filter_map(|check| match check.judge {
        Judge::Network { layer, applies, .. } if applies(target) => Some(layer),
        _ => None,
    });
    layers.max()
}

/// Judges facts, and skips checks whose prerequisites did not pass. Findings are in the order of the checks.
pub fn judge(checks: &[&'static Check], facts: &Facts) -> Vec<Finding> {
    let mut graph = Graph { facts, judged: BTreeMap::new() };
    let mut findings = Vec::new();
    for check in checks {
        for node in nodes::nodes_of(check, facts) {
            findings.extend(graph.judge(check, node));
        }
    }
    findings
}

/// The effect of a judged node on checks that require it.
#[derive(Clone, Copy)]
enum Standing {
    Open,
    /// They are skipped, because this check did not pass.
    Blocked(&'static str),
}

impl Standing {
    const fn root(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Blocked(root) => Some(root),
        }
    }
}

struct Graph<'a> {
    facts: &'a Facts,
    /// Nodes that are judged already: code, subject and vantage point.
    judged: BTreeMap<(&'static str, String, VantagePoint), Standing>,
}

impl Graph<'_> {
    fn judge(&mut self, check: &'static Check, node: Node<'_>) -> Option<Finding> {
        let blocker = || check.requires.iter().find_map(|requires| self.blocker(*requires, &node));
        let judgement = match &node.verdict {
            Verdict::NotSeen(judgement) => judgement.clone(),
            Verdict::Judged(judgement) => blocker().map_or_else(|| judgement.clone(), Judgement::skipped),
            Verdict::NoSubject => Judgement::skipped(blocker()?),
        };
        let standing = match judgement.outcome {
            Outcome::Pass | Outcome::Warn => Standing::Open,
            Outcome::Fail | Outcome::Unknown { .. } | Outcome::NotWanted { .. } => {
                Standing::Blocked(check.code)
            }
            Outcome::Skipped { blocked_by } => Standing::Blocked(blocked_by),
        };
        let key = (check.code, node.subject.name.clone(), node.vantage_point.clone());
        self.judged.insert(key, standing);
        let severity = if node.optional { Severity::Warning } else { check.severity };
        Some(Finding::new(check, severity, node.subject, node.vantage_point, judgement))
    }

    /// The original cause if a prerequisite of a node did not pass.
    fn blocker(&self, requires: Requires, node: &Node<'_>) -> Option<&'static str> {
        match requires {
            Requires::Same(code) => self.standing(code, &node.subject.name, &node.vantage_point)?.root(),
            Requires::Cluster(code) if self.facts.cluster.components.is_empty() => {
                self.standing(code, &self.facts.cluster.subject().name, &node.vantage_point)?.root()
            }
            Requires::Cluster(_) => None,
            Requires::Region(code) => {
                self.standing(code, &self.facts.region.subject().name, &node.vantage_point)?.root()
            }
            Requires::AnyComponent(code) => {
                let workloads = node.configured_in.into_iter().flatten();
                let standings =
                    workloads.filter_map(|workload| self.standing(code, workload, &node.vantage_point));
                let roots: Option<Vec<_>> = standings.map(Standing::root).collect();
                roots?.first().copied()
            }
        }
    }

    /// The standing of a check of a subject from this vantage point or, for checks that only use APIs, from here.
    fn standing(&self, code: &'static str, subject: &str, vantage_point: &VantagePoint) -> Option<Standing> {
        let seen_from = |vantage_point| self.judged.get(&(code, subject.to_owned(), vantage_point)).copied();
        seen_from(vantage_point.clone()).or_else(|| seen_from(VantagePoint::Here))
    }
}

#[cfg(test)]
mod tests;
