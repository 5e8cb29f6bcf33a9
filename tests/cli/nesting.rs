//! Input that is nested so deeply that a recursive parser would crash the process.

use std::io::Write as _;
use std::process::Stdio;

use lab::host::{Lab, Output};
use serde_json::{Value, json};

use crate::harness::{
    assert_stderr_contains, define_custom_resource, kubectl, own_lab, pack_release, parse_json, plugin,
    shared_lab, write_file,
};

const DEPTH: usize = 100_000;
const TOO_DEEP: &str = "nested deeper than 256 levels";

/// Commands that read the cluster. They must exit normally, with the same output with and without a tenant's object.
fn outputs(lab: &Lab) -> Vec<(Option<i32>, String, String)> {
    let commands: [&[&str]; 3] = [&["images"], &["status"], &["sync-images", "--dry-run", "--yes"]];
    let run = |command: &[&str]| {
        let output: Output = lab.plugin(command).expect("the plugin runs");
        assert!(
            matches!(output.code, Some(0..=2)),
            "{command:?} ended with {:?}: {}",
            output.code,
            output.stderr
        );
        // The kubelet alternates between the two states.
        let steady = |text: &str| text.replace("ErrImagePull", "ImagePullBackOff");
        let images = output.stdout.split("\n\nNAMESPACE      PODS OF").next().unwrap_or_default();
        (output.code, steady(images), steady(&output.stderr))
    };
    commands.into_iter().map(run).collect()
}

/// Documents that have a few hundred bytes when they are compressed.
fn nested_documents(depth: usize) -> [(&'static str, String); 8] {
    let nested = |open: &str, close: &str| open.repeat(depth) + "1" + &close.repeat(depth);
    [
        ("castai-agent", nested("{\"a\":", "}")),
        ("castai-evictor", format!("{{\"a\": {}}}", nested("[", "]"))),
        ("castai-kvisor", format!("{{\"a\": {}", "[".repeat(depth))),
        ("castai-hibernate", nested("[", "]")),
        ("castai-pod-pinner", nested("{a: ", "}")),
        ("castai-spot-handler", "- ".repeat(depth) + "a"),
        ("castai-cluster-controller", "? ".repeat(depth) + "a"),
        ("castai-workload-autoscaler", nested("{kind: List, items: [", "]}")),
    ]
}

#[test]
fn a_deeply_nested_secret_of_a_tenant_crashes_no_command() {
    let lab = own_lab();
    let before = outputs(&lab);
    kubectl(&lab, &["create", "role", "tenant", "--namespace=shop", "--verb=*", "--resource=secrets"]);
    kubectl(&lab, &["create", "rolebinding", "tenant", "--namespace=shop", "--role=tenant", "--user=tenant"]);
    let may = ["auth", "can-i", "list", "secrets", "--all-namespaces", "--as=tenant"];
    assert_eq!(lab.kubectl(&may).expect("kubectl runs").stdout.trim(), "no");

    let secret = |release: &str, revision: u32, content: &str| {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": {
                "name": format!("sh.helm.release.v1.{release}.v{revision}"), "namespace": "shop",
                "labels": {"name": release, "owner": "helm", "status": "deployed", "version": revision.to_string()},
            },
            "stringData": {"release": content},
        });
        let path = write_file(&lab, "secret.json", &secret.to_string());
        let path = path.to_str().expect("a path");
        kubectl(&lab, &["apply", "--server-side", "--as=tenant", "-f", path]);
    };
    let content = |release: &str, member: &str, value: Value| {
        let mut content = json!({"name": release, "namespace": "shop", "version": 1,
            "chart": {"metadata": {"name": release, "version": "1.0.0"}}});
        content[member] = value;
        content
    };
    let same_as_before = |what: &str| {
        for ((code, out, said), (before_code, before_out, before_said)) in outputs(&lab).iter().zip(&before) {
            assert_eq!((code, out), (before_code, before_out), "{what}: {said}");
            for line in before_said.lines() {
                assert!(said.contains(line), "{what}: {line} is missing: {said}");
            }
        }
    };

    for (release, text) in nested_documents(DEPTH) {
        secret(release, 1, &packed(&content(release, "manifest", text.into()).to_string()));
    }
    same_as_before("manifests");
    let images = plugin(&lab, 0, &["images"]);
    for (release, _) in nested_documents(1) {
        let named = format!("warning: Helm release {release} in namespace shop: document 1: ");
        let line = images.stderr.lines().find(|line| line.starts_with(&named));
        let line = line.unwrap_or_else(|| panic!("{release} is not named: {}", images.stderr));
        // A document with unclosed brackets is not valid JSON.
        assert!(line.contains(TOO_DEEP), "{line}");
        assert!(line.contains("only its running images are found"), "{line}");
    }

    for (release, text) in nested_documents(DEPTH) {
        secret(
            release,
            2,
            &packed(&content(release, "hooks", json!([{"path": "a", "manifest": text}])).to_string()),
        );
    }
    same_as_before("hooks");

    // The release document is written by hand, because serde_json cannot serialise this depth.
    for (release, text) in &nested_documents(DEPTH)[..4] {
        let whole = content(release, "config", json!("here")).to_string().replace("\"here\"", text);
        secret(release, 3, &packed(&whole));
    }
    same_as_before("values");
    assert_stderr_contains(
        &plugin(&lab, 0, &["images"]),
        &[
            "warning: Helm release castai-agent in namespace shop cannot be parsed: nested deeper than 256 levels at line 1",
        ],
    );
}

