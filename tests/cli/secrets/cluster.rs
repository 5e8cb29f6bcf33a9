//! Secrets in the cluster, and credentials for it.

use lab::host::Lab;

use super::SECRET;
use crate::harness::{apply, assert_stderr_contains, own_lab, plugin, release_secret, shared_lab};

/// A failed Helm release in the agent's namespace; `release` is the content of its Secret, before Base64.
fn release(lab: &Lab, name: &str, release: &str) {
    apply(lab, &release_secret("castai-agent", name, 1, "failed", release));
}

fn encoded(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[test]
fn no_value_of_a_failed_release_is_shown() {
    let lab = own_lab();
    let with = |rest: &str| {
        encoded(&format!(
            r#"{{"chart": {{"metadata": {{"name": "castai-agent", "version": "1.0.0"}}}}, {rest}}}"#
        ))
    };
    let manifest = |manifest: &str| {
        with(&format!(
            r#""config": {{"apiKey": "s3cret"}}, "manifest": {}"#,
            serde_json::Value::from(manifest)
        ))
    };
    let cases = [
        ("not-base64", "s3cret!".to_owned(), "invalid Base64"),
        ("not-json", encoded("apiKey: s3cret"), "expected value at line 1 column 1"),
        ("cut", encoded(r#"{"config": {"apiKey": "s3cret"#), "EOF while parsing a string"),
        ("hooks", with(r#""hooks": "s3cret", "config": {"apiKey": "s3cret"}"#), "expected a list at line 1"),
        ("chart", encoded(r#"{"chart": "s3cret"}"#), "expected an object at line 1"),
        ("yaml", manifest("kind: Secret\nstringData: {key: s3cret\n"), "line "),
        ("tab", manifest("kind: Secret\nstringData:\n  key: s3cret\n\tother: s3cret\n"), "document 1: "),
        (
            "alias",
            manifest("kind: Secret\nstringData: {key: *s3cret}\n"),
            "an alias without an anchor at line 2",
        ),
        (
            "type",
            manifest(
                "kind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: s3cret}}}\n",
            ),
            "Deployment/d: spec.template.spec.containers: expected a list",
        ),
        (
            "env",
            manifest(
                "kind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, env: [{name: KEY, value: [s3cret]}]}]}\n",
            ),
            "Pod/p: spec.containers[0].env[0].value: expected a string",
        ),
    ];
    for (name, text, _) in &cases {
        release(&lab, name, text);
    }
    for arguments in [
        &["images"][..],
        &["sync-images", "--dry-run=client"],
        &["values", "helm"],
        &["images", "-o", "json"],
    ] {
        let output = lab.plugin(arguments).unwrap();
        for text in [&output.stdout, &output.stderr] {
            assert!(!text.contains(SECRET) && !text.contains("panicked"), "{arguments:?}: {text}");
        }
    }
    let output = plugin(&lab, 0, &["images"]);
    for (name, _, words) in &cases {
        let of = format!("Helm release {name} in namespace castai-agent");
        let line = output.stderr.lines().find(|line| line.contains(&of));
        assert!(line.is_some_and(|line| line.contains(words)), "{name} ({words}): {}", output.stderr);
    }
}

#[test]
fn whitespace_around_a_token_is_ignored() {
    let lab = shared_lab();
    let token = lab.kubectl(&["create", "token", "default", "-n", "default"]).unwrap();
    assert_eq!(token.code, Some(0), "{}", token.stderr);
    let file = lab.folder().home().join("token-file");
    std::fs::write(&file, format!("\n{}\n\n", token.stdout.trim())).unwrap();
    let kubeconfig = std::fs::read_to_string(lab.folder().kubeconfig()).unwrap();
    let (head, _) = kubeconfig.split_once("    client-certificate-data:").unwrap();
    let path = lab.folder().home().join("token.kubeconfig");
    let flag = format!("--kubeconfig={}", path.display());
    let known = ["(Forbidden)", "User \"system:serviceaccount:default:default\" cannot list"];
    let version = "apiVersion: client.authentication.k8s.io/v1";
    let printed = format!("{{{version}, status: {{token: \"{}\"}}}}", token.stdout.trim());
    for user in [
        // A relative path starts at the folder of the kubeconfig.
        "    tokenFile: token-file\n".to_owned(),
        format!("    token: {}\n", token.stdout.trim()),
        format!("    exec: {{{version}, command: echo, args: ['{printed}']}}\n"),
    ] {
        std::fs::write(&path, format!("{head}{user}")).unwrap();
        assert_stderr_contains(&plugin(lab, 2, &["sync-images", "--dry-run=client", &flag]), &known);
    }
    // A flag overrides all other credentials of the user.
    let token = format!("--token={}", token.stdout.trim());
    std::fs::write(&path, format!("{head}    username: a\n    password: b\n")).unwrap();
    assert_stderr_contains(&plugin(lab, 2, &["sync-images", "--dry-run=client", &flag, &token]), &known);
    // The token is sent if there are no other credentials.
    std::fs::write(&path, format!("{head}    token: unknown\n")).unwrap();
    assert_stderr_contains(&plugin(lab, 2, &["sync-images", "--dry-run=client", &flag]), &["(Unauthorized)"]);
}
