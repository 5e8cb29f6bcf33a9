//! Labs for tests, and what a plugin's run left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use lab::host::{Lab, Output};
use lab::settings::{Fixture, Settings};
use serde_json::Value;

/// The path of [`MIRROR`] in ECR.
pub(crate) const PATH: &str = "castai-privatelink";

/// Where images are mirrored to without `--registry`.
pub(crate) const MIRROR: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com/castai-privatelink";

/// A lab of its own, for a test that changes the cluster or the registries, or breaks something.
pub(crate) fn own_lab() -> Lab {
    Lab::start(&Settings::default()).expect("the lab starts")
}

/// A lab of its own without Cast AI.
pub(crate) fn empty_lab() -> Lab {
    Lab::start(&Settings { fixture: Fixture::Empty, ..Settings::default() }).expect("the lab starts")
}

/// The one lab for tests that change nothing. It ends with the test process.
pub(crate) fn shared_lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(own_lab)
}

/// Runs the plugin and asserts its exit code; everything it printed is shown where that differs.
#[track_caller]
pub(crate) fn plugin(lab: &Lab, code: i32, arguments: &[&str]) -> Output {
    let output = lab.plugin(arguments).expect("the plugin runs");
    assert_eq!(
        output.code,
        Some(code),
        "kubectl castai-privatelink {}\nstdout:\n{}\nstderr:\n{}",
        arguments.join(" "),
        output.stdout,
        output.stderr
    );
    output
}

/// The plugin's standard output as JSON.
#[track_caller]
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", output.stdout))
}

/// What kubectl says as JSON.
#[track_caller]
pub(crate) fn kubectl_json(lab: &Lab, arguments: &[&str]) -> Value {
    let output = lab.kubectl(&[arguments, &["-o", "json"]].concat()).expect("kubectl runs");
    assert_eq!(output.code, Some(0), "kubectl {}: {}", arguments.join(" "), output.stderr);
    json(&output)
}

/// Retries so few and quick that a failure is seen at once. Time-outs stay as they are: what answers must not be
/// given up on a busy machine.
pub(crate) const QUICK: &[&str] = &["--retries=1", "--retry-delay=10ms"];

/// Runs `sync-images --yes` with few retries and asserts its exit code.
#[track_caller]
pub(crate) fn sync(lab: &Lab, code: i32, arguments: &[&str]) -> Output {
    plugin(lab, code, &[&["sync-images", "--yes"], QUICK, arguments].concat())
}

/// Asserts that every one of `words` was said on stderr.
#[track_caller]
pub(crate) fn says(output: &Output, words: &[&str]) {
    for word in words {
        assert!(output.stderr.contains(word), "`{word}` was not said:\n{}", output.stderr);
    }
}

/// What of the cluster's workloads a user would call changed: each one's generation and annotations, by name.
pub(crate) fn workloads(lab: &Lab) -> BTreeMap<String, Value> {
    let list = kubectl_json(lab, &["get", "deployments,daemonsets,statefulsets,cronjobs,jobs", "-A"]);
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items
        .into_iter()
        .map(|item| {
            let metadata = &item["metadata"];
            let name = format!("{}/{}", item["kind"].as_str().unwrap(), metadata["name"].as_str().unwrap());
            let mut annotations = metadata["annotations"].clone();
            if let Some(annotations) = annotations.as_object_mut() {
                // Controllers count their rollouts there.
                annotations.remove("deployment.kubernetes.io/revision");
                annotations.remove("deprecated.daemonset.template.generation");
            }
            (name, serde_json::json!({"spec": item["spec"], "annotations": annotations}))
        })
        .collect()
}

/// Tags in ECR as `repository:tag`.
pub(crate) fn ecr_tags(lab: &Lab) -> BTreeSet<String> {
    let state: Value = lab.control().get("/ecr/state").unwrap();
    let repositories = state["repositories"].as_object().cloned().unwrap_or_default();
    repositories
        .iter()
        .flat_map(|(name, held)| {
            let tags = held["tags"].as_object().cloned().unwrap_or_default();
            tags.into_iter().map(move |(tag, _)| format!("{name}:{tag}"))
        })
        .collect()
}

/// Tags below the mirror's path in ECR as `repository:tag`, by the public names of the images.
pub(crate) fn mirrored_tags(lab: &Lab) -> BTreeSet<String> {
    let below = |tag: String| Some(tag.strip_prefix(PATH)?.strip_prefix('/')?.to_owned());
    ecr_tags(lab).into_iter().filter_map(below).collect()
}

/// Adds a fault to a front (`source` or `ecr`).
#[track_caller]
pub(crate) fn fault(lab: &Lab, front: &str, rule: &Value) {
    lab.control().post(&format!("/{front}/faults"), rule).unwrap();
}

/// Removes all faults of both fronts.
pub(crate) fn heal(lab: &Lab) {
    lab.control().delete("/source/faults").unwrap();
    lab.control().delete("/ecr/faults").unwrap();
}

/// Polls until `condition` holds.
#[expect(clippy::disallowed_methods, reason = "tests are blocking, and this is the pause of a poll")]
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_mins(5);
    while !condition() {
        assert!(std::time::Instant::now() < end, "never came true: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Runs kubectl and asserts that it succeeds.
#[track_caller]
pub(crate) fn kubectl(lab: &Lab, arguments: &[&str]) {
    let output = lab.kubectl(arguments).unwrap();
    assert_eq!(output.code, Some(0), "kubectl {}: {}", arguments.join(" "), output.stderr);
}
