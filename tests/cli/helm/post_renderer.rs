//! `rewrite` as a post-renderer: charts are installed with private images from the start.

use super::{Helm, chart_path, text};
use crate::harness::{MIRROR, assert_stderr_contains, castai_images, plugin};

const CHART: &str = "castai-agent";
/// Images that the chart needs in addition to those of the lab's first cluster.
const OTHERS: [&str; 1] = ["registry.k8s.io/cpa/cpvpa:v0.8.4"];

#[test]
fn helm_3_installs_with_private_images() {
    let helm = Helm::new("helm3", &OTHERS);
    let renderer = ["rewrite", "-f", "-"].map(|word| format!("--post-renderer-args={word}"));
    let flags = ["--post-renderer", "kubectl-castai_privatelink"].map(str::to_owned).into_iter();
    installs_with_private_images(&helm, &flags.chain(renderer).collect::<Vec<_>>());
}

#[test]
fn helm_4_installs_with_private_images() {
    let helm = Helm::new("helm4", &OTHERS);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/helm");
    helm.run(0, &["plugin", "install", folder]);
    installs_with_private_images(&helm, &["--post-renderer".to_owned(), "castai-privatelink".to_owned()]);
}

fn installs_with_private_images(helm: &Helm, renderer: &[String]) {
    let path = chart_path(CHART);
    let registry = format!("--post-renderer-args=--registry={MIRROR}");
    let renderer: Vec<_> = renderer.iter().map(String::as_str).chain([registry.as_str()]).collect();
    let flags = ["upgrade", "--install", CHART, text(&path), "--create-namespace", "--no-hooks"];
    let install = [&flags[..], &renderer].concat();

    // Nothing is installed with an image that cannot be pulled.
    let early = helm.run(1, &install);
    // Helm 4 does not print the output of a plugin.
    let words = if helm.applies() { "post-renderer plugin" } else { "nothing printed" };
    assert_stderr_contains(&early, &[words]);
    assert!(castai_images(&helm.lab).is_empty());

    helm.render_and_sync(&path, "", "--no-rewrite");
    helm.run(0, &install);
    let images = castai_images(&helm.lab);
    assert!(!images.is_empty() && images.values().all(|image| image.starts_with(MIRROR)), "{images:?}");
    let again = plugin(&helm.lab, 0, &["sync-images", "--yes"]);
    assert!(again.stdout.starts_with("up to date"), "{}", again.stdout);
}
