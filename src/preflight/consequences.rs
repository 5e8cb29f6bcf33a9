//! Which findings follow from others: what AWS' configuration explains is not a cause of its own, and what the network
//! proves outweighs the configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::checks::service_private_dns;
use super::finding::{CausedBy, Finding};
use super::fixes;
use super::judgement::{Fix, Outcome, Symptom};
use super::subject::SubjectKind;
use super::target::Target;
use super::vpc::service_of;

/// Weighs findings of the network against those of the configuration.
pub(super) fn weigh(findings: &mut [Finding], targets: &[Target]) {
    let services: BTreeMap<String, &str> =
        targets.iter().filter_map(|target| Some((target.subject().name, service_of(target)?))).collect();
    overrule(findings, &services);
    let causes: Vec<_> = findings.iter().map(|finding| cause(finding, findings, &services)).collect();
    for (finding, cause) in findings.iter_mut().zip(causes) {
        finding.caused_by = cause;
    }
    redirect(findings, &services);
}

/// A failure that does no harm, because all hosts of the service answer privately, is a warning.
fn overrule(findings: &mut [Finding], services: &BTreeMap<String, &str>) {
    let mut answers: BTreeMap<&str, bool> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| finding.step().is_some()) {
        if let Some(service) = services.get(&finding.subject.name) {
            *answers.entry(service).or_insert(true) &= finding.outcome == Outcome::Pass;
        }
    }
    for finding in findings {
        // What would make the name lead elsewhere cannot be true if it leads to the host.
        let is_overruled = finding.check.explains.contains(&Symptom::PublicAddress);
        let is_of_service = finding.subject.kind == SubjectKind::Service;
        let answers = answers.get(finding.subject.name.as_str()).copied().unwrap_or_default();
        if is_of_service && is_overruled && answers && finding.outcome == Outcome::Fail {
            finding.outcome = Outcome::Warn;
            finding.observed = format!("{}; but its host answers privately", finding.observed);
        }
    }
}

/// A name that does not lead to an endpoint that answers for it needs another fix than a missing endpoint.
fn redirect(findings: &mut [Finding], services: &BTreeMap<String, &str>) {
    let with_name: BTreeSet<String> = findings
        .iter()
        .filter(|finding| finding.check.code == service_private_dns::CHECK.code)
        .filter(|finding| finding.outcome == Outcome::Pass)
        .map(|finding| finding.subject.name.clone())
        .collect();
    for finding in findings.iter_mut().filter(|finding| finding.caused_by.is_none()) {
        let is_name = matches!(finding.symptom, Some(Symptom::NoAddress | Symptom::PublicAddress));
        let service = services.get(&finding.subject.name);
        let is_create =
            |fix: &Fix| fix.command.as_deref().is_some_and(|command| command.contains(fixes::CREATE));
        if is_name
            && service.is_some_and(|service| with_name.contains(*service))
            && finding.fixes.iter().any(is_create)
        {
            finding.fixes = vec![Fix::text(
                "its endpoint has private DNS, so another DNS record answers: look for DHCP options with other DNS \
                 servers, Route 53 resolver rules and private hosted zones",
            )];
        }
    }
}

/// The finding that explains this one: of its own host or service before that of the whole VPC, and a failure before a
/// warning.
fn cause(finding: &Finding, all: &[Finding], services: &BTreeMap<String, &str>) -> Option<CausedBy> {
    if !finding.outcome.is_problem() {
        return None;
    }
    let symptom = finding.symptom?;
    let service = services.get(&finding.subject.name)?;
    let explains = |other: &&Finding| {
        let is_related = match other.subject.kind {
            SubjectKind::Service => other.subject.name == *service,
            SubjectKind::Vpc => true,
            SubjectKind::Host => {
                other.subject.name == finding.subject.name && other.vantage_point == finding.vantage_point
            }
            _ => false,
        };
        is_related
            && matches!(other.outcome, Outcome::Fail | Outcome::Warn)
            && other.check.explains.contains(&symptom)
    };
    let cause = all.iter().filter(explains).max_by_key(|other| {
        (other.outcome.urgency(), other.subject.kind != SubjectKind::Vpc, std::cmp::Reverse(other.check.code))
    })?;
    Some(CausedBy { code: cause.check.code, subject: cause.subject.name.clone() })
}
