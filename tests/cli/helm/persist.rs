//! `sync-images`, then upgrades with the values of `values helm`: private images throughout.

use std::path::{Path, PathBuf};

use lab::host::Lab;
use serde_json::{Value, json};

use super::{Helm, NAMESPACE, chart_path, copy, private};
use crate::harness::{
    AGENT, CONTROLLER, KVISOR, MIRROR, SCANNERS, assert_stderr_contains, kubectl_json, mirrored_tags,
    parse_json, plugin, sync, wait_until_ready,
};

const LIBRARY: &str = "us-docker.pkg.dev/castai-hub/library";
const CHARTS: [&str; 4] = ["castai-agent", "castai-kvisor", "castai-evictor", "castai-workload-autoscaler"];

/// Images that the charts need in addition to those of the lab's first cluster, also for their next version.
fn published() -> Vec<String> {
    let now =
        ["evictor:v0.35.143", "cpa/cpvpa:v0.8.12", "workload-autoscaler:v1.9.3", "jmx-exporter-init:v1.5.0"];
    let next = ["agent:v9.0.0", "evictor:v9.0.0", "workload-autoscaler:v9.0.0"];
    let library = now.into_iter().chain(next).map(|image| format!("{LIBRARY}/{image}"));
    let kvisor = [CONTROLLER, KVISOR, SCANNERS].map(|image| format!("{image}:v9.0.0"));
    let others = [
        "registry.k8s.io/cpa/cpvpa:v0.8.4",
        "nvcr.io/nvidia/k8s/dcgm-exporter:4.5.2-4.8.1-ubuntu22.04",
        "docker.io/rancher/kubectl:v1.35.6",
    ];
    library.chain(kvisor).chain(others.map(str::to_owned)).collect()
}

#[test]
fn upgrades_with_helm_3_and_our_values_keep_private_images() {
    upgrades_with_our_values("helm3");
}

#[test]
fn upgrades_with_helm_4_and_our_values_keep_private_images() {
    upgrades_with_our_values("helm4");
}

fn upgrades_with_our_values(program: &'static str) {
    let published = published();
    let helm = Helm::new(program, &published.iter().map(String::as_str).collect::<Vec<_>>());
    let lab = &helm.lab;
    for chart in CHARTS {
        helm.install(chart);
    }
    releases_are_read(lab);
    sync(lab, 0, &[]);
    wait_until_ready(lab);
    all_private(lab, "v9.0.0", 0);

    // The same versions with our values. Hooks run, so their images must be pulled.
    let values = Values::printed(lab, 0);
    reads_what_helm_prints(&helm);
    for chart in CHARTS {
        helm.upgrade(0, &chart_path(chart), &["-f", &values.of(chart)]);
    }
    wait_until_ready(lab);
    all_private(lab, "v9.0.0", 0);

    // The next versions, mirrored before. The run that mirrors them also relinquishes our ownership.
    let next: Vec<_> = CHARTS.iter().map(|chart| helm.next_version(chart, "v9.0.0")).collect();
    for path in &next {
        let chart = path.file_name().unwrap().to_str().unwrap();
        helm.render_and_sync(path, &format!("-f {}", values.of(chart)), "");
    }
    assert!(
        mirrored_tags(lab).contains(&format!("{SCANNERS}:v9.0.0")),
        "images without a manifest are mirrored too"
    );
    for (path, chart) in next.iter().zip(CHARTS) {
        helm.upgrade(0, path, &["-f", &values.of(chart)]);
    }
    wait_until_ready(lab);
    all_private(lab, "v9.0.0", 7);
    let good = plugin(lab, 0, &["status"]);
    assert_stderr_contains(&good, &["up to date"]);

    // The images for uninstalling the charts are mirrored too.
    helm.run(0, &["uninstall", "castai-workload-autoscaler", "--timeout=10m"]);

    // Without the values.
    helm.upgrade(0, &next[0], &["--reset-values"]);
    let reverted = plugin(lab, 1, &["status"]);
    assert_stderr_contains(
        &reverted,
        &["1 reverted, 2 upgraded", "note: Helm release castai-agent reverts the image"],
    );
    assert!(reverted.stdout.contains("by Helm (field manager \"helm\") at 20"), "{}", reverted.stdout);
}

/// The command of the hint about releases that only Helm can read, for one with an image that only its hook contains.
#[track_caller]
fn reads_what_helm_prints(helm: &Helm) {
    let of = format!("castai-evictor -n {NAMESPACE}");
    let program = helm.program;
    let values = |printed: String| {
        let script = format!("({printed}) | kubectl castai-privatelink values helm -f -");
        let output = helm.lab.run("bash", &["-c", &format!("set -o pipefail; {script}")]).unwrap();
        assert_eq!(output.code, Some(0), "{script}\n{}{}", output.stdout, output.stderr);
        output.stdout
    };
    let of_hook = format!("{MIRROR}/rancher/kubectl");
    let all = values(format!("{program} get manifest {of}; {program} get hooks {of}"));
    assert!(all.contains(&of_hook), "{all}");
    let without_hooks = values(format!("{program} get manifest {of}"));
    assert!(!without_hooks.contains(&of_hook), "{without_hooks}");
}

