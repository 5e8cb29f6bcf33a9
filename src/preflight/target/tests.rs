use super::*;
use crate::preflight::configured::Configured;

fn component(name: &str, endpoints: &[(&str, Protocol)]) -> Component {
    Component {
        workload: format!("castai-agent/deployment.apps/{name}"),
        name: name.to_owned(),
        endpoints: endpoints
            .iter()
            .map(|(endpoint, protocol)| Configured {
                endpoint: endpoint.parse().unwrap(),
                protocol: *protocol,
                origin: "API_URL".to_owned(),
            })
            .collect(),
        unreadable: Vec::new(),
        notes: Vec::new(),
    }
}

fn hosts(targets: &[Target]) -> Vec<&str> {
    targets.iter().map(|target| target.endpoint.host.as_str()).collect()
}

#[test]
fn without_components_all_services_are_needed() {
    let targets = targets(&[], true, &[]);
    assert_eq!(
        hosts(&targets),
        [
            "api.cast.ai",
            "grpc.cast.ai",
            "api-grpc.cast.ai",
            "kvisor.prod-master.cast.ai",
            "telemetry.prod-master.cast.ai"
        ]
    );
    assert!(targets.iter().all(|target| !target.optional));
}

#[test]
fn a_host_is_one_target_however_many_need_it() {
    let components = [
        component("castai-agent", &[("https://api.cast.ai", Protocol::Https)]),
        component(
            "castai-pod-pinner",
            &[("api.cast.ai", Protocol::Https), ("grpc.cast.ai:443", Protocol::Grpc)],
        ),
    ];
    let targets = targets(&components, true, &[]);
    assert_eq!(targets.len(), 5);
    let needed: Vec<_> = targets[0].needed_by.iter().map(String::as_str).collect();
    assert_eq!(needed, ["castai-agent", "castai-pod-pinner"]);
    let optional: Vec<_> = targets.iter().map(|target| target.optional).collect();
    assert_eq!(optional, [false, false, true, true, true]);
}

#[test]
fn hosts_follow_the_installation_that_components_talk_to() {
    let components = [component("castai-agent", &[("https://api.eu.cast.ai", Protocol::Https)])];
    assert_eq!(hosts(&targets(&components, true, &[]))[1], "grpc.eu.cast.ai");
    // A region without services leaves what is configured.
    assert_eq!(hosts(&targets(&components, false, &[])), ["api.eu.cast.ai"]);
}

#[test]
fn hosts_that_no_service_covers_are_warned_of_and_the_clusters_own_are_left_out() {
    let components = [component(
        "castai-kentroller",
        &[
            ("grpc.prod-master.cast.ai:443", Protocol::Grpc),
            ("https://api.cast.ai", Protocol::Https),
            ("collector.castai-agent.svc:8080", Protocol::Https),
        ],
    )];
    let targets = targets(&components, true, &[]);
    assert_eq!(hosts(&targets)[5..], ["grpc.prod-master.cast.ai"]);
    let findings: Vec<_> = judge_coverage(&targets, &components)
        .into_iter()
        .flat_map(|trail| trail.finish(&[]))
        .map(|finding| (finding.subject.name.clone(), finding.outcome.name()))
        .collect();
    assert_eq!(
        findings,
        [("api.cast.ai".to_owned(), "Pass"), ("grpc.prod-master.cast.ai".to_owned(), "Warn")]
    );
}

#[test]
fn remedies_name_the_regions_service() {
    let targets = targets(&[], true, &[]);
    let remedies = private_dns_remedies(&targets[0], Some("us-east-1"));
    let commands: Vec<_> = remedies.iter().filter_map(|remedy| remedy.command.as_deref()).collect();
    let service = "com.amazonaws.vpce.us-east-1.vpce-svc-0f648001d494b9a46";
    assert!(
        commands[0].contains("describe-vpc-endpoints") && commands[0].contains(service),
        "{}",
        commands[0]
    );
    assert!(commands[1].contains("modify-vpc-endpoint") && commands[1].contains("--private-dns-enabled"));
    assert!(commands[2].contains("create-vpc-endpoint") && commands[2].contains(service), "{}", commands[2]);
    // In a shell they would be files.
    assert!(commands.iter().all(|command| !command.contains(['<', '>'])));
}

#[test]
fn the_files_service_tells_how_to_find_its_host() {
    let findings: Vec<_> = judge_hosts(Some("us-east-2"), Installation::Us)
        .into_iter()
        .flat_map(|trail| trail.finish(&[]))
        .collect();
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].subject.name.as_str(), findings[0].outcome.name()), ("files", "Unknown"));
    let command = findings[0].remedies[0].command.as_deref().unwrap();
    assert!(command.contains("com.amazonaws.vpce.us-east-2.vpce-svc-0d1fad36f0230d84c"), "{command}");
}

#[test]
fn names_of_the_cluster_are_recognised() {
    let cases = [
        ("castai-api", true),
        ("castai-api.castai-agent.svc.cluster.local:8080", true),
        ("x.y.svc", true),
        ("10.0.0.1:50051", true),
        ("api.cast.ai", false),
        ("proxy.example.com", false),
    ];
    for (text, expected) in cases {
        assert_eq!(is_in_cluster(&text.parse().unwrap()), expected, "{text}");
    }
}
