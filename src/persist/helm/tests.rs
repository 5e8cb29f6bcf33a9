use serde_json::json;

use super::*;
use crate::castai::built_in;
use crate::cluster::release::Hook;
use crate::model::image::Mirror;
use crate::model::knowledge::{ChartValue, Knowledge};
use crate::model::name_map::NameMap;
use crate::sync::discover::{Found, ImageFilter, discover};
use crate::sync::plan::assignment::assign;

/// A manifest as stored by Helm: its source, its name, and its images.
fn manifest(source: &str, name: &str, images: &[&str]) -> String {
    let containers: Vec<_> = images
        .iter()
        .map(|image| json!({"name": image.rsplit('/').next().unwrap().split(':').next(), "image": image}))
        .collect();
    let content = json!({"kind": "Deployment", "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": containers}}}});
    format!("---\n# Source: {source}\n{}", serde_saphyr::to_string(&content).unwrap())
}

/// A hook as stored by Helm.
fn hook(path: &str, name: &str, images: &[&str]) -> Hook {
    Hook { path: path.to_owned(), manifest: manifest(path, name, images) }
}

fn release(chart: &str, version: &str, manifests: &[String], hooks: &[Hook]) -> Release {
    Release {
        name: ReleaseName {
            cluster: "demo".to_owned(),
            namespace: "castai-agent".to_owned(),
            name: "r".to_owned(),
        },
        chart: Chart { name: chart.to_owned(), version: version.to_owned() },
        manifest: manifests.concat(),
        hooks: hooks.to_vec(),
        set: BTreeSet::new(),
    }
}

/// The same release, with `keys` set by the user.
fn with_set(release: Release, keys: &[&str]) -> Release {
    Release { set: keys.iter().map(|key| (*key).to_owned()).collect(), ..release }
}

fn whys(decided: &ReleaseValues) -> Vec<&str> {
    decided.gaps.iter().map(|gap| gap.why.as_str()).collect()
}

fn decide(release: &Release, mirror: &str, maps: &[&str]) -> ReleaseValues {
    decide_with(release, mirror, maps, built_in())
}

