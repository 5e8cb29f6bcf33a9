use serde_json::{Value, json};

use super::*;
use crate::castai::built_in;
use crate::model::inventory::WorkloadKind;
use crate::model::inventory::WorkloadName;
use crate::model::knowledge::{DerivedEndpoint, EndpointFile, Knowledge};
use crate::model::pod_template::PodTemplate;
use crate::model::workload::ControllerReference;
use crate::preflight::references::{ObjectKind, Unreadable};

fn workload(namespace: &str, name: &str, pod: Value) -> Workload {
    Workload {
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
        name: WorkloadName {
            cluster: "prod".to_owned(),
            namespace: namespace.to_owned(),
            kind: WorkloadKind::Deployment,
            name: name.to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: PodTemplate { spec: serde_json::from_value(pod).unwrap() },
    }
}

fn known() -> Known<'static> {
    Known { knowledge: built_in(), maps: &[] }
}

fn agent(container: &Value) -> Workload {
    workload("castai-agent", "castai-agent", json!({ "containers": [container] }))
}

fn config_map(
    name: &str,
    data: &[(&str, &str)],
) -> (ObjectReference, Result<BTreeMap<String, String>, Unreadable>) {
    let data = data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    (reference(ObjectKind::ConfigMap, name), Ok(data))
}

fn reference(kind: ObjectKind, name: &str) -> ObjectReference {
    ObjectReference { kind, namespace: "castai-agent".to_owned(), name: name.to_owned() }
}

/// `host configured_by` of each endpoint.
fn seen(component: &Component) -> Vec<String> {
    component
        .endpoints
        .iter()
        .map(|configured| format!("{} {}", configured.endpoint, configured.configured_by))
        .collect()
}

#[test]
fn values_are_found_in_all_four_places() {
    let objects: Objects = [
        config_map("cluster", &[("API_URL", "https://api.cast.ai"), ("GRPC_URL", "old.cast.ai:443")]),
        config_map("later", &[("URL", "grpc.cast.ai:443")]),
        (
            reference(ObjectKind::Secret, "secret"),
            Ok(BTreeMap::from([("addr".to_owned(), "kvisor.prod-master.cast.ai:443".to_owned())])),
        ),
    ]
    .into_iter()
    .collect();
    let component = resolve(
        &agent(&json!({
            "name": "agent",
            "envFrom": [
                {"configMapRef": {"name": "cluster"}},
                {"prefix": "GRPC_", "configMapRef": {"name": "later"}},
            ],
            "env": [
                {"name": "CASTAI_API_GRPC_ADDR", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "addr"}}},
                {"name": "CASTAI_API_URL", "value": "api.eu.cast.ai"},
                {"name": "UNRELATED", "value": "https://example.com"},
            ],
        })),
        &objects,
        known(),
    );
    assert_eq!(
        seen(&component),
        [
            "api.cast.ai API_URL",
            "api.eu.cast.ai CASTAI_API_URL",
            "grpc.cast.ai GRPC_URL",
            "kvisor.prod-master.cast.ai CASTAI_API_GRPC_ADDR",
        ]
    );
    assert_eq!(component.unreadable, Vec::<String>::new());
}

#[test]
fn unreadable_objects_are_reported_and_optional_ones_may_be_missing() {
    let forbidden = || (reference(ObjectKind::Secret, "keys"), Err(Unreadable::Forbidden));
    let from_secret =
        json!({"name": "API_URL", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "url"}}});
    let cases = [
        (json!({"name": "a", "env": [from_secret]}), 1, 0),
        // One object is one cause.
        (json!({"name": "a", "env": [from_secret], "envFrom": [{"secretRef": {"name": "keys"}}]}), 1, 0),
        (json!({"name": "a", "envFrom": [{"secretRef": {"name": "keys"}}]}), 1, 0),
        (
            json!({
                "name": "a",
                "envFrom": [{"secretRef": {"name": "keys"}}],
                "env": [{"name": "API_URL", "value": "https://api.cast.ai"}],
            }),
            0,
            1,
        ),
        (json!({"name": "a", "envFrom": [{"configMapRef": {"name": "gone"}}]}), 1, 0),
        (json!({"name": "a", "envFrom": [{"configMapRef": {"name": "gone", "optional": true}}]}), 0, 0),
        (json!({"name": "a", "env": [{"name": "API_URL", "value": "$(HOST)"}]}), 1, 0),
        (json!({"name": "a", "env": [{"name": "API_URL", "value": ""}]}), 0, 0),
    ];
    for (container, unreadable, notes) in cases {
        let component = resolve(&agent(&container), &[forbidden()].into_iter().collect(), known());
        assert_eq!(component.unreadable.len(), unreadable, "{container}");
        assert_eq!(component.notes.len(), notes, "{container}");
    }
}

