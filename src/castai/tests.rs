//! Validates the records, so that a file with a mistake cannot be released.

use std::collections::BTreeSet;
use std::fs;

use super::chart_values::numbers;
use super::records::FILES;
use super::*;
use crate::model::image::Image;
use crate::model::knowledge::{Form, Knowledge};
use crate::parse;

/// Subcharts of Cast AI's charts. Their names are generic.
const INNER_CHARTS: [&str; 9] = [
    "aibrix",
    "db-agent",
    "db-optimizer",
    "db-proxy",
    "liqo",
    "liqo-crds",
    "metrics-server",
    "sglang",
    "vllm",
];

/// Every record with the name of its file.
fn all() -> Vec<(&'static str, Knowledge)> {
    let read = |text| parse::yaml::from_str(text, 1).unwrap_or_else(|error| panic!("{error}\n{text}"));
    FILES.iter().map(|(name, text)| (*name, read(text))).collect()
}

#[test]
fn every_record_file_is_registered_in_order() {
    let all = all();
    assert_eq!(all.len(), records().len());
    let (first, others) = all.split_first().unwrap();
    assert_eq!((first.0, first.1.component.as_str()), ("common", ""));
    for (name, record) in others {
        assert_eq!(*name, record.component);
    }
    assert!(others.is_sorted_by_key(|(name, _)| *name), "{:?}", FILES.iter().map(|(name, _)| name));
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/castai/components");
    let files: BTreeSet<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let registered: BTreeSet<_> = FILES.iter().map(|(name, _)| format!("{name}.yaml")).collect();
    assert_eq!(files, registered, "each file of the folder has a line in records.rs");
}

#[test]
fn every_record_is_complete_and_valid() {
    for (name, record) in all() {
        record.check_entries().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(record.description.ends_with('.'), "{name}");
        assert_eq!(record.evidence.is_none(), record.component.is_empty(), "{name}");
        assert!(record.unknown.iter().all(|sentence| sentence.ends_with('.')), "{name}");
        // Only users set these.
        assert!(record.images.is_empty() && record.labels.is_empty(), "{name}");
        for prefix in &record.image_prefixes {
            assert!(prefix.ends_with('/'), "{name}: {prefix} could be the beginning of another name");
        }
        for value in &record.chart_values {
            assert!(
                record.charts.contains(&value.chart) || INNER_CHARTS.contains(&value.chart.as_str()),
                "{name}: {value:?}"
            );
            let holds_a_repository = value.key.ends_with("epository") || value.key.ends_with(".image.name");
            assert_eq!(value.form == Form::Registry, !holds_a_repository, "{name}: {value:?}");
            assert!(value.global_since.as_ref().is_none_or(|since| numbers(since).is_some()), "{value:?}");
        }
        for rule in &record.derived_images {
            assert!(record.variables.contains(&rule.variable), "{name}: {rule:?}");
            assert!(
                rule.from.contains(&rule.replaces) && rule.name.ends_with(&rule.with),
                "{name}: {rule:?}"
            );
        }
    }
}

/// A customer may have a chart of the same name: it is not recognised as Cast AI's, and its image only by its whole
/// name.
#[test]
fn subcharts_are_known_only_by_their_values() {
    for chart in INNER_CHARTS {
        assert_eq!(built_in().chart(&format!("{chart}-1.0.0")), None, "{chart}");
        assert!(built_in().values_of(chart).next().is_some(), "{chart}");
    }
    for (repository, expected) in [
        ("us-docker.pkg.dev/castai-hub/library/liqo/gateway", true),
        ("registry.k8s.io/metrics-server/metrics-server", true),
        ("ghcr.io/liqotech/gateway", false),
        ("vllm/vllm-openai", false),
        ("lmsysorg/sglang", false),
        ("aibrix/controller-manager", false),
        ("busybox", false),
        ("metrics-server/metrics-server", false),
    ] {
        let image = format!("{repository}:v1").parse().unwrap();
        assert_eq!(built_in().knows(&image), expected, "{repository}");
    }
}

/// A chart value is for an image that some record knows, because charts may use another component's image.
#[test]
fn every_chart_value_names_a_known_image() {
    let all = all();
    let repositories = all.iter().flat_map(|(_, record)| &record.repositories);
    let images: BTreeSet<_> = repositories.filter_map(|repository| repository.rsplit('/').next()).collect();
    for (name, record) in &all {
        for value in record.chart_values.iter().filter(|value| value.image != "*") {
            assert!(images.contains(value.image.as_str()), "{name}: {value:?}");
        }
        for chart in &record.charts {
            assert!(built_in().chart(&format!("{chart}-1.0.0")).is_some(), "{name}: {chart}");
        }
    }
}

#[test]
fn an_endpoint_is_derived_from_variables_that_are_read() {
    let variables = built_in().all_endpoint_variables();
    let is_read = |name: &String| variables.iter().any(|(variable, _)| variable == name);
    for (name, record) in all() {
        for rule in &record.derived_endpoints {
            assert!(is_read(&rule.from) && rule.unless.keys().all(is_read), "{name}: {rule:?}");
        }
    }
}

/// A snapshot of all records together: moving an entry between records changes nothing.
#[test]
fn the_records_together_are_unchanged() {
    assert_eq!(
        built_in().all_namespaces(),
        ["castai-agent", "castai-live", "castai-omni", "castai-pod-node-lifecycle", "castware-operator"]
    );
    let variables = ["SCANNERS_IMAGE", "JMX_EXPORTER_INIT_IMAGE"].into_iter().collect();
    assert_eq!(built_in().image_variables(), variables);
    let others: BTreeSet<_> = built_in().repositories_of_others().collect();
    let expected = [
        "alpine/k8s",
        "bitnami/kubectl",
        "clickhouse/clickhouse-server",
        "gcr.io/cloud-sql-connectors/cloud-sql-proxy",
        "ghcr.io/pgdogdev/pgdog",
        "lachlanevenson/k8s-kubectl",
        "nvcr.io/nvidia/k8s/dcgm-exporter",
        "otel/ebpf-instrument",
        "proxysql/proxysql",
        "rancher/kubectl",
        "registry.k8s.io/cpa/cpvpa",
        "registry.k8s.io/metrics-server/metrics-server",
    ];
    assert_eq!(others, BTreeSet::from(expected));
    let resources: Vec<_> = built_in().custom_resources().iter().map(|resource| resource.plural()).collect();
    assert_eq!(resources, ["components.castware.cast.ai", "podmutations.pod-mutations.cast.ai"]);
    for (workload, order) in [
        ("castai-agent", 2),
        ("castai-agent-cpvpa", 2),
        ("castai-cluster-controller", 1),
        ("cluster-controller", 1),
        ("castai-evictor", 0),
        ("aws-node", 3),
    ] {
        assert_eq!(built_in().rollout_order(workload), order, "{workload}");
    }
    assert_eq!(built_in().patched_by("kube-system", "DaemonSet/aws-node"), Some("castai-live"));
    assert_eq!(built_in().patched_by("shop", "DaemonSet/aws-node"), None);
    assert_eq!(built_in().field_manager("castai-cluster-controller"), Some("Cast AI's remote upgrade"));
    assert_eq!(built_in().field_manager("castai-agent"), None);
    assert!(built_in().upgrader("CronJob", "castai-chart-upgrader").is_some());
    assert!(built_in().upgrader("Deployment", "castai-chart-upgrader").is_none());
    let mirrored: Image = "e.example/docker.io/castai/hibernate:v1".parse().unwrap();
    assert!(!built_in().looks_mirrored(&mirrored), "anybody has an organisation on Docker Hub");
}
