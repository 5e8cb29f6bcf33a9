//! The paths to Cast AI and AWS, as data for a drawing: from where, through what, to which host, and what was observed
//! at each step.

use std::collections::{BTreeMap, BTreeSet};

use super::check::Step;
use super::checks::service_endpoint;
use super::finding::Finding;
use super::subject::VantagePoint;

/// A path from a vantage point to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// This machine, or a subnet.
    pub from: String,
    /// The VPC endpoint, if it is known.
    pub through: Option<String>,
    pub to: String,
    pub needed_by: BTreeSet<String>,
    pub steps: Vec<PathStep>,
}

/// What was observed at a step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStep {
    pub name: &'static str,
    /// The result in reports.
    pub result: &'static str,
    pub observed: String,
    pub milliseconds: u64,
}

impl Path {
    /// Whether every step passed, or only warned.
    pub fn works(&self) -> bool {
        self.steps.iter().all(|step| ["Pass", "Warn"].contains(&step.result))
    }

    /// The step that says most about why the path does not work.
    pub fn worst(&self) -> Option<&PathStep> {
        ["Fail", "Ignored", "Unknown", "Warn"]
            .iter()
            .find_map(|result| self.steps.iter().find(|step| step.result == *result))
    }
}

/// The paths in the order of the findings, which are those of the checks.
pub fn paths(all: &[Finding]) -> Vec<Path> {
    let mut paths: Vec<Vec<&Finding>> = Vec::new();
    let mut places = BTreeMap::new();
    for finding in all.iter().filter(|finding| finding.step().is_some()) {
        let place = *places.entry((&finding.vantage_point, &finding.subject.name)).or_insert(paths.len());
        match paths.get_mut(place) {
            Some(findings) => findings.push(finding),
            None => paths.push(vec![finding]),
        }
    }
    let path = |findings: Vec<&Finding>| Path {
        from: start(findings[0]),
        through: endpoint(all, &findings[0].subject.name),
        to: findings[0].subject.name.clone(),
        needed_by: findings.iter().flat_map(|finding| finding.subject.needed_by.iter().cloned()).collect(),
        steps: STEPS.iter().filter_map(|(name, step)| path_step(name, *step, &findings)).collect(),
    };
    paths.into_iter().map(path).collect()
}

/// The endpoint of the VPC that answers for a host, according to the check that found it.
fn endpoint(all: &[Finding], host: &str) -> Option<String> {
    let answers = |name: &str| match name.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix),
        None => name == host,
    };
    let mut found = all.iter().filter(|finding| finding.check.code == service_endpoint::CHECK.code);
    let found = found.find(|finding| {
        let hosts = finding.evidence["hosts"].as_array();
        hosts.into_iter().flatten().filter_map(|name| name.as_str()).any(answers)
    })?;
    found.evidence["endpoint"].as_str().map(str::to_owned)
}

fn start(finding: &Finding) -> String {
    if finding.vantage_point == VantagePoint::Here {
        "this machine".to_owned()
    } else {
        finding.vantage_point.to_string()
    }
}

/// The steps in their order, with their names.
const STEPS: [(&str, Step); 5] = [
    ("DNS", Step::Dns),
    ("private", Step::Private),
    ("TCP", Step::Tcp),
    ("TLS", Step::Tls),
    ("response", Step::Response),
];

/// The worst result of the checks of a step.
fn path_step(name: &'static str, step: Step, findings: &[&Finding]) -> Option<PathStep> {
    let of_step = findings.iter().filter(|finding| finding.step() == Some(step));
    let worst = of_step.max_by_key(|finding| finding.urgency())?;
    let observed = if worst.observed.is_empty() {
        worst.outcome.reason().unwrap_or_default()
    } else {
        worst.observed.clone()
    };
    Some(PathStep { name, result: worst.result(), observed, milliseconds: worst.milliseconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preflight::checks;
    use crate::preflight::judgement::Judgement;
    use crate::preflight::subject::{Subject, SubjectKind};

    #[test]
    fn a_path_has_the_worst_result_of_each_step() {
        let find = |code: &str, host: &str, judgement: Judgement| {
            let check = checks::find(code).unwrap();
            let mut subject = Subject::new(SubjectKind::Host, host);
            subject.needed_by = ["castai-agent".to_owned()].into();
            Finding::new(check, check.severity, subject, VantagePoint::Here, judgement.took(3))
        };
        let findings = [
            find("CPL210", "a", Judgement::pass("10.0.0.1")),
            find("CPL210", "b", Judgement::fail("NXDOMAIN")),
            find("CPL211", "b", Judgement::skipped("CPL210")),
            find("CPL230", "a", Judgement::pass("TLS 1.3")),
            find("CPL231", "a", Judgement::warn("ends soon")),
            find("CPL201", "c", Judgement::pass("no step")),
        ];
        let paths = paths(&findings);
        let seen: Vec<_> = paths
            .iter()
            .map(|path| {
                let steps: Vec<_> = path
                    .steps
                    .iter()
                    .map(|step| format!("{} {}: {}", step.name, step.result, step.observed))
                    .collect();
                (path.from.as_str(), path.to.as_str(), steps.join(", "), path.works())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("this machine", "a", "DNS Pass: 10.0.0.1, TLS Warn: ends soon".to_owned(), true),
                (
                    "this machine",
                    "b",
                    "DNS Fail: NXDOMAIN, private Skipped: CPL210 did not pass".to_owned(),
                    false
                ),
            ]
        );
        assert_eq!(paths[1].worst().unwrap().observed, "NXDOMAIN");
        assert_eq!(paths[0].needed_by.len(), 1);
    }
}