/// Image, variables, hosts.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn telemetry_is_derived_as_the_components_derive_it() {
    let kvisor = "ghcr.io/castai/kvisor/kvisor-agent:v1";
    let mirrored = "123456789012.dkr.ecr.us-east-1.amazonaws.com/ghcr.io/castai/kvisor/kvisor-controller:v1";
    let autoscaler = "us-docker.pkg.dev/castai-hub/library/workload-autoscaler:v1";
    let cases: [Case<'_>; 7] = [
        (
            kvisor,
            &[("CASTAI_API_GRPC_ADDR", "kvisor.prod-master.cast.ai:443")],
            &["kvisor.prod-master.cast.ai", "telemetry.prod-master.cast.ai", "api.cast.ai"],
        ),
        (
            mirrored,
            &[
                ("CASTAI_API_GRPC_ADDR", "kvisor.prod-eu.cast.ai:443"),
                ("CASTAI_API_URL", "https://api.eu.cast.ai"),
            ],
            &["api.eu.cast.ai", "kvisor.prod-eu.cast.ai", "telemetry.prod-eu.cast.ai"],
        ),
        (kvisor, &[("CASTAI_API_GRPC_ADDR", "api-grpc.cast.ai:443")], &["api-grpc.cast.ai"]),
        (
            autoscaler,
            &[("API_URL", "https://api.cast.ai"), ("TELEMETRY_URL", "auto")],
            &["api.cast.ai", "telemetry.prod-master.cast.ai"],
        ),
        (
            autoscaler,
            &[("API_URL", "https://api.india.cast.ai")],
            &["api.india.cast.ai", "telemetry.india.cast.ai"],
        ),
        (autoscaler, &[("API_URL", "https://api.cast.ai"), ("TELEMETRY_URL", "")], &["api.cast.ai"]),
        (
            "us-docker.pkg.dev/castai-hub/library/agent:v1",
            &[("API_URL", "https://api.cast.ai")],
            &["api.cast.ai"],
        ),
    ];
    for (image, variables, expected) in cases {
        let env: Vec<_> =
            variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let component =
            resolve(&agent(&json!({"name": "a", "image": image, "env": env})), &Objects::default(), known());
        let hosts: Vec<_> =
            component.endpoints.iter().map(|configured| configured.endpoint.host.as_str()).collect();
        assert_eq!(hosts, expected, "{image} {variables:?}");
    }
}

#[test]
fn only_cast_ais_workloads_are_queried() {
    let pod = |image: &str| json!({"containers": [{"name": "a", "image": image}]});
    let mut owned = workload("castai-agent", "castai-agent-7d9f", pod("nginx"));
    owned.controller = Some(ControllerReference {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: "castai-agent".to_owned(),
    });
    let mut egressd = workload("monitoring", "castai-egressd", pod("nginx"));
    egressd.labels.insert("helm.sh/chart".to_owned(), "egressd-0.1.43".to_owned());
    let workloads = [
        workload("castai-agent", "castai-agent", pod("nginx")),
        owned,
        egressd,
        workload("shop", "pause", pod("castai/hibernate:v0.14")),
        workload("shop", "web", pod("nginx")),
    ];
    let names: Vec<_> =
        components(&workloads, known()).into_iter().map(|workload| workload.name.name.as_str()).collect();
    assert_eq!(names, ["castai-agent", "castai-egressd", "pause"]);
}