#[test]
fn a_deeply_nested_custom_resource_affects_no_other_object() {
    let lab = own_lab();
    define_custom_resource(&lab, "castware.cast.ai", "components", "Component", "Namespaced");
    let create = |name: &str, depth: usize| {
        let values =
            format!(r#"{}{{"image": "castai/{name}:v1"}}{}"#, r#"{"a":"#.repeat(depth), "}".repeat(depth));
        let object = json!({"apiVersion": "castware.cast.ai/v1alpha1", "kind": "Component",
            "metadata": {"name": name, "namespace": "castai-agent"}, "spec": {"values": "here"}});
        let path = write_file(&lab, "component.json", &object.to_string().replace("\"here\"", &values));
        // kubectl reads objects up to a depth of 10,000.
        kubectl(&lab, &["create", "--validate=false", "-f", path.to_str().expect("a path")]);
    };
    for (name, depth) in
        [("flat", 0), ("deep", 130), ("deeper", 200), ("too-deep", 300), ("much-too-deep", 5_000)]
    {
        create(name, depth);
    }
    let output = plugin(&lab, 1, &["sync-images", "--no-mirror", "--no-rewrite", "-o", "json"]);
    let inventory = parse_json(&output);
    let images = inventory["images"].as_array().expect("images");
    let names: Vec<_> = images.iter().filter_map(|image| image["image"].as_str()).collect();
    for name in ["flat", "deep", "deeper"] {
        assert!(names.contains(&format!("castai/{name}:v1").as_str()), "{names:?}");
    }
    for name in ["too-deep", "much-too-deep"] {
        let named = format!(
            "component.castware.cast.ai/{name} in namespace castai-agent cannot be parsed: {TOO_DEEP}"
        );
        assert_stderr_contains(&output, &[&named, "its images are not found"]);
    }
    outputs(&lab);
}

#[test]
fn deeply_nested_files_are_rejected_by_name() {
    let lab = shared_lab();
    let document = "kind: ConfigMap\nmetadata: {name: a}\n---\n";
    for (index, (_, text)) in nested_documents(DEPTH).into_iter().enumerate() {
        let name = format!("nested-{index}.yaml");
        write_file(lab, &name, &text);
        for command in [&["images", "-f", &name][..], &["rewrite", "-f", &name]] {
            let refused = plugin(lab, 2, command);
            assert_eq!(refused.stdout, "");
            assert_stderr_contains(&refused, &[&format!("error: {name}: document 1: {TOO_DEEP} at line 1")]);
        }
        if !text.starts_with('{') {
            write_file(lab, &name, &format!("{document}{text}"));
            assert_stderr_contains(
                &plugin(lab, 2, &["images", "-f", &name]),
                &[&format!("{name}: document 2: {TOO_DEEP} at line 4")],
            );
        }
        let mut command = lab.plugin_command().expect("the plugin");
        command
            .args(["images", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
        let refused = Output::from(child.wait_with_output().expect("it ends"));
        assert_eq!(refused.code, Some(2), "{}", refused.stderr);
        assert_stderr_contains(&refused, &[TOO_DEEP]);

        let json_only = text.starts_with(['{', '[']) && !text.starts_with("{a") && !text.starts_with("{kind");
        let artifacts: [&[&str]; 3] = [
            &["sync-images", "--no-rewrite", "--dry-run", "--no-discover", "--inventory"],
            &["sync-images", "--no-rewrite", "--yes", "--no-discover", "--plan"],
            &["sync-images", "--no-mirror", "--dry-run", "--lock"],
        ];
        for artifact in artifacts.iter().filter(|_| json_only) {
            let artifact_name = format!("artifact-{index}.json");
            write_file(lab, &artifact_name, &text);
            let refused = plugin(lab, 2, &[artifact, &[artifact_name.as_str()][..]].concat());
            assert_stderr_contains(&refused, &[&format!("error: {artifact_name} is {TOO_DEEP} at line 1")]);
        }
        let knowledge = plugin(lab, 2, &["images", "--knowledge", &name]);
        assert_stderr_contains(&knowledge, &[&format!("error: --knowledge {name}: "), TOO_DEEP]);
    }
}

#[test]
fn files_of_two_hundred_levels_and_large_lists_are_read() {
    let lab = shared_lab();
    let pod = "{\"kind\": \"Pod\", \"metadata\": {\"name\": \"p\"}, \"spec\": {\"containers\": [{\"name\": \"a\", \"image\": \"ghcr.io/castai/deep:v1\"}]}, \"deep\": ";
    for (name, open, inner, close) in
        [("deep.json", "[", "1", "]"), ("deep.yaml", "{a: ", "1", "}"), ("block.yaml", "- ", "1", "")]
    {
        let deep = format!("{}{inner}{}", open.repeat(199), close.repeat(199));
        let text = match name {
            "block.yaml" => format!(
                "kind: Pod\nmetadata: {{name: p}}\nspec: {{containers: [{{name: a, image: ghcr.io/castai/deep:v1}}]}}\ndeep:\n- {deep}\n"
            ),
            _ => format!("{pod}{deep}}}"),
        };
        write_file(lab, name, &text);
        let images = plugin(lab, 0, &["images", "-f", name]);
        assert!(images.stdout.contains("ghcr.io/castai/deep:v1"), "{name}: {}", images.stdout);
    }
    let variables = "        - name: SOME_VARIABLE\n          value: \"some value\"\n".repeat(38);
    let item = format!(
        "- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {{name: a}}\n  spec:\n    template:\n      spec:\n        containers:\n        - name: a\n          image: ghcr.io/castai/deep:v1\n          env:\n{variables}"
    );
    write_file(lab, "list.yaml", &format!("kind: List\nitems:\n{}", item.repeat(3_000)));
    let images = plugin(lab, 0, &["images", "-f", "list.yaml"]);
    assert!(images.stdout.contains("ghcr.io/castai/deep:v1"), "{}", images.stdout);
}

/// A release document, compressed as Helm does.
fn packed(text: &str) -> String {
    let packed = pack_release(text);
    assert!(packed.len() < 10_000, "{}", packed.len());
    packed
}
