//! Validates the records, so that a file with a mistake cannot be released.

use std::collections::BTreeSet;
use std::fs;

use super::chart_values::numbers;
use super::records::FILES;
use super::*;
use crate::model::image::Image;
use crate::model::knowledge::{Form, Knowledge};
use crate::parse;

/// The charts that have known values and are not known as Cast AI's: subcharts, whose names are generic.
fn inner_charts() -> BTreeSet<String> {
    let all = all();
    let is_own = |chart: &String| all.iter().any(|(_, record)| record.charts.contains(chart));
    let charts = all.iter().flat_map(|(_, record)| &record.chart_values).map(|value| &value.chart);
    charts.filter(|chart| !is_own(chart)).cloned().collect()
}

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
    let inner_charts = inner_charts();
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
            // Another record's chart is that record's to describe.
            assert!(
                record.charts.contains(&value.chart) || inner_charts.contains(&value.chart),
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
    let inner_charts = inner_charts();
    assert!(inner_charts.contains("metrics-server"), "{inner_charts:?}");
    for chart in &inner_charts {
        assert!(!chart.starts_with("cast"), "{chart} is misspelt, or missing in the charts of a record");
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

/// Everything in such a namespace is taken for Cast AI's, and every variable of this name for an image.
#[test]
fn namespaces_and_variables_cannot_be_those_of_others() {
    for (name, record) in all() {
        for namespace in &record.namespaces {
            let is_own = namespace.starts_with("castai-") || namespace.starts_with("castware-");
            assert!(is_own, "{name}: {namespace}");
        }
        assert!(record.variables.iter().all(|variable| variable.ends_with("_IMAGE")), "{name}");
        for resource in &record.resources {
            assert!(resource.group.ends_with(".cast.ai"), "{name}: {}", resource.plural());
        }
    }
    assert!(built_in().all_namespaces().contains(&"castai-agent"));
    assert!(built_in().image_variables().contains("SCANNERS_IMAGE"));
}

/// Repositories of others are known by their whole names, and never below a prefix of Cast AI.
#[test]
fn repositories_of_others_are_whole_names() {
    let others: BTreeSet<_> = built_in().repositories_of_others().collect();
    assert!(others.contains("rancher/kubectl"), "{others:?}");
    let all = all();
    let prefixes: Vec<_> = all.iter().flat_map(|(_, record)| &record.image_prefixes).collect();
    for repository in &others {
        assert!(repository.contains('/') && !repository.ends_with('/'), "{repository}");
        assert!(!prefixes.iter().any(|prefix| repository.starts_with(prefix.as_str())), "{repository}");
    }
}

#[test]
fn workloads_are_recognised_by_the_records_together() {
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