/// Releases as stored by the real Helm, with images that only hooks and variables contain.
#[track_caller]
fn releases_are_read(lab: &Lab) {
    let inventory =
        parse_json(&plugin(lab, 0, &["sync-images", "--no-mirror", "--no-rewrite", "-o", "json"]));
    let images = inventory["images"].as_array().unwrap();
    let uses = |image: &str| {
        let found = images.iter().find(|wanted| wanted["image"] == image);
        found.unwrap_or_else(|| panic!("{image} is missing: {images:#?}"))["usedBy"].as_array().unwrap()
    };
    let reason = |chart: &str, hook| json!({"rule": "release", "chart": chart, "hook": hook});
    for (image, image_field, chart, hook) in [
        ("rancher/kubectl:v1.35.6", "container/crd-upgrade", "castai-evictor-0.35.143", true),
        (
            &format!("{LIBRARY}/workload-autoscaler:v1.9.3"),
            "container/pre-delete",
            "castai-workload-autoscaler-1.9.3",
            true,
        ),
        (&format!("{KVISOR}:v1.164.8"), "init/gpu-feature-discovery", "castai-kvisor-1.164.8", false),
        (
            &format!("{LIBRARY}/jmx-exporter-init:v1.5.0"),
            "env/workload-autoscaler/JMX_EXPORTER_INIT_IMAGE",
            "castai-workload-autoscaler-1.9.3",
            false,
        ),
    ] {
        let used = uses(image)
            .iter()
            .find(|used| used["imageField"] == image_field && used["place"].get("release").is_some());
        let used = used.unwrap_or_else(|| panic!("{image} as {image_field}: {:#?}", uses(image)));
        assert_eq!(
            (&used["reason"], &used["place"]["hook"]),
            (&reason(chart, hook), &json!(hook)),
            "{image}"
        );
    }
    // cpvpa is found only through its Helm release.
    assert!(!uses("registry.k8s.io/cpa/cpvpa:v0.8.4").is_empty());
    assert_eq!(uses(&format!("{SCANNERS}:v1.164.8"))[0]["imageField"], "derived/controller/kvisor-scanners");
}

/// All images of workloads, pods and hook Jobs are in ECR, those of the workloads `moved` at `version`; and no pod failed
/// to pull one of them.
#[track_caller]
fn all_private(lab: &Lab, version: &str, moved: usize) {
    let mut at_version = 0;
    let list = kubectl_json(lab, &["get", "deployments,daemonsets,jobs,pods", "-n", NAMESPACE]);
    for item in list["items"].as_array().unwrap() {
        // A pod from before the rewrite may still be terminating.
        if !item["metadata"]["deletionTimestamp"].is_null() {
            continue;
        }
        let spec = item.pointer("/spec/template/spec").unwrap_or(&item["spec"]);
        for image in images_of(spec) {
            assert!(image.starts_with(&private("")), "{} runs {image}", item["metadata"]["name"]);
            let is_workload = item["kind"] == "Deployment" || item["kind"] == "DaemonSet";
            at_version += usize::from(is_workload && image.ends_with(&format!(":{version}")));
        }
    }
    assert_eq!(at_version, moved, "images at {version}");
    let events = kubectl_json(lab, &["get", "events", "-n", NAMESPACE, "--field-selector=reason=Failed"]);
    for event in events["items"].as_array().unwrap() {
        let message = event["message"].as_str().unwrap();
        assert!(!message.contains(MIRROR), "a pod failed to pull: {message}");
    }
}

fn images_of(spec: &Value) -> Vec<&str> {
    let lists = ["initContainers", "containers"].into_iter().filter_map(|list| spec[list].as_array());
    let containers: Vec<_> = lists.flatten().collect();
    let variables = containers.iter().filter_map(|container| container["env"].as_array()).flatten();
    let named = variables.filter(|variable| variable["name"] == "JMX_EXPORTER_INIT_IMAGE");
    let values = named.filter_map(|variable| variable["value"].as_str());
    containers.iter().filter_map(|container| container["image"].as_str()).chain(values).collect()
}

/// The folder of the files that `values helm --directory` wrote.
struct Values(PathBuf);

impl Values {
    #[track_caller]
    fn printed(lab: &Lab, code: i32) -> Self {
        let folder = lab.folder().home().join("values");
        plugin(lab, code, &["values", "helm", "--directory", folder.to_str().unwrap()]);
        Self(folder)
    }

    fn of(&self, release: &str) -> String {
        self.0.join(format!("{NAMESPACE}_{release}.yaml")).to_str().unwrap().to_owned()
    }
}

#[test]
fn values_set_the_images_of_the_umbrellas_subcharts() {
    let published = published();
    let helm = Helm::new("helm4", &published.iter().map(String::as_str).collect::<Vec<_>>());
    let lab = &helm.lab;
    let umbrella = umbrella(lab.folder().home().join("castai").as_path());
    helm.run(0, &["install", "castai", umbrella.to_str().unwrap(), "--create-namespace", "--no-hooks"]);
    sync(lab, 0, &[]);
    wait_until_ready(lab);
    let values = Values::printed(lab, 0);
    let text = std::fs::read_to_string(values.of("castai")).unwrap();
    assert!(text.contains("autoscaler:\n"), "{text}");
    assert!(text.contains(&format!("repository: {}", private(AGENT))), "{text}");
    helm.upgrade(0, &umbrella, &["-f", &values.of("castai")]);
    sync(lab, 0, &[]);
    wait_until_ready(lab);
    all_private(lab, "v9.0.0", 0);
    assert_stderr_contains(&plugin(lab, 0, &["status"]), &["up to date"]);
}

/// The umbrella chart with the other charts in it, in the layout of the published one.
fn umbrella(path: &Path) -> PathBuf {
    copy(&chart_path("castai"), path);
    for chart in CHARTS {
        copy(&chart_path(chart), &path.join("charts/autoscaler/charts").join(chart));
    }
    path.to_owned()
}
