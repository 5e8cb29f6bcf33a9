mod ignoring;

use probe::{Endpoint, HostFacts};
use serde_json::json;

use super::*;
use crate::castai::endpoints::Protocol;
use crate::preflight::api_response::ApiResponse;
use crate::preflight::checks::CHECKS;
use crate::preflight::checks::testing::{failed, pod_facts, reported};
use crate::preflight::component::{Component, Configured};
use crate::preflight::facts::{ClusterFacts, RegionFacts, RegistryFacts, Unread, View};
use crate::preflight::judgement::Fix;
use crate::preflight::machine::{Here, MachineFacts, Metadata};
use crate::preflight::pods::{Creation, Ended, Phase, PodFacts};
use crate::preflight::target;
use crate::preflight::vpc::{AwsFacts, VpcUnread};

fn selection(only: &[&str], skip: &[&str]) -> Selection {
    let owned = |codes: &[&str]| codes.iter().map(ToString::to_string).collect();
    Selection { only: owned(only), skip: owned(skip) }
}

fn codes(checks: &[&'static Check]) -> Vec<&'static str> {
    checks.iter().map(|check| check.code).collect()
}

fn component(name: &str, hosts: &[&str], unreadable: &[&str]) -> Component {
    Component {
        workload: format!("castai-agent/deployment.apps/{name}"),
        name: name.to_owned(),
        endpoints: hosts
            .iter()
            .map(|host| Configured {
                endpoint: host.parse().unwrap(),
                protocol: Protocol::Https,
                configured_by: "API_URL".to_owned(),
            })
            .collect(),
        unreadable: unreadable.iter().map(ToString::to_string).collect(),
        notes: Vec::new(),
    }
}

/// Facts of a cluster in a region without endpoint services, so that only configured hosts are targets.
fn facts(components: Vec<Component>, unread: Vec<Unread>, hosts: Option<Vec<HostFacts>>) -> Facts {
    let not_requested = || ApiResponse::NotRequested("no credentials".to_owned());
    Facts {
        aws: AwsFacts {
            identity: not_requested(),
            vpc: Err(VpcUnread { why: "no credentials".to_owned(), hint: None }),
        },
        targets: target::cast_ai(&components, Some("eu-west-1"), &[]),
        cluster: ClusterFacts { name: Some("prod".to_owned()), workloads: 7, unread, components },
        region: RegionFacts { name: Some("eu-west-1".to_owned()), forbidden: None },
        machine: MachineFacts {
            declared: Some(Here::Inside),
            metadata: Metadata::Disabled,
            nodes: Ok(Vec::new()),
            have_pods_reported: false,
            is_left_out: false,
        },
        views: vec![View { vantage_point: VantagePoint::Here, hosts }],
        registry: RegistryFacts {
            region: None,
            account: Err("no credentials".to_owned()),
            token: not_requested(),
            repository: not_requested(),
        },
        pods: PodFacts::off(),
    }
}

/// A name that resolves to a public address, as a remote probe reports it.
fn public_host(host: &str) -> HostFacts {
    let not_gathered = json!({"notGathered": {"reason": "publicAddress"}});
    serde_json::from_value(json!({
        "target": {"endpoint": {"host": host, "port": 443}, "layer": "https", "connect": "privateOnly"},
        "gathered": "2026-01-01T00:00:00Z",
        "dns": {"gathered": {"milliseconds": 12, "value": {
            "a": {"reply": {"addresses": ["104.16.81.56"]}, "aliases": [], "ttl": 60},
            "aaaa": {"reply": "noRecords", "aliases": [], "ttl": null},
        }}},
        "scope": {"private": [], "public": ["104.16.81.56"]},
        "tcp": not_gathered,
        "tls": not_gathered,
        "https": not_gathered,
        "grpc": {"notGathered": {"reason": "notWanted"}},
    }))
    .unwrap()
}

/// `CODE subject`, with the outcome.
fn outcomes(findings: &[Finding], wanted: &[&str]) -> Vec<(String, Outcome)> {
    let found = findings.iter().filter(|finding| wanted.contains(&finding.check.code));
    found
        .map(|finding| (format!("{} {}", finding.check.code, finding.subject.name), finding.outcome.clone()))
        .collect()
}

#[test]
fn selected_checks_need_their_prerequisites() {
    let cases: [(&[&str], &[&str], &[&str]); 4] = [
        (&["CPL240"], &[], &["CPL210", "CPL211", "CPL220", "CPL230", "CPL240"]),
        (&["CPL302"], &[], &["CPL104", "CPL302"]),
        (&["CPL303"], &[], &["CPL104", "CPL301", "CPL302", "CPL303"]),
        (&["CPL102", "CPL320"], &["CPL320"], &["CPL101", "CPL102"]),
    ];
    for (only, skip, expected) in cases {
        assert_eq!(codes(&needed(CHECKS, &selection(only, skip))), expected);
    }
    // Prerequisites are needed even if they are not shown.
    assert_eq!(codes(&needed(CHECKS, &selection(&[], &["CPL210"]))), codes(CHECKS));
    let without = codes(&needed(CHECKS, &selection(&[], &["CPL302", "CPL303"])));
    assert!(!without.contains(&"CPL303") && without.contains(&"CPL330"), "{without:?}");
}

/// A code, the facts that it needs, and the layer for each host.
type Case<'a> = (&'a str, &'a [Need], [Option<Layer>; 3]);

#[test]
fn only_what_the_checks_need_is_gathered() {
    let mut targets = target::cast_ai(&[], Some("us-east-1"), &[]);
    targets.extend(target::aws(Some("us-east-1"), None, None));
    let host = |host: &str| targets.iter().find(|target| target.endpoint.host == host).unwrap();
    let hosts = [host("api.cast.ai"), host("grpc.cast.ai"), host("api.ecr.us-east-1.amazonaws.com")];
    let network = [Need::Configuration, Need::Metadata, Need::Pods];
    let cases: [Case<'_>; 8] = [
        ("CPL101", &[], [None; 3]),
        ("CPL103", &[Need::Configuration], [None; 3]),
        ("CPL110", &[Need::Metadata], [None; 3]),
        ("CPL211", &network, [Some(Layer::Dns), Some(Layer::Dns), None]),
        ("CPL240", &network, [Some(Layer::Https), Some(Layer::Tls), None]),
        ("CPL320", &network, [None, None, Some(Layer::Tcp)]),
        ("CPL303", &[Need::EcrToken, Need::EcrRepository], [None; 3]),
        ("CPL503", &[Need::Configuration, Need::Pods], [None; 3]),
    ];
    for (code, expected, layers) in cases {
        let checks = needed(CHECKS, &selection(&[code], &[]));
        assert_eq!(needs(&checks).into_iter().collect::<Vec<_>>(), expected, "{code}");
        assert_eq!(hosts.map(|target| layer(&checks, target)), layers, "{code}");
    }
    assert_eq!(
        hosts.map(|target| layer(CHECKS, target)),
        [Some(Layer::Https), Some(Layer::Grpc), Some(Layer::Tls)]
    );
}

#[test]
fn checks_after_a_failure_are_skipped_because_of_its_root() {
    let components = vec![component("castai-agent", &["api.cast.ai"], &[])];
    let facts = facts(components, Vec::new(), Some(vec![public_host("api.cast.ai")]));
    let findings = judge(CHECKS, &facts);
    let skipped = || Outcome::Skipped { blocked_by: "CPL211" };
    let expected = [
        ("CPL210", Outcome::Pass),
        ("CPL211", Outcome::Fail),
        ("CPL220", skipped()),
        ("CPL230", skipped()),
        ("CPL231", skipped()),
        ("CPL240", skipped()),
    ];
    let expected = expected.map(|(code, outcome)| (format!("{code} api.cast.ai"), outcome));
    let network = ["CPL210", "CPL211", "CPL220", "CPL230", "CPL231", "CPL240", "CPL241"];
    assert_eq!(outcomes(&findings, &network), expected);
    let resolves = findings.iter().find(|finding| finding.check.code == "CPL210").unwrap();
    assert_eq!((resolves.milliseconds, resolves.vantage_point.clone()), (12, VantagePoint::Here));
}

#[test]
fn an_optional_host_only_warns_but_its_chain_still_ends() {
    let components = vec![component("castai-agent", &["api.cast.ai"], &[])];
    let mut facts = facts(components, Vec::new(), Some(vec![public_host("api.cast.ai")]));
    facts.targets[0].optional = true;
    let findings = judge(CHECKS, &facts);
    assert_eq!(
        outcomes(&findings, &["CPL211", "CPL220"]),
        [
            ("CPL211 api.cast.ai".to_owned(), Outcome::Warn),
            ("CPL220 api.cast.ai".to_owned(), Outcome::Skipped { blocked_by: "CPL211" }),
        ]
    );
}

#[test]
fn without_facts_nothing_passes_or_fails() {
    let all = ["CPL210", "CPL211", "CPL220", "CPL230", "CPL231", "CPL240"];
    // From outside the VPC nothing was gathered; an interrupted probe has no facts about the host.
    for hosts in [None, Some(Vec::new())] {
        let components = vec![component("castai-agent", &["api.cast.ai"], &[])];
        let findings = judge(CHECKS, &facts(components, Vec::new(), hosts));
        let outcomes = outcomes(&findings, &all);
        assert_eq!(outcomes.len(), all.len());
        for (name, outcome) in outcomes {
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{name}: {outcome:?}");
        }
    }
    // A probe that reports less than was requested.
    let mut shallow = HostFacts::new(public_host("api.cast.ai").target, jiff::Timestamp::UNIX_EPOCH);
    shallow.dns = public_host("api.cast.ai").dns;
    shallow.scope.private = vec!["10.0.0.1".parse().unwrap()];
    let components = vec![component("castai-agent", &["api.cast.ai"], &[])];
    let findings = judge(CHECKS, &facts(components, Vec::new(), Some(vec![shallow])));
    let tcp = outcomes(&findings, &["CPL220", "CPL230"]);
    assert!(matches!(&tcp[0].1, Outcome::Unknown { why } if why == "not requested"), "{tcp:?}");
    assert_eq!(tcp[1].1, Outcome::Skipped { blocked_by: "CPL220" });
}

#[test]
fn an_unreadable_cluster_leaves_known_hosts_only() {
    let forbidden = || vec![Unread::Forbidden("nodes is forbidden".to_owned())];
    let findings = judge(CHECKS, &facts(Vec::new(), forbidden(), None));
    let skipped = || Outcome::Skipped { blocked_by: "CPL101" };
    assert_eq!(
        outcomes(&findings, &["CPL102", "CPL103"]),
        [("CPL102 prod".to_owned(), skipped()), ("CPL103 prod".to_owned(), skipped())]
    );
    let components = vec![component("castai-agent", &["api.cast.ai"], &[])];
    let findings = judge(CHECKS, &facts(components, forbidden(), None));
    assert_eq!(
        outcomes(&findings, &["CPL102", "CPL103", "CPL201"]),
        [
            ("CPL102 prod".to_owned(), Outcome::Pass),
            ("CPL103 castai-agent/deployment.apps/castai-agent".to_owned(), Outcome::Pass),
            ("CPL201 api.cast.ai".to_owned(), Outcome::Pass),
        ]
    );
    // The cluster was read and has no components, so there are no endpoints to read.
    let findings = judge(CHECKS, &facts(Vec::new(), Vec::new(), None));
    assert_eq!(outcomes(&findings, &["CPL102", "CPL103"]), [("CPL102 prod".to_owned(), Outcome::Warn)]);
}

#[test]
fn ecr_repositories_are_not_requested_before_the_registry_is_known() {
    let findings = judge(CHECKS, &facts(Vec::new(), Vec::new(), None));
    let blocked_by = Outcome::Skipped { blocked_by: "CPL301" };
    assert_eq!(outcomes(&findings, &["CPL303"]), [("CPL303 ECR".to_owned(), blocked_by)]);
}

#[test]
fn two_targets_of_one_host_keep_separate_facts() {
    let extra = [("api.ecr.us-east-1.amazonaws.com".parse::<Endpoint>().unwrap(), Protocol::Https)];
    let mut targets = target::cast_ai(&[], Some("eu-west-1"), &extra);
    targets.extend(target::aws(Some("us-east-1"), None, None));
    let probed: Vec<_> = targets.iter().map(|target| target.probed(layer(CHECKS, target).unwrap())).collect();
    for (index, target) in targets.iter().enumerate() {
        assert_eq!(probed.iter().position(|probed| target.is_seen_by(probed)), Some(index));
    }
}

#[test]
fn a_host_requires_that_the_endpoints_of_one_of_its_components_were_read() {
    let secret = ["secret/keys in castai-agent: Forbidden"];
    let doubtful = || component("castai-a", &["api.cast.ai"], &secret);
    let certain = || component("castai-b", &["api.cast.ai"], &[]);
    let cases = [
        (vec![certain()], Outcome::Pass),
        (vec![doubtful(), certain()], Outcome::Pass),
        (vec![certain(), doubtful()], Outcome::Pass),
        (vec![doubtful()], Outcome::Skipped { blocked_by: "CPL103" }),
    ];
    for (components, expected) in cases {
        let findings = judge(CHECKS, &facts(components, Vec::new(), None));
        assert_eq!(outcomes(&findings, &["CPL201"]), [("CPL201 api.cast.ai".to_owned(), expected)]);
    }
}

/// Facts of two pods: one on `a` that reported a public address, and one on `b` that did not report.
fn facts_of_pods(phase: Phase) -> Facts {
    let host = public_host("api.cast.ai");
    let mut reported = reported("a", 0);
    let Ended::Reported(report) = &mut reported.ended else { panic!() };
    report.hosts.push(host);
    let pods = pod_facts(vec![reported, failed("b", phase, "why")], Vec::new());
    let components = vec![component("castai-agent", &["api.cast.ai"], &[])];
    let mut facts = facts(components, Vec::new(), None);
    facts.machine.declared = Some(Here::Outside);
    facts.machine.have_pods_reported = true;
    facts.views = View::of_pods(&pods);
    Facts { pods, ..facts }
}

#[test]
fn each_pod_judges_hosts_by_itself() {
    for (phase, blocked_by, own) in [
        (Phase::Pull, "CPL502", vec!["CPL502 a Pass", "CPL502 b Fail", "CPL503 a Pass", "CPL503 b Skipped"]),
        (Phase::Run, "CPL503", vec!["CPL502 a Pass", "CPL502 b Pass", "CPL503 a Pass", "CPL503 b Fail"]),
        // That is a finding about the cluster.
        (Phase::Schedule, "CPL501", vec!["CPL502 a Pass", "CPL503 a Pass"]),
    ] {
        let findings = judge(CHECKS, &facts_of_pods(phase));
        let of = |code: &str| -> Vec<String> {
            let found = findings.iter().filter(|finding| finding.check.code == code);
            found
                .map(|one| format!("{} {} {}", one.check.code, one.subject.name, one.outcome.name()))
                .collect()
        };
        assert_eq!([of("CPL502"), of("CPL503")].concat(), own);
        let private: Vec<_> = findings
            .iter()
            .filter(|finding| finding.check.code == "CPL211")
            .map(|finding| (finding.vantage_point.to_string(), finding.outcome.clone()))
            .collect();
        let pod = |node: &str| format!("pod in subnet-{node} (us-east-1a, amd64, cluster DNS)");
        assert_eq!(private, [(pod("a"), Outcome::Fail), (pod("b"), Outcome::Skipped { blocked_by })]);
        let here = findings.iter().find(|finding| finding.check.code == "CPL110").unwrap();
        assert!(!here.needs_attention(), "{here:?}");
    }
}

#[test]
fn pods_that_are_not_confirmed_are_skipped_and_no_problem() {
    let components = vec![component("castai-agent", &["api.cast.ai"], &[])];
    let mut facts = facts(components, Vec::new(), Some(Vec::new()));
    let fix = Fix::command("look", "preflight --yes");
    facts.pods.creation = Creation::NotConfirmed { why: "no terminal".to_owned(), fix };
    let pods = |facts: &Facts| -> Vec<Finding> {
        let findings = judge(CHECKS, facts).into_iter();
        findings.filter(|finding| finding.check.code.starts_with("CPL5")).collect()
    };
    let findings = pods(&facts);
    let texts: Vec<_> = findings.iter().map(|finding| finding.outcome.reason().unwrap()).collect();
    assert_eq!(texts, ["no terminal", "see CPL501", "see CPL501"]);
    assert!(!findings.iter().any(Finding::needs_attention));
    assert_eq!(findings[0].fixes[0].command.as_deref(), Some("preflight --yes"));
    facts.pods.creation = Creation::NotPossible { why: "requires create pods".to_owned(), fix: None };
    let outcomes: Vec<_> = pods(&facts).iter().map(|finding| finding.outcome.name()).collect();
    assert_eq!(outcomes, ["Unknown", "Skipped", "Skipped"]);
    facts.pods.creation = Creation::Off;
    assert!(pods(&facts).is_empty());
}
