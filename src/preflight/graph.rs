//! The check graph: nodes are checks of a subject from a vantage point, edges are prerequisites. It determines which
//! facts are needed, and which checks are skipped.

use std::collections::{BTreeMap, BTreeSet};

use probe::Layer;

use super::check::{Check, Judge, Need, Requires, Severity};
use super::consequences;
use super::facts::Facts;
use super::finding::Finding;
use super::ignore::Ignore;
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

/// Without anything that is ignored.
#[cfg(test)]
pub fn judge(checks: &[&'static Check], facts: &Facts) -> Vec<Finding> {
    judge_ignoring(checks, facts, &[])
}

/// Judges facts, and skips checks whose prerequisites did not pass. Findings are in the order of the checks. A check that
/// requires an ignored finding is judged on its own facts; without any, it is a consequence, and ignored too.
pub fn judge_ignoring(checks: &[&'static Check], facts: &Facts, ignores: &[Ignore]) -> Vec<Finding> {
    let mut graph = Graph { facts, ignores, judged: BTreeMap::new() };
    let mut findings = Vec::new();
    for check in checks {
        for node in nodes::nodes_of(check, facts) {
            findings.extend(graph.judge(check, node));
        }
    }
    consequences::weigh(&mut findings, &facts.targets);
    findings
}

/// The effect of a judged node on checks that require it.
#[derive(Clone, Copy)]
enum Standing {
    Open,
    /// They are skipped, because this check did not pass.
    Blocked(Root),
}

/// The check because of which others are skipped.
#[derive(Clone, Copy)]
struct Root {
    code: &'static str,
    ignored: bool,
}

impl Standing {
    const fn root(self) -> Option<Root> {
        match self {
            Self::Open => None,
            Self::Blocked(root) => Some(root),
        }
    }
}

struct Graph<'a> {
    facts: &'a Facts,
    ignores: &'a [Ignore],
    /// Nodes that are judged already: code, subject and vantage point.
    judged: BTreeMap<(&'static str, String, VantagePoint), Standing>,
}

impl Graph<'_> {
    fn judge(&mut self, check: &'static Check, node: Node<'_>) -> Option<Finding> {
        let roots = check.requires.iter().filter_map(|requires| self.blocker(*requires, &node));
        let blocker = roots.min_by_key(|root| root.ignored);
        let judgement = match (&node.verdict, blocker) {
            (Verdict::NoSubject, None) => return None,
            (Verdict::NotSeen(judgement) | Verdict::Judged(judgement), None)
            | (Verdict::NotSeen(judgement), Some(Root { ignored: false, .. })) => judgement.clone(),
            (Verdict::Judged(judgement), Some(Root { ignored: true, .. })) if judgement.has_facts() => {
                judgement.clone()
            }
            (_, Some(root)) => Judgement::skipped(root.code),
        };
        let is_named = self.ignores.iter().any(|ignore| ignore.covers(check.code, &node.subject.name));
        let standing = match judgement.outcome {
            // A check that follows an ignored one proves nothing of what that one would have proved.
            Outcome::Pass | Outcome::Warn => blocker.map_or(Standing::Open, Standing::Blocked),
            Outcome::Fail | Outcome::Unknown { .. } | Outcome::NotWanted { .. } => {
                Standing::Blocked(Root { code: check.code, ignored: is_named })
            }
            Outcome::Skipped { blocked_by } => {
                let ignored = blocker.is_some_and(|root| root.ignored);
                Standing::Blocked(Root { code: blocked_by, ignored })
            }
        };
        let is_problem = !matches!(judgement.outcome, Outcome::Pass);
        let is_consequence = matches!(judgement.outcome, Outcome::Skipped { .. })
            && standing.root().is_some_and(|root| root.ignored);
        let ignored = is_problem && (is_named || is_consequence);
        let key = (check.code, node.subject.name.clone(), node.vantage_point.clone());
        self.judged.insert(key, standing);
        let severity = if node.optional { Severity::Warning } else { check.severity };
        let finding = Finding::new(check, severity, node.subject, node.vantage_point, judgement);
        Some(Finding { ignored, ..finding })
    }

    /// The original cause if a prerequisite of a node did not pass.
    fn blocker(&self, requires: Requires, node: &Node<'_>) -> Option<Root> {
        match requires {
            Requires::Same(code) => self.standing(code, &node.subject.name, &node.vantage_point)?.root(),
            Requires::Cluster(code) if self.facts.cluster.components.is_empty() => {
                self.standing(code, &self.facts.cluster.subject().name, &node.vantage_point)?.root()
            }
            Requires::Cluster(_) => None,
            Requires::Region(code) => {
                self.standing(code, &self.facts.region.subject().name, &node.vantage_point)?.root()
            }
            Requires::Vpc(code) => {
                self.standing(code, &self.facts.aws.vpc_subject().name, &node.vantage_point)?.root()
            }
            Requires::AnyComponent(code) => {
                let workloads = node.configured_in.into_iter().flatten();
                let standings =
                    workloads.filter_map(|workload| self.standing(code, workload, &node.vantage_point));
                let roots: Option<Vec<_>> = standings.map(Standing::root).collect();
                roots?.into_iter().min_by_key(|root| root.ignored)
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