fn decide_with(release: &Release, mirror: &str, maps: &[&str], knowledge: &Knowledge) -> ReleaseValues {
    let releases = [release.clone()];
    let found = Found { releases: &releases, ..Found::default() };
    let filter = ImageFilter::default().with(knowledge.clone());
    let inventory = discover(Vec::new(), &[found], &filter, Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    let mirror: Mirror = mirror.parse().unwrap();
    let maps: Vec<NameMap> = maps.iter().map(|map| map.parse().unwrap()).collect();
    let naming = Naming { mirror: &mirror, maps: &maps, knowledge };
    values(release, naming, &assign(&inventory, &mirror, &maps, Some("us-east-1"))).unwrap()
}

const CONTROLLER: &str = "us-docker.pkg.dev/castai-hub/library/cluster-controller:v1";

#[test]
fn one_value_is_enough_if_the_chart_supports_it() {
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

    // After an upgrade with these values, the result is the same.
    let private = [manifest(
        "c/templates/d.yaml",
        "main",
        &["e.example/pfx/us-docker.pkg.dev/castai-hub/library/cluster-controller:v1"],
    )];
    assert_eq!(decide(&release(chart, "0.92.14", &private, &[]), "e.example/pfx", &[]).values, global);
}

#[test]
fn each_image_has_its_own_key_if_one_is_not_covered_by_the_global_value() {
    let images = ["us-docker.pkg.dev/castai-hub/library/evictor:e757", "registry.k8s.io/cpa/cpvpa:v0.8.4"];
    let manifests = [manifest("castai-evictor/templates/d.yaml", "castai-evictor", &images)];
    let hooks = [hook("castai-evictor/templates/crd.yaml", "crd-upgrade", &["rancher/kubectl:v1.35.6"])];
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
fn images_without_a_helm_value_are_reported() {
    let hooks = [hook(
        "castai-cluster-controller/templates/h.yaml",
        "pre-delete",
        &["ghcr.io/castai/images/unheard-of:v1"],
    )];
    let main = [manifest("castai-cluster-controller/templates/d.yaml", "main", &[CONTROLLER])];
    let decided = decide(&release("castai-cluster-controller", "0.92.14", &main, &hooks), "e.example", &[]);
    assert_eq!(decided.gaps.len(), 1, "{:?}", decided.gaps);
    assert!(
        decided.gaps[0]
            .why
            .contains("Deployment/pre-delete (a hook) needs e.example/ghcr.io/castai/images/unheard-of:v1")
    );
    assert!(decided.values["image"]["repository"].is_string(), "{}", decided.values);
}

#[test]
fn kvisor_gets_one_repository_without_suffix_and_the_scanner_variable() {
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
    assert!(broken.notes[0].contains("includes a tag"), "{:?}", broken.notes);

    let one_map = ["e.example/other-controller=ghcr.io/castai/kvisor/kvisor-controller"];
    let split = decide(&new, "e.example", &one_map);
    assert_eq!(split.values, json!({}), "neither name is right for both");
    assert_eq!(split.gaps.len(), 2, "{:?}", split.gaps);
    assert!(
        split
            .gaps
            .iter()
            .all(|gap| gap.why.contains("in image.repository, but another image needs") && gap.is_for_policy)
    );
}

#[test]
fn scanners_that_a_variable_sets_keep_their_variable() {
    let chart = "castai-kvisor/templates/controller.yaml";
    let named = |image: &str, scanners: &str| {
        let content = json!({"kind": "Deployment", "metadata": {"name": "k"},
            "spec": {"template": {"spec": {"containers": [{"name": "controller", "image": image,
                "env": [{"name": "SCANNERS_IMAGE", "value": scanners}]}]}}}});
        let text = format!("---\n# Source: {chart}\n{}", serde_saphyr::to_string(&content).unwrap());
        release("castai-kvisor", "1.164.8", &[text], &[])
    };
    let (controller, scanners) =
        ("ghcr.io/castai/kvisor/kvisor-controller:v1", "ghcr.io/castai/kvisor/kvisor-scanners:v1");
    let expected = |registry: &str, scanners: &str| json!({"global": {"registry": registry}, "controller": {"additionalEnv": {"SCANNERS_IMAGE": scanners}}});
    let map = "e.example/scan=ghcr.io/castai/kvisor/kvisor-scanners";
    // The mirror, the maps, whether the chart names scanners, and their resulting name.
    let broken = "e.example/my-controller";
    let by_layout = format!("{broken}/{scanners}");
    let cases: [(_, &[&str], _, _); 4] = [
        ("e.example", &[], true, "e.example/ghcr.io/castai/kvisor/kvisor-scanners:v1"),
        ("e.example", &[map], true, "e.example/scan:v1"),
        (broken, &[], false, &by_layout),
        (broken, &[map], false, "e.example/scan:v1"),
    ];
    for (mirror, maps, is_named, name) in cases {
        let bare = release("castai-kvisor", "1.164.8", &[manifest(chart, "k", &[controller])], &[]);
        let first = if is_named { named(controller, scanners) } else { bare };
        let first = decide(&first, mirror, maps);
        assert_eq!(first.values, expected(mirror, name), "{mirror} {maps:?}");
        assert_eq!(first.gaps, [], "{mirror} {maps:?}");
        assert!(first.notes[0].contains("includes a tag"), "{:?}", first.notes);
        // After an upgrade with these values, the result is the same.
        let upgraded = named(&format!("{mirror}/{controller}"), name);
        let upgraded = with_set(upgraded, &["global.registry", "controller.additionalEnv.SCANNERS_IMAGE"]);
        assert_eq!(decide(&upgraded, mirror, maps), first);
    }
}

#[test]
fn one_value_is_not_enough_with_an_image_that_keeps_its_name() {
    let chart = "castai-workload-autoscaler-exporter";
    let own = "us-docker.pkg.dev/castai-hub/library/workload-autoscaler:v1";
    let keys = json!({"exporter": {"image":
        {"repository": "e.example/us-docker.pkg.dev/castai-hub/library/workload-autoscaler"}}});
    // The other image, the gap, and the values.
    let cases = [
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com/prom/prometheus:v3", None, keys.clone()),
        ("e.example/prometheus:v3", Some("unknown source of e.example/prometheus:v3"), keys.clone()),
        (
            "us-docker.pkg.dev/castai-hub/library/prom/prometheus:v3",
            None,
            json!({"global": {"registry": "e.example"}}),
        ),
    ];
    for (other, gap, expected) in cases {
        let manifests = [manifest(&format!("{chart}/templates/d.yaml"), "d", &[own, other])];
        let decided = decide(&release(chart, "1.9.3", &manifests, &[]), "e.example", &[]);
        assert_eq!(decided.values, expected, "{other}");
        assert_eq!(decided.gaps.len(), usize::from(gap.is_some()), "{:?}", decided.gaps);
        assert!(decided.gaps.iter().all(|found| found.why.contains(gap.unwrap()) && !found.is_for_policy));
    }
}

#[test]
fn an_image_without_a_name_is_not_covered_by_one_value() {
    let long = format!("us-docker.pkg.dev/castai-hub/library/{}/prometheus:v3", "x".repeat(200));
    let own = "us-docker.pkg.dev/castai-hub/library/workload-autoscaler:v1";
    let chart = "castai-workload-autoscaler-exporter";
    let manifests = [manifest(&format!("{chart}/templates/d.yaml"), "d", &[own, &long])];
    let mirror = format!("e.example/{}", "y".repeat(100));
    let decided = decide(&release(chart, "1.9.3", &manifests, &[]), &mirror, &[]);
    assert!(decided.values.get("global").is_none(), "{}", decided.values);
    assert_eq!(decided.gaps.len(), 1, "{:?}", decided.gaps);
}

#[test]
fn keys_of_a_release_remain_keys() {
    let main = [manifest("castai-cluster-controller/templates/deployment.yaml", "main", &[CONTROLLER])];
    let bare = release("castai-cluster-controller", "0.92.14", &main, &[]);
    let old = release("castai-cluster-controller", "0.80.0", &main, &[]);
    // The default mirror has a path, so the value has one too.
    let mirror = "e.example/castai-privatelink";
    let global = json!({"global": {"registry": mirror}});
    let repository = format!("{mirror}/us-docker.pkg.dev/castai-hub/library/cluster-controller");
    let keys = json!({"image": {"repository": repository}});
    let cases: [(_, &[&str], _, _); 6] = [
        (&bare, &[], &global, false),
        (&bare, &["replicas", "image.tag"], &global, false),
        (&bare, &["global.registry"], &global, false),
        (&bare, &["image.repository"], &keys, false),
        (&bare, &["image.repository", "global.registry"], &keys, true),
        (&old, &["global.registry"], &keys, true),
    ];
    for (release, set, expected, has_gap) in cases {
        let decided = decide(&with_set(release.clone(), set), mirror, &[]);
        assert_eq!(&decided.values, expected, "{set:?}");
        let is_gap = |why: &&str| {
            why.contains("global.registry is set in the release") && why.contains("--reset-values")
        };
        assert_eq!(whys(&decided).iter().any(is_gap), has_gap, "{set:?}: {:?}", decided.gaps);
    }
}

#[test]
fn another_revision_of_the_release_changes_nothing() {
    let main = |image: &str| [manifest("castai-evictor/templates/d.yaml", "castai-evictor", &[image])];
    let deployed =
        release("castai-evictor", "0.1.0", &main("us-docker.pkg.dev/castai-hub/library/evictor:v1"), &[]);
    let pending = release("castai-evictor", "0.1.1", &main("ghcr.io/castai/images/evictor:v2"), &[]);
    let releases = [deployed, pending];
    let found = Found { releases: &releases, ..Found::default() };
    let inventory =
        discover(Vec::new(), &[found], &ImageFilter::default(), Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    let mirror: Mirror = "e.example".parse().unwrap();
    let assignments = assign(&inventory, &mirror, &[], None);
    for (release, expected) in
        releases.iter().zip(["us-docker.pkg.dev/castai-hub/library/evictor", "ghcr.io/castai/images/evictor"])
    {
        let decided =
            values(release, Naming { mirror: &mirror, maps: &[], knowledge: built_in() }, &assignments)
                .unwrap();
        assert_eq!(decided.values, json!({"image": {"repository": format!("e.example/{expected}")}}));
        assert_eq!(decided.gaps, []);
    }
}

#[test]
fn a_policy_is_suggested_if_it_would_rename_the_image() {
    let unheard = "ghcr.io/castai/images/unheard-of:v1";
    let cases = [
        ("castai-agent", unheard, true),
        ("elsewhere", unheard, true),
        ("castai-agent", "quay.io/acme/probe:v1", true),
        ("elsewhere", "nvcr.io/nvidia/k8s/dcgm-exporter:v1", false),
        ("castai-agent", "e.example/ghcr.io/castai/images/unheard-of:v1", false),
        ("castai-agent", "e.example/unknown:v1", false),
    ];
    for (namespace, image, expected) in cases {
        let main = [manifest("castai-agent/templates/d.yaml", "d", &[image])];
        let mut release = release("castai-agent", "1.0.0", &main, &[]);
        release.name.namespace = namespace.to_owned();
        let decided = decide(&release, "e.example", &[]);
        assert_eq!(decided.gaps.len(), 1, "{:?}", decided.gaps);
        assert_eq!(decided.gaps[0].is_for_policy, expected, "{namespace} {image}");
    }
}

#[test]
fn values_of_subcharts_are_prefixed_with_their_path() {
    let agent = "castai/charts/autoscaler/charts/castai-agent/templates/deployment.yaml";
    let evictor = "castai/charts/autoscaler/charts/castai-evictor/templates/deployment.yaml";
    let manifests = [
        manifest(agent, "castai-agent", &["us-docker.pkg.dev/castai-hub/library/agent:v1"]),
        manifest(evictor, "castai-evictor", &["ghcr.io/castai/images/evictor:v1"]),
    ];
    let exporter =
        "castai/charts/autoscaler/charts/castai-workload-autoscaler-exporter/templates/crd-wait.yaml";
    let hooks = [
        hook(&evictor.replace("deployment", "crd"), "castai-evictor-crd-upgrade-1", &["rancher/kubectl:v1"]),
        hook(exporter, "crd-wait", &["us-docker.pkg.dev/castai-hub/library/kubectl:v1"]),
    ];
    let decided = decide(&release("castai", "0.34.33", &manifests, &hooks), "e.example", &[]);
    assert_eq!(
        decided.values,
        json!({"autoscaler": {
            "castai-agent": {"image": {"repository": "e.example/us-docker.pkg.dev/castai-hub/library/agent"}},
            "castai-evictor": {
                "image": {"repository": "e.example/ghcr.io/castai/images/evictor"},
                "crdUpgrade": {"image": {"repository": "e.example/rancher/kubectl"}},
            },
            "castai-workload-autoscaler-exporter":
                {"crdUpgrade": {"image": {"repository": "e.example/us-docker.pkg.dev/castai-hub/library/kubectl"}}},
        }})
    );
    assert_eq!(decided.gaps, []);
}

#[test]
fn hooks_of_castai_live_ignore_its_registry_value() {
    let main = [manifest("castai-live/templates/d.yaml", "daemon", &["ghcr.io/castai/live/daemon:v1"])];
    let hooks = [hook("castai-live/templates/h.yaml", "pre-delete", &["ghcr.io/castai/live/kubectl:v1"])];
    let decided = decide(&release("castai-live", "0.118.0", &main, &hooks), "e.example", &[]);
    assert_eq!(decided.values, json!({"imageRegistry": "e.example/ghcr.io/castai/live"}));
    assert_eq!(decided.gaps.len(), 1, "{:?}", decided.gaps);
}

#[test]
fn values_that_the_user_adds_are_set() {
    let image = "us-docker.pkg.dev/castai-hub/library/probe:v1";
    let main = [manifest("acme-castai/templates/deployment.yaml", "main", &[image])];
    let release = release("acme-castai", "1.0.0", &main, &[]);
    let charts = Knowledge { charts: vec!["acme-castai".to_owned()], ..Knowledge::default() };
    let unknown = decide_with(&release, "e.example/pfx", &[], &charts);
    assert_eq!((unknown.values, unknown.gaps.len()), (json!({}), 1), "no known value of the chart sets it");

    let value = ChartValue {
        chart: "acme-castai".to_owned(),
        image: "probe".to_owned(),
        key: "probe.image".to_owned(),
        form: Form::default(),
        global_since: None,
    };
    let added = Knowledge { chart_values: vec![value], ..charts };
    let known = decide_with(&release, "e.example/pfx", &[], &added);
    let private = "e.example/pfx/us-docker.pkg.dev/castai-hub/library/probe";
    assert_eq!((known.values, known.gaps), (json!({"probe": {"image": private}}), Vec::new()));
}
