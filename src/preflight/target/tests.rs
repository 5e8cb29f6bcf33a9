use super::*;
use crate::preflight::component::Configured;
use crate::preflight::fixes;

fn component(name: &str, endpoints: &[(&str, Protocol)]) -> Component {
    Component {
        workload: format!("castai-agent/deployment.apps/{name}"),
        name: name.to_owned(),
        endpoints: endpoints
            .iter()
            .map(|(endpoint, protocol)| Configured {
                endpoint: endpoint.parse().unwrap(),
                protocol: *protocol,
                configured_by: "API_URL".to_owned(),
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
    let targets = cast_ai(&[], None, &[]);
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
    assert!(targets.iter().all(|target| !target.optional && !target.needed_by.is_empty()));
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
    let targets = cast_ai(&components, None, &[]);
    assert_eq!(targets.len(), 5);
    let needed: Vec<_> = targets[0].needed_by.iter().map(String::as_str).collect();
    assert_eq!(needed, ["castai-agent", "castai-pod-pinner"]);
    let optional: Vec<_> = targets.iter().map(|target| target.optional).collect();
    assert_eq!(optional, [false, false, true, true, true]);
    // What this cluster is configured with and what usually needs a service are different columns.
    assert!(targets.iter().all(|target| target.needed_by.is_empty() == target.optional));
    assert!(targets.iter().all(|target| target.usually_needed_by.is_empty() != target.optional));
}

#[test]
fn hosts_follow_the_installation_that_components_use() {
    let components = [component("castai-agent", &[("https://api.eu.cast.ai", Protocol::Https)])];
    assert_eq!(hosts(&cast_ai(&components, None, &[]))[1], "grpc.eu.cast.ai");
    // In a region without services, only configured hosts remain.
    assert_eq!(hosts(&cast_ai(&components, Some("eu-west-1"), &[])), ["api.eu.cast.ai"]);
}

#[test]
fn configured_hosts_without_a_service_are_targets_and_in_cluster_hosts_are_not() {
    let components = [component(
        "castai-kentroller",
        &[
            ("grpc.prod-master.cast.ai:443", Protocol::Grpc),
            ("https://api.cast.ai", Protocol::Https),
            ("collector.castai-agent.svc:8080", Protocol::Https),
        ],
    )];
    let targets = cast_ai(&components, None, &[]);
    assert_eq!(hosts(&targets)[5..], ["grpc.prod-master.cast.ai"]);
    let configured: Vec<_> = targets
        .iter()
        .filter(|target| target.is_configured())
        .map(|target| {
            (
                target.endpoint.host.as_str(),
                matches!(target.kind, TargetKind::CastAi { service: Some(_), .. }),
            )
        })
        .collect();
    assert_eq!(configured, [("api.cast.ai", true), ("grpc.prod-master.cast.ai", false)]);
}

#[test]
fn a_missing_endpoint_is_created_by_one_command() {
    let of = |target: &Target| {
        let [fix] = fixes::private_dns(target).try_into().unwrap();
        (fix.text, fix.command.unwrap_or_default())
    };
    let (text, command) = of(&cast_ai(&[], Some("us-east-1"), &[])[0]);
    assert!(text.contains("what its endpoint lacks"), "{text}");
    assert_eq!(command, "kubectl castai-privatelink endpoints create");
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

const STS: &str = "sts.us-east-1.amazonaws.com";
const EC2: &str = "ec2.us-east-1.amazonaws.com";
const LAYERS: &str = "prod-us-east-1-starport-layer-bucket.s3.us-east-1.amazonaws.com";

#[test]
fn hosts_of_ecr_follow_region_and_account() {
    let with = |region, account, host| {
        let targets = aws(Some(region), account, host);
        targets.into_iter().map(|target| target.endpoint.host).collect::<Vec<_>>()
    };
    let of = |region, account| with(region, account, None);
    let fips = "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com";
    assert_eq!(
        with("us-east-1", Some("123456789012"), Some(fips)),
        ["api.ecr.us-east-1.amazonaws.com", fips, LAYERS, STS, EC2]
    );
    assert_eq!(
        of("us-east-1", Some("123456789012")),
        ["api.ecr.us-east-1.amazonaws.com", "123456789012.dkr.ecr.us-east-1.amazonaws.com", LAYERS, STS, EC2]
    );
    assert_eq!(
        of("cn-north-1", None),
        [
            "api.ecr.cn-north-1.amazonaws.com.cn",
            "prod-cn-north-1-starport-layer-bucket.s3.cn-north-1.amazonaws.com.cn",
            "sts.cn-north-1.amazonaws.com.cn",
            "ec2.cn-north-1.amazonaws.com.cn",
        ]
    );
    assert_eq!(aws(None, Some("123456789012"), None), []);
}
