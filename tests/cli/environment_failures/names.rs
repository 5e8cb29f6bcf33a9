//! Names that ECR rejects.

use lab::host::Lab;
use serde_json::json;

use super::{ALL, assert_rewritten};
use crate::harness::{
    ECR, MIRROR, apply, assert_stderr_contains, container_image, ecr_tags, own_lab, plugin, publish, sync,
    workload_specs,
};

/// A component whose image has this name.
fn install(lab: &Lab, name: &str, image: &str) {
    let labels = json!({"app": name});
    let spec = json!({"containers": [{"name": "main", "image": image}]});
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    apply(
        lab,
        &json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "castai-agent"},
            "spec": {"selector": {"matchLabels": labels}, "template": template},
        }),
    );
}

#[test]
fn names_that_ecr_rejects_are_reported_with_rule_and_hint() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let (double, dashes) = ("ghcr.io/castai/spot__handler", "ghcr.io/castai/spot--handler");
    for (name, repository) in [("double", double), ("dashes", dashes)] {
        publish(&lab, &format!("{repository}:v1"), &lab::registry::image::Recipe::default());
        install(&lab, name, &format!("{repository}:v1"));
    }
    let output = sync(&lab, 1, &[]);
    for (repository, segment) in [(double, "spot__handler"), (dashes, "spot--handler")] {
        assert_stderr_contains(
            &output,
            &[
                &format!("error: {repository}:v1: ECR does not allow `{segment}` in a repository name"),
                "separated by a single `.`, `_` or `-`",
                &format!("add --map {MIRROR}/<NAME>={repository}"),
            ],
        );
    }
    assert_stderr_contains(&output, &["(deployment.apps/dashes, deployment.apps/double)"]);
    // The other images are mirrored.
    let rewritten = [&ALL[..], &[]].concat();
    let mut expected = before.clone();
    for name in ["Deployment/double", "Deployment/dashes"] {
        expected.insert(name.to_owned(), workload_specs(&lab)[name].clone());
    }
    assert_rewritten(&expected, &lab, &rewritten);
    assert_eq!(container_image(&lab, "double", "main"), format!("{double}:v1"));

    let maps = [
        format!("--map={MIRROR}/castai/spot-handler={double}"),
        format!("--map={MIRROR}/castai/spot-handler-2={dashes}"),
    ];
    sync(&lab, 0, &[&maps[0], &maps[1]]);
    assert_eq!(container_image(&lab, "double", "main"), format!("{MIRROR}/castai/spot-handler:v1"));
    assert_eq!(container_image(&lab, "dashes", "main"), format!("{MIRROR}/castai/spot-handler-2:v1"));
    assert!(sync(&lab, 0, &[&maps[0], &maps[1]]).stdout.starts_with("up to date"));
    // Without the maps, the images cannot be compared. The annotation offers them as a hint, and changes nothing.
    let output = sync(&lab, 1, &[]);
    let map = maps[0].replacen('=', " ", 1);
    assert_stderr_contains(
        &output,
        &["hint: an earlier run used ", &map, "incomplete: public tags not checked: 2 "],
    );
    assert_eq!(container_image(&lab, "double", "main"), format!("{MIRROR}/castai/spot-handler:v1"));
}

#[test]
fn a_path_that_ecr_rejects_stops_the_run_immediately() {
    let lab = crate::harness::shared_lab();
    let tags = ecr_tags(lab);
    for (path, words) in [
        ("my__team", &["--registry", "`my__team`", "single `.`, `_` or `-`", "choose another path"][..]),
        ("my--team", &["--registry", "`my--team`", "choose another path"]),
        ("My-Team", &["My-Team", "--registry <HOST[/PATH]>"]),
    ] {
        let output = plugin(lab, 2, &["sync-images", "--yes", &format!("--registry={ECR}/{path}")]);
        assert_stderr_contains(&output, words);
        assert_eq!(output.stdout, "");
    }
    assert_eq!(ecr_tags(lab), tags);
}
