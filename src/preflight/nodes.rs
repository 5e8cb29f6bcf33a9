//! The nodes of the check graph: a check for each of its subjects and vantage points, judged on facts only.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::{Check, Judge};
use super::checks::aws_identity;
use super::facts::{Facts, ProbedTarget, View};
use super::fixes;
use super::judgement::Judgement;
use super::machine::Position;
use super::pods::{Creation, Ended, Phase, PodRun};
use super::subject::{Subject, SubjectKind, VantagePoint};
use super::target::Target;
use super::vpc::{ServiceView, service_of};

/// A check of a subject from a vantage point.
pub(super) struct Node<'a> {
    pub subject: Subject,
    pub vantage_point: VantagePoint,
    /// Whether failures are at most warnings, because nothing in this cluster is known to use the subject.
    pub optional: bool,
    /// Workloads of the components that are configured with the subject.
    pub configured_in: Option<&'a BTreeSet<String>>,
    pub verdict: Verdict,
}

/// The result for a node, before its prerequisites are considered.
pub(super) enum Verdict {
    Judged(Judgement),
    /// Holds whatever the prerequisites are, because they would need the same vantage point.
    NotSeen(Judgement),
    /// There is no such subject, so there is no finding unless a prerequisite did not pass.
    NoSubject,
}

impl Node<'_> {
    fn judged(subject: Subject, judgement: Judgement) -> Self {
        let verdict = Verdict::Judged(judgement);
        Self { subject, vantage_point: VantagePoint::Here, optional: false, configured_in: None, verdict }
    }
}

/// The nodes of a check.
pub(super) fn nodes_of<'a>(check: &Check, facts: &'a Facts) -> Vec<Node<'a>> {
    match check.judge {
        Judge::Cluster(judge) => {
            let cluster = &facts.cluster;
            vec![Node::judged(cluster.subject(), judge(cluster))]
        }
        Judge::Component(_) if facts.cluster.components.is_empty() => {
            let nothing = Node::judged(facts.cluster.subject(), Judgement::pass(""));
            vec![Node { verdict: Verdict::NoSubject, ..nothing }]
        }
        Judge::Component(judge) => {
            let components = facts.cluster.components.iter();
            // A component without endpoints has nothing to read.
            let components = components
                .filter(|component| !(component.endpoints.is_empty() && component.unreadable.is_empty()));
            components
                .map(|component| {
                    let subject = Subject::new(SubjectKind::Workload, component.workload.clone());
                    Node::judged(subject, judge(component))
                })
                .collect()
        }
        Judge::Region(judge) => {
            vec![Node::judged(facts.region.subject(), judge(&facts.region))]
        }
        Judge::Machine(judge) => {
            vec![Node::judged(Subject::new(SubjectKind::Machine, "this machine"), judge(&facts.machine))]
        }
        Judge::Target { applies, judge } => {
            let targets = facts.targets.iter().filter(|target| applies(target));
            targets
                .map(|target| of_target(target, VantagePoint::Here, Verdict::Judged(judge(target))))
                .collect()
        }
        Judge::Network { applies, judge, .. } => facts
            .views
            .iter()
            .flat_map(|view| {
                let targets = facts.targets.iter().filter(|target| applies(target));
                targets.map(move |target| {
                    of_target(target, view.vantage_point.clone(), judge_view(facts, view, target, judge))
                })
            })
            .collect(),
        Judge::Interfaces(judge) => {
            let Ok(vpc) = &facts.aws.vpc else { return Vec::new() };
            let with_endpoint = |target: &'a Target| {
                let service =
                    vpc.services().find(|of| service_of(target) == Some(of.service.name.as_str()))?;
                let endpoint = service.endpoint.filter(|of| !of.is_gateway && of.private_dns)?;
                Some((target, service, endpoint))
            };
            let targets: Vec<_> = facts.targets.iter().filter_map(with_endpoint).collect();
            let views = facts.views.iter();
            views
                .flat_map(|view| {
                    targets.iter().map(move |(target, service, endpoint)| {
                        let judge = |probed: &ProbedTarget<'_>| judge(probed, service, endpoint);
                        of_target(target, view.vantage_point.clone(), judge_view(facts, view, target, judge))
                    })
                })
                .collect()
        }
        Judge::Caller(judge) => {
            let subject = Subject::new(SubjectKind::Caller, "AWS credentials");
            vec![Node::judged(subject, judge(&facts.aws.identity))]
        }
        Judge::VpcRead(judge) => {
            let node = Node::judged(facts.aws.vpc_subject(), judge(facts.aws.vpc.as_ref()));
            // Nothing can be read without credentials: that is one problem.
            let is_consequence = facts.aws.vpc.is_err() && facts.aws.are_credentials_wrong();
            let skipped = || Verdict::NotSeen(Judgement::skipped(aws_identity::CHECK.code));
            vec![if is_consequence { Node { verdict: skipped(), ..node } } else { node }]
        }
        Judge::Vpc(_) | Judge::Subnet(_) | Judge::Service(_) | Judge::Endpoint { .. } => of_vpc(check, facts),
        Judge::Registry { judge, .. } => {
            vec![Node::judged(facts.registry.subject(), judge(&facts.registry))]
        }
        Judge::Pods(_) | Judge::Pod(_) if facts.pods.creation == Creation::Off => Vec::new(),
        Judge::Pods(judge) => vec![Node::judged(facts.cluster.subject(), judge(&facts.pods))],
        Judge::Pod(_) if facts.pods.runs.is_empty() => {
            let verdict = match &facts.pods.creation {
                Creation::NotConfirmed { .. } => Verdict::NotSeen(Judgement::not_wanted("see CPL501")),
                _ => Verdict::NoSubject,
            };
            let nothing = Node::judged(facts.cluster.subject(), Judgement::pass(""));
            vec![Node { verdict, ..nothing }]
        }
        // A pod that was not scheduled, or got no network, is a finding about all pods.
        Judge::Pod(judge) => facts
            .pods
            .runs
            .iter()
            .filter(|run| blocker(run).is_none_or(|code| code != "CPL501"))
            .map(|run| {
                let subject = Subject::new(SubjectKind::Node, run.location.node.clone());
                let vantage_point = VantagePoint::Pod(Arc::clone(&run.location));
                Node { vantage_point, ..Node::judged(subject, judge(run)) }
            })
            .collect(),
    }
}