#[test]
fn the_exporter_of_egressd_has_its_endpoint_in_a_file() {
    let exporter = |volume: Value| {
        let image = "ghcr.io/castai/egressd/egressd-exporter:v0.9.4";
        let pod = json!({"containers": [{"name": "exporter", "image": image}], "volumes": [volume]});
        workload("castai-agent", "castai-egressd-exporter", pod)
    };
    let in_map = exporter(json!({"name": "config", "configMap": {"name": "exporter"}}));
    let url = "sinks: {castai: {http: {url: 'https://api.cast.ai/v1/x'}}}";
    let objects: Objects = [config_map("exporter", &[("config.yaml", url)])].into_iter().collect();
    assert_eq!(
        seen(&resolve(&in_map, &objects, known())),
        ["api.cast.ai sinks.castai.http.url in config.yaml"]
    );

    let in_secret = exporter(json!({"name": "config", "secret": {"secretName": "exporter"}}));
    let why = resolve(&in_secret, &Objects::default(), known()).unreadable;
    assert_eq!(why, ["secret/exporter in castai-agent: not found"]);

    let cases = [
        ("log: {}", vec![]),
        ("sinks: [", vec!["configmap/exporter in castai-agent: config.yaml is not YAML"]),
        (
            "sinks: {castai: {http: {url: 'no host'}}}",
            vec![
                "sinks.castai.http.url in config.yaml of configmap/exporter in castai-agent: the value is \
                 not a host or URL",
            ],
        ),
    ];
    for (text, expected) in cases {
        let objects: Objects = [config_map("exporter", &[("config.yaml", text)])].into_iter().collect();
        let component = resolve(&in_map, &objects, known());
        assert_eq!(
            (component.endpoints.len(), component.unreadable),
            (0, expected.iter().map(ToString::to_string).collect()),
            "{text}"
        );
    }
}

#[test]
fn what_the_user_adds_is_looked_at_like_what_we_know() {
    let added = Knowledge {
        namespaces: vec!["tools".to_owned()],
        charts: vec!["acme".to_owned()],
        image_prefixes: vec!["quay.io/acme".to_owned()],
        labels: BTreeMap::from([("part-of".to_owned(), "castai".to_owned())]),
        endpoint_variables: BTreeMap::from([("PROBE_ADDR".to_owned(), Protocol::Grpc)]),
        endpoint_files: vec![EndpointFile {
            image: "probe".to_owned(),
            key: "probe.yaml".to_owned(),
            pointer: "/url".to_owned(),
            protocol: Protocol::Https,
        }],
        derived_endpoints: vec![DerivedEndpoint {
            images: vec!["probe".to_owned()],
            from: "PROBE_ADDR".to_owned(),
            protocol: Protocol::Https,
            unless: BTreeMap::new(),
            hosts: BTreeMap::from([("probe.cast.ai".to_owned(), "report.cast.ai".to_owned())]),
            others: None,
        }],
        ..Knowledge::default()
    };
    let maps = ["e.example/flat=quay.io/acme/probe".parse().unwrap()];
    let user = Known { knowledge: &added, maps: &maps };

    let pod = |image: &str| json!({"containers": [{"name": "a", "image": image}]});
    let with_label = |name: &str, key: &str, value: &str| {
        let mut workload = workload("shop", name, pod("nginx"));
        workload.labels.insert(key.to_owned(), value.to_owned());
        workload
    };
    let workloads = [
        workload("tools", "namespace", pod("nginx")),
        with_label("chart", "helm.sh/chart", "acme-1.0.0"),
        with_label("label", "part-of", "castai"),
        workload("shop", "prefix", pod("quay.io/acme/probe:v1")),
        workload("shop", "mirrored", pod("e.example/quay.io/acme/probe:v1")),
        workload("shop", "mapped", pod("e.example/flat:v1")),
        workload("shop", "other", pod("e.example/other:v1")),
    ];
    let names = |known| -> Vec<&str> {
        components(&workloads, known).into_iter().map(|workload| workload.name.name.as_str()).collect()
    };
    assert_eq!(names(user), ["namespace", "chart", "label", "prefix", "mirrored", "mapped"]);
    assert!(names(known()).is_empty());

    let pod = json!({
        "containers": [{"name": "a", "image": "e.example/flat:v1",
            "env": [{"name": "PROBE_ADDR", "value": "probe.cast.ai:443"}]}],
        "volumes": [{"name": "c", "configMap": {"name": "probe"}}],
    });
    let probe = workload("castai-agent", "probe", pod);
    let references: Vec<_> = referenced_keys([&probe], user).into_keys().map(|object| object.name).collect();
    assert_eq!(references, ["probe"]);
    let objects: Objects =
        [config_map("probe", &[("probe.yaml", "url: https://file.cast.ai")])].into_iter().collect();
    assert_eq!(
        seen(&resolve(&probe, &objects, user)),
        [
            "probe.cast.ai PROBE_ADDR",
            "report.cast.ai derived from PROBE_ADDR",
            "file.cast.ai url in probe.yaml",
        ]
    );
    assert!(seen(&resolve(&probe, &objects, known())).is_empty());
}
