//! The cluster through kubectl.

use std::time::{Duration, Instant};

use lab::host::Lab;
use serde_json::{Value, json};

use super::files::write_file;
use super::run::parse_json;

/// Timeout of a test for an expected event.
pub(super) const TIMEOUT: Duration = Duration::from_mins(5);

/// Runs kubectl and asserts that it succeeds.
#[track_caller]
pub(crate) fn kubectl(lab: &Lab, arguments: &[&str]) {
    let output = lab.kubectl(arguments).expect("kubectl runs");
    assert_eq!(output.code, Some(0), "kubectl {}: {}", arguments.join(" "), output.stderr);
}

/// Runs kubectl with `-o json` and returns what it prints.
#[track_caller]
pub(crate) fn kubectl_json(lab: &Lab, arguments: &[&str]) -> Value {
    let output = lab.kubectl(&[arguments, &["-o", "json"]].concat()).expect("kubectl runs");
    assert_eq!(output.code, Some(0), "kubectl {}: {}", arguments.join(" "), output.stderr);
    parse_json(&output)
}

/// Creates an object in the cluster.
#[track_caller]
pub(crate) fn apply(lab: &Lab, object: &Value) {
    let path = write_file(lab, "applied.json", &object.to_string());
    kubectl(lab, &["apply", "-f", path.to_str().expect("a path in UTF-8")]);
}

/// Defines a kind of version `v1alpha1` without a schema, and waits until the API server serves it. `scope` is
/// `Namespaced` or `Cluster`.
#[track_caller]
pub(crate) fn define_custom_resource(lab: &Lab, group: &str, plural: &str, kind: &str, scope: &str) {
    define_custom_resource_version(lab, group, "v1alpha1", (plural, kind), scope);
}

/// The same in another version than `v1alpha1`.
#[track_caller]
pub(crate) fn define_custom_resource_version(
    lab: &Lab,
    group: &str,
    version: &str,
    (plural, kind): (&str, &str),
    scope: &str,
) {
    let name = format!("{plural}.{group}");
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": group, "scope": scope, "names": {"plural": plural, "kind": kind},
            "versions": [{"name": version, "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}],
        },
    });
    apply(lab, &definition);
    kubectl(lab, &["wait", "--for=condition=Established", "--timeout=300s", &format!("crd/{name}")]);
}

/// Allows `user` to use `verbs` on `resources` in the whole cluster, and returns the flag to run as that user.
#[track_caller]
pub(crate) fn grant_access(lab: &Lab, user: &str, verbs: &str, resources: &str) -> String {
    // A user may get several permissions.
    let name = format!("{user}-{}", resources.split(',').next().unwrap_or_default());
    let (verbs, resources) = (format!("--verb={verbs}"), format!("--resource={resources}"));
    kubectl(lab, &["create", "clusterrole", &name, &verbs, &resources]);
    let (role, subject) = (format!("--clusterrole={name}"), format!("--user={user}"));
    kubectl(lab, &["create", "clusterrolebinding", &name, &role, &subject]);
    kubeconfig_flag(lab, user)
}

/// The flag that runs the plugin and kubectl as `user`.
pub(crate) fn kubeconfig_flag(lab: &Lab, user: &str) -> String {
    let path = lab.kubeconfig_for(user, None).expect("a kubeconfig");
    format!("--kubeconfig={}", path.display())
}

/// Polls until `condition` holds.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "tests are blocking, and this is the pause of a poll")]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not after {TIMEOUT:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until a pod whose name starts with `prefix` cannot pull an image.
#[track_caller]
pub(crate) fn wait_for_failed_pull(lab: &Lab, namespace: &str, prefix: &str) {
    eventually("a pod cannot pull its image", || {
        let pods = kubectl_json(lab, &["get", "pods", "-n", namespace]);
        let waits = |pod: &Value| {
            let reason = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
            pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(prefix))
                && (reason == "ErrImagePull" || reason == "ImagePullBackOff")
        };
        pods["items"].as_array().unwrap().iter().any(waits)
    });
}
