use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::model::inventory::{Inventory, WorkloadKind, WorkloadName};
use crate::model::record::ANNOTATION;
use crate::model::workload::Workload;
use crate::sync::discover::{Found, discover};

const MAPS: [&str; 3] = [
    "e.example/flat=acme/probe",
    "e.example/agent=us-docker.pkg.dev/castai-hub/library/agent",
    "e.example/kv=ghcr.io/castai/kvisor/kvisor-controller",
];

/// A workload outside of Cast AI's namespaces.
fn workload(image: &str) -> Workload {
    let pod = json!({"containers": [{"name": "c", "image": image}]});
    Workload {
        has_ended: false,
        replicas: None,
        managers: Vec::new(),
        name: WorkloadName {
            cluster: "c".to_owned(),
            namespace: "shop".to_owned(),
            kind: WorkloadKind::Deployment,
            name: "w".to_owned(),
        },
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        controller: None,
        pod: serde_json::from_value(json!({"spec": pod})).unwrap(),
    }
}

fn mapped() -> ImageFilter {
    ImageFilter::default().mapped(MAPS.iter().map(|map| map.parse().unwrap()).collect())
}

fn inventory(workload: Workload, filter: &ImageFilter) -> Inventory {
    let workloads = [workload];
    let found = Found { workloads: &workloads, ..Found::default() };
    discover(Vec::new(), &[found], filter, Vec::new(), Timestamp::UNIX_EPOCH)
}

/// Image, source, origin and reason of each.
fn seen(workload: Workload, filter: &ImageFilter) -> Vec<String> {
    let inventory = inventory(workload, filter);
    let line = |wanted: &crate::model::inventory::WantedImage| {
        let source = wanted.source.as_ref().map_or("-", Image::as_written);
        format!("{} {source} {:?} {}", wanted.image, wanted.provenance.unwrap(), wanted.used_by[0].reason)
    };
    inventory.images.iter().map(line).collect()
}

#[test]
fn the_private_names_of_maps_are_found_in_every_namespace() {
    let cases: [(&str, &[&str]); 6] = [
        (
            "e.example/flat:v1",
            &["e.example/flat:v1 acme/probe:v1 Given named by --map e.example/flat=acme/probe"],
        ),
        (
            "e.example/agent:v1",
            &["e.example/agent:v1 us-docker.pkg.dev/castai-hub/library/agent:v1 Known Cast AI image prefix \
               us-docker.pkg.dev/castai-hub/"],
        ),
        (
            "e.example/kv:v1",
            &[
                "e.example/kv:v1 ghcr.io/castai/kvisor/kvisor-controller:v1 Known Cast AI image prefix \
                 ghcr.io/castai/",
                "ghcr.io/castai/kvisor/kvisor-scanners:v1 ghcr.io/castai/kvisor/kvisor-scanners:v1 Known \
                 derived from e.example/kv:v1",
            ],
        ),
        // Others may use the public image for themselves.
        ("acme/probe:v1", &[]),
        ("e.example/other:v1", &[]),
        ("evil.example/flat:v1", &[]),
    ];
    for (image, expected) in cases {
        assert_eq!(seen(workload(image), &mapped()), expected, "{image}");
    }
    assert!(seen(workload("e.example/flat:v1"), &ImageFilter::default()).is_empty());
}

#[test]
fn the_public_name_of_a_map_may_be_mirrored_where_something_else_selects_it() {
    let mut workload = workload("acme/probe:v1");
    workload.labels.insert("helm.sh/chart".to_owned(), "castai-agent-1.0.0".to_owned());
    assert_eq!(seen(workload.clone(), &mapped()), ["acme/probe:v1 - Given chart castai-agent-1.0.0"]);
    assert!(seen(workload, &ImageFilter::default()).is_empty());
}

#[test]
fn a_map_decides_before_a_record_and_before_the_naming_rule() {
    let record = |from: &str, to: &str| -> Value { json!({"container/c": {"from": from, "to": to}}) };
    for (image, recorded) in [
        ("e.example/flat:v1", record("castai/x:v1", "e.example/flat:v1")),
        ("e.example/flat:v1", record("evil.example/x:v1", "e.example/flat:v1")),
    ] {
        let mut workload = workload(image);
        workload.annotations.insert(ANNOTATION.to_owned(), recorded.to_string());
        let sources: Vec<_> = inventory(workload, &mapped())
            .images
            .into_iter()
            .map(|wanted| wanted.source.unwrap().to_string())
            .collect();
        assert_eq!(sources, ["acme/probe:v1"]);
    }
    let maps = vec!["e.example/castai/x=acme/x".parse().unwrap()];
    let filter = ImageFilter::default().below(vec!["e.example".parse().unwrap()]).mapped(maps);
    let source = filter.source_of(&"e.example/castai/x:v1".parse().unwrap());
    assert_eq!(source.unwrap().as_written(), "acme/x:v1");
}

#[test]
fn globs_match_what_a_map_says() {
    let globs = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
    let image: Image = "e.example/flat:v1".parse().unwrap();
    for (only, exclude, expected) in [
        (&["acme/*"][..], &[][..], true),
        (&[], &["acme/*"], false),
        (&["e.example/*"], &[], true),
        (&["castai/*"], &[], false),
    ] {
        let filter = ImageFilter::new(&globs(only), &globs(exclude)).unwrap().mapped(mapped().maps);
        assert_eq!(filter.admits(&image, None), expected, "{only:?} {exclude:?}");
    }
}

#[test]
fn a_pattern_of_only_without_an_image_is_named_beside_others() {
    let agent = "e.example/castai-privatelink/us-docker.pkg.dev/castai-hub/library/agent:v1";
    let cases: [(&[&str], &[&str]); 5] = [
        (&["*library/agent*"], &[]),
        (&["us-docker.pkg.dev/castai-hub/*", "*agent:v1"], &[]),
        (&["*library/agent*", "*nonsense*"], &["--only *nonsense* matches no image"]),
        // Nothing is found, which is an error of its own.
        (&["*nonsense*"], &[]),
        (&[], &[]),
    ];
    for (only, expected) in cases {
        let only: Vec<_> = only.iter().map(|pattern| (*pattern).to_owned()).collect();
        let filter = ImageFilter::new(&only, &[]).unwrap();
        let filter = filter.below(vec!["e.example/castai-privatelink".parse().unwrap()]);
        assert_eq!(filter.unmatched(&inventory(workload(agent), &filter)), expected, "{only:?}");
    }
}