/// The check that a pod without a report does not pass.
const fn blocker(run: &PodRun) -> Option<&'static str> {
    match &run.ended {
        Ended::Reported(_) => None,
        Ended::Failed(trouble) => Some(match trouble.phase {
            Phase::Schedule | Phase::Sandbox => "CPL501",
            Phase::Pull => "CPL502",
            Phase::Run => "CPL503",
        }),
    }
}

/// The nodes of a check of the VPC, of its subnets or of its services.
fn of_vpc<'a>(check: &Check, facts: &'a Facts) -> Vec<Node<'a>> {
    let Ok(vpc) = &facts.aws.vpc else {
        let nothing = Node::judged(facts.aws.vpc_subject(), Judgement::pass(""));
        return vec![Node { verdict: Verdict::NoSubject, ..nothing }];
    };
    match check.judge {
        Judge::Vpc(judge) => vec![Node::judged(vpc.subject(), judge(vpc))],
        Judge::Subnet(judge) => {
            let subject = |id: &String| Subject::new(SubjectKind::Subnet, id);
            vpc.node_subnets().map(|subnet| Node::judged(subject(&subnet.id), judge(vpc, subnet))).collect()
        }
        Judge::Service(judge) => {
            vpc.services().map(|service| of_service(&service, judge(&service))).collect()
        }
        Judge::Endpoint { kind, judge } => vpc
            .services()
            .filter_map(|service| {
                let endpoint = service.endpoint.filter(|endpoint| kind.includes(endpoint))?;
                Some(of_service(&service, judge(&service, endpoint)))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn of_service<'a>(service: &ServiceView<'_>, judgement: Judgement) -> Node<'a> {
    Node { optional: service.usage().is_optional, ..Node::judged(service.subject(), judgement) }
}

fn of_target(target: &Target, vantage_point: VantagePoint, verdict: Verdict) -> Node<'_> {
    Node {
        subject: target.subject(),
        vantage_point,
        optional: target.optional,
        configured_in: Some(&target.configured_in),
        verdict,
    }
}

fn judge_view(
    facts: &Facts,
    view: &View,
    target: &Target,
    judge: impl Fn(&ProbedTarget<'_>) -> Judgement,
) -> Verdict {
    let Some(hosts) = &view.hosts else {
        if let VantagePoint::Pod(location) = &view.vantage_point {
            let run = facts.pods.runs.iter().find(|run| run.location == *location);
            return Verdict::NotSeen(Judgement::skipped(run.and_then(blocker).unwrap_or("CPL501")));
        }
        // The fix is that of the check of the machine, so that both are one problem.
        let fix = match facts.machine.position() {
            Position::NodesForbidden(_) => fixes::grant(),
            _ => fixes::run_from_inside(),
        };
        return Verdict::NotSeen(Judgement::unknown(fixes::OUTSIDE).fix(fix));
    };
    match hosts.iter().find(|facts| target.is_seen_by(&facts.target)) {
        Some(facts) => Verdict::Judged(judge(&ProbedTarget { target, facts })),
        None => Verdict::NotSeen(Judgement::unknown("the probe reported nothing about this host")),
    }
}
