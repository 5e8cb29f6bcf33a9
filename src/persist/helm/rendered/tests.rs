use serde_json::json;

use super::super::values;
use super::*;
use crate::castai::built_in;
use crate::model::image::Mirror;

const EVICTOR: &str = "---
# Source: castai-evictor/templates/serviceaccount.yaml
apiVersion: v1
kind: ServiceAccount
metadata: {name: castai-evictor, namespace: cast}
---
# Source: castai-evictor/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: castai-evictor
  namespace: cast
  labels: {helm.sh/chart: castai-evictor-0.35.143, app.kubernetes.io/instance: evictor}
spec: {template: {spec: {containers: [{name: e, image: 'us-docker.pkg.dev/castai-hub/library/evictor:v1'}]}}}
---
# Source: castai-evictor/templates/crd-upgrade-job.yaml
apiVersion: batch/v1
kind: Job
metadata:
  name: castai-evictor-crd-upgrade-1
  annotations: {helm.sh/hook: 'pre-install,pre-upgrade'}
spec: {template: {spec: {containers: [{name: k, image: 'rancher/kubectl:v1.35.6'}]}}}
";

const KENT: &str = "---
# Source: castai/charts/kent/templates/preflight.yaml
apiVersion: batch/v1
kind: Job
metadata:
  name: castai-umbrella-kent-preflight
  annotations: {helm.sh/hook: HOOK}
spec: {template: {spec: {containers: [{name: k, image: 'bitnami/kubectl:latest'}]}}}
";

fn decide(text: &str, namespace: Option<&str>) -> Vec<ReleaseValues> {
    let mirror: Mirror = "e.example/pfx".parse().unwrap();
    let releases = releases(text, namespace).unwrap();
    let naming = Naming { mirror: &mirror, maps: &[], knowledge: built_in() };
    let (assignments, notes) = assignments(&releases, naming, None);
    assert_eq!(notes, Vec::<String>::new());
    releases.iter().filter_map(|release| values(release, naming, &assignments)).collect()
}

#[test]
fn a_rendered_chart_has_values_before_its_release_exists() {
    let decided = decide(EVICTOR, None);
    let [evictor] = &decided[..] else { panic!("{decided:?}") };
    assert_eq!((evictor.release.namespace.as_str(), evictor.release.name.as_str()), ("cast", "evictor"));
    assert_eq!((evictor.chart.name.as_str(), evictor.chart.version.as_str()), ("castai-evictor", "0.35.143"));
    let library = "e.example/pfx/us-docker.pkg.dev/castai-hub/library";
    let expected = json!({
        "image": {"repository": format!("{library}/evictor")},
        "crdUpgrade": {"image": {"repository": "e.example/pfx/rancher/kubectl"}},
    });
    assert_eq!(evictor.values, expected);
    assert!(evictor.gaps.is_empty() && evictor.blocking_hooks.is_empty(), "a value sets the hook's image");
    let windows = EVICTOR.replace('\n', "\r\n");
    assert_eq!(decide(&windows, None), decided);
    assert_eq!(decide(EVICTOR, Some("other"))[0].release.namespace, "other");
}

#[test]
fn a_hook_that_no_value_sets_needs_a_policy_first() {
    for (hook, is_blocking) in
        [("pre-install", true), ("'post-install, pre-upgrade'", true), ("pre-delete", false)]
    {
        let decided = decide(&KENT.replace("HOOK", hook), None);
        let jobs: Vec<_> = decided[0].blocking_hooks.iter().map(String::as_str).collect();
        let expected: &[&str] = if is_blocking { &["Job/castai-umbrella-kent-preflight"] } else { &[] };
        assert_eq!(jobs, expected, "{hook}");
        let steps = steps(&decided, "mirror", &["--registry e.example/pfx".to_owned()], Output::Stdout);
        let policy =
            "kubectl castai-privatelink values policy --extent=prefixes --apply --registry e.example/pfx";
        assert_eq!(steps.contains(&policy.to_owned()), is_blocking, "{steps:?}");
        assert_eq!(steps[0], "mirror");
        assert_eq!(
            steps.last().unwrap(),
            "helm upgrade --install castai castai-helm/castai --namespace castai-agent -f FILE"
        );
    }
}

#[test]
fn the_output_of_helm_is_expected() {
    for text in ["", "kind: Pod\n", "# a comment\n---\nkind: A\n"] {
        assert!(releases(text, None).unwrap_err().contains("# Source:"), "{text}");
    }
    let two = releases(&format!("{EVICTOR}{}", KENT.replace("HOOK", "pre-install")), None).unwrap();
    let charts: Vec<_> = two.iter().map(|release| release.chart.name.as_str()).collect();
    assert_eq!(charts, ["castai", "castai-evictor"]);
    let unnamed =
        EVICTOR.replace("app.kubernetes.io/instance: evictor", "app.kubernetes.io/instance: release-name");
    assert_eq!(releases(&unnamed, None).unwrap()[0].name.name, "castai-evictor");
}

#[test]
fn the_name_of_a_release_is_that_of_the_objects_of_its_chart() {
    let object = |name: &str, labels: &str| {
        format!(
            "---\n# Source: castai-agent/templates/{name}.yaml\nkind: ServiceAccount\nmetadata: {{name: {name}, \
             labels: {{{labels}}}}}\n"
        )
    };
    let instance = |name: &str| format!("app.kubernetes.io/instance: {name}");
    let charted = |name: &str| format!("helm.sh/chart: castai-agent-0.1.0, {}", instance(name));
    let cases = [
        (vec![charted("agent"), instance("cpvpa"), instance("cpvpa")], "agent"),
        (vec![instance("agent"), instance("agent"), instance("cpvpa")], "agent"),
        (vec![charted("agent"), charted("cpvpa")], PLACEHOLDER),
        (vec![charted("release-name"), instance("cpvpa")], "castai-agent"),
        (vec![String::new()], "castai-agent"),
    ];
    for (labels, expected) in cases {
        let text: Vec<_> =
            labels.iter().enumerate().map(|(index, labels)| object(&format!("a{index}"), labels)).collect();
        assert_eq!(releases(&text.concat(), None).unwrap()[0].name.name, expected, "{labels:?}");
    }
}
