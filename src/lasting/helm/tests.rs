use serde_json::json;

use super::*;
use crate::sync::assignment::{NameMap, assign};
use crate::sync::discover::{Found, ImageFilter, discover};

/// A manifest as Helm keeps it: where it comes from, its name, and its images.
fn manifest(source: &str, name: &str, images: &[&str]) -> String {
    let containers: Vec<_> = images
        .iter()
        .map(|image| json!({"name": image.rsplit('/').next().unwrap().split(':').next(), "image": image}))
        .collect();
    let content = json!({"kind": "Deployment", "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": containers}}}});
    format!("---\n# Source: {source}\n{}", serde_saphyr::to_string(&content).unwrap())
}

fn release(chart: &str, version: &str, manifests: &[String], hooks: &[String]) -> Release {
    Release {
        name: ReleaseName {
            cluster: "demo".to_owned(),
            namespace: "castai-agent".to_owned(),
            name: "r".to_owned(),
        },
        chart: Chart { name: chart.to_owned(), version: version.to_owned() },
        manifest: manifests.concat(),
        hooks: hooks.to_vec(),
    }
}

fn decide(release: &Release, mirror: &str, maps: &[&str]) -> ReleaseValues {
    let releases = [release.clone()];
    let found = Found { releases: &releases, ..Found::default() };
    let inventory =
        discover(Vec::new(), found, &ImageFilter::default(), Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    let mirror: Mirror = mirror.parse().unwrap();
    let maps: Vec<NameMap> = maps.iter().map(|map| map.parse().unwrap()).collect();
    values(release, &mirror, &assign(&inventory, &mirror, &maps, None)).unwrap()
}

const CONTROLLER: &str = "us-docker.pkg.dev/castai-hub/library/cluster-controller:v1";

#[test]
fn one_value_is_enough_where_the_chart_honours_it() {
    let main = [manifest("castai-cluster-controller/templates/deployment.yaml", "main", &[CONTROLLER])];
    let chart = "castai-cluster-controller";
    let global = json!({"global": {"registry": "e.example/pfx"}});
    assert_eq!(decide(&release(chart, "0.92.14", &main, &[]), "e.example/pfx", &[]).values, global);

    let repository = |name: &str| json!({"image": {"repository": name}});
    let layout = "e.example/pfx/us-docker.pkg.dev/castai-hub/library/cluster-controller";
    let old = decide(&release(chart, "0.80.0", &main, &[]), "e.example/pfx", &[]);
    assert_eq!(old.values, repository(layout), "an older chart may not honour it");

    let map = "e.example/cc=us-docker.pkg.dev/castai-hub/library/cluster-controller";
    let own = decide(&release(chart, "0.92.14", &main, &[]), "e.example", &[map]);
    assert_eq!(own.values, repository("e.example/cc"), "a name of the user's own is not the layout's");

    // After an upgrade with these values the same values come out.
    let private = [manifest(
        "c/templates/d.yaml",
        "main",
        &["e.example/pfx/us-docker.pkg.dev/castai-hub/library/cluster-controller:v1"],
    )];
    assert_eq!(decide(&release(chart, "0.92.14", &private, &[]), "e.example/pfx", &[]).values, global);
}

#[test]
fn each_image_has_its_own_key_where_one_of_them_is_not_reached_by_the_global_one() {
    let images = ["us-docker.pkg.dev/castai-hub/library/evictor:e757", "registry.k8s.io/cpa/cpvpa:v0.8.4"];
    let manifests = [manifest("castai-evictor/templates/d.yaml", "castai-evictor", &images)];
    let hooks = [manifest("ignored", "crd-upgrade", &["rancher/kubectl:v1.35.6"])];
    let decided = decide(&release("castai-evictor", "0.35.143", &manifests, &hooks), "e.example", &[]);
    assert_eq!(
        decided.values,
        json!({
            "image": {"repository": "e.example/us-docker.pkg.dev/castai-hub/library/evictor"},
            "clusterVPA": {"repository": "e.example/registry.k8s.io/cpa/cpvpa"},
            "crdUpgrade": {"image": {"repository": "e.example/rancher/kubectl"}},
        })
    );
    assert!(decided.gaps.is_empty(), "{:?}", decided.gaps);
}

#[test]
fn what_has_no_key_is_told() {
    let hooks = [manifest("x", "pre-delete", &["ghcr.io/castai/images/unheard-of:v1"])];
    let main = [manifest("castai-cluster-controller/templates/d.yaml", "main", &[CONTROLLER])];
    let decided = decide(&release("castai-cluster-controller", "0.92.14", &main, &hooks), "e.example", &[]);
    assert_eq!(decided.gaps.len(), 1, "{:?}", decided.gaps);
    assert!(
        decided.gaps[0]
            .contains("Deployment/pre-delete, a hook, is e.example/ghcr.io/castai/images/unheard-of:v1")
    );
    assert!(decided.values["image"]["repository"].is_string(), "{}", decided.values);
}

#[test]
fn kvisor_gets_one_repository_without_suffix_and_a_name_for_scanners_that_it_would_not_find() {
    let images = ["ghcr.io/castai/kvisor/kvisor-controller:v1", "ghcr.io/castai/kvisor/kvisor-agent:v1"];
    let manifests = [manifest("castai-kvisor/templates/d.yaml", "k", &images)];
    let old = release("castai-kvisor", "1.0.0", &manifests, &[]);
    assert_eq!(
        decide(&old, "e.example", &[]).values,
        json!({"image": {"repository": "e.example/ghcr.io/castai/kvisor/kvisor"}})
    );
    let new = release("castai-kvisor", "1.164.8", &manifests, &[]);
    assert_eq!(decide(&new, "e.example", &[]).values, json!({"global": {"registry": "e.example"}}));

    let broken = decide(&new, "e.example/my-controller", &[]);
    assert_eq!(
        broken.values["controller"]["additionalEnv"]["SCANNERS_IMAGE"],
        "e.example/my-controller/ghcr.io/castai/kvisor/kvisor-scanners:v1"
    );
    assert!(broken.notes[0].contains("names a tag"), "{:?}", broken.notes);

    let one_map = ["e.example/other-controller=ghcr.io/castai/kvisor/kvisor-controller"];
    let split = decide(&new, "e.example", &one_map);
    assert!(
        split.gaps.iter().any(|gap| gap.contains("share the value image.repository")),
        "{:?}",
        split.gaps
    );
}

#[test]
fn charts_in_the_umbrella_are_prefixed_by_where_their_manifests_come_from() {
    let agent = "castai/charts/autoscaler/charts/castai-agent/templates/deployment.yaml";
    let evictor = "castai/charts/autoscaler/charts/castai-evictor/templates/deployment.yaml";
    let manifests = [
        manifest(agent, "castai-agent", &["us-docker.pkg.dev/castai-hub/library/agent:v1"]),
        manifest(evictor, "castai-evictor", &["ghcr.io/castai/images/evictor:v1"]),
    ];
    let hooks = [manifest("x", "crd-upgrade", &["rancher/kubectl:v1"])];
    let decided = decide(&release("castai", "0.34.33", &manifests, &hooks), "e.example", &[]);
    assert_eq!(
        decided.values,
        json!({"autoscaler": {
            "castai-agent": {"image": {"repository": "e.example/us-docker.pkg.dev/castai-hub/library/agent"}},
            "castai-evictor": {
                "image": {"repository": "e.example/ghcr.io/castai/images/evictor"},
                "crdUpgrade": {"image": {"repository": "e.example/rancher/kubectl"}},
            },
        }})
    );
}

#[test]
fn hooks_of_live_are_not_reached_by_its_registry() {
    let main = [manifest("castai-live/templates/d.yaml", "daemon", &["ghcr.io/castai/live/daemon:v1"])];
    let hooks = [manifest("x", "pre-delete", &["ghcr.io/castai/live/kubectl:v1"])];
    let decided = decide(&release("castai-live", "0.118.0", &main, &hooks), "e.example", &[]);
    assert_eq!(decided.values, json!({"imageRegistry": "e.example/ghcr.io/castai/live"}));
    assert_eq!(decided.gaps.len(), 1, "{:?}", decided.gaps);
}
