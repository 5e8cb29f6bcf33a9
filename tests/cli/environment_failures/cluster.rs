//! The cluster cannot be reached, or denies access.

use lab::address::{API_SERVER, API_SERVER_HOST, REFUSING, SILENT};

use super::{AGENT, ALL, assert_rewritten};
use crate::harness::{
    assert_stderr_contains, grant_access, kubeconfig_flag, mirrored_tags, own_lab, parse_json, plugin,
    shared_lab, snapshot_output, sync, workload_specs,
};

#[test]
fn unreachable_clusters_fail_with_kubectls_message() {
    let lab = shared_lab();
    let (refusing, silent) = (format!("https://{REFUSING}"), format!("https://{SILENT}"));
    let cases: &[(&[&str], &[&str])] = &[
        (&["--kubeconfig=/absent"], &["/absent", "no such file"]),
        (&["--context=absent"], &["context \"absent\" does not exist", "hint:", "cluster/demo"]),
        (&["--server", &refusing], &["server 10.0.251.1 was refused"]),
        (&["--server", &silent, "--request-timeout=1s"], &["timed out", "https://10.0.250.1", "VPN"]),
        (&["--server=https://absent.example"], &["Unable to connect to the server", "lookup"]),
    ];
    for (flags, words) in cases {
        assert_stderr_contains(&plugin(lab, 2, &[&["sync-images", "--yes"], *flags].concat()), words);
    }
    let mut command = lab.plugin_command().unwrap();
    let output = command.args(["sync-images", "--yes"]).env("KUBECONFIG", "/absent").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("no cluster is configured") && said.contains("aws eks update-kubeconfig"),
        "{said}"
    );
}

#[test]
fn a_missing_credential_plugin_is_named_with_its_install_hint() {
    let lab = shared_lab();
    let kubeconfig = std::fs::read_to_string(lab.folder().kubeconfig()).unwrap();
    let (head, _) = kubeconfig.split_once("    client-certificate-data:").unwrap();
    let exec = "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: aws\n      \
                args: [eks, get-token]\n";
    let path = lab.folder().home().join("exec.kubeconfig");
    std::fs::write(&path, format!("{head}{exec}")).unwrap();
    let output = plugin(lab, 2, &["sync-images", "--yes", "--kubeconfig", path.to_str().unwrap()]);
    assert_stderr_contains(&output, &["executable aws not found", "hint:", "install the AWS CLI"]);
}

#[test]
fn a_credential_plugin_that_fails_or_prints_invalid_output_is_named() {
    let lab = shared_lab();
    let kubeconfig = std::fs::read_to_string(lab.folder().kubeconfig()).unwrap();
    let (head, _) = kubeconfig.split_once("    client-certificate-data:").unwrap();
    let program = lab.folder().home().join("credentials");
    let exec = format!(
        "    exec:\n      apiVersion: client.authentication.k8s.io/v1beta1\n      command: {}\n      \
         args: [get-token, --client-secret=s3cret]\n",
        program.display()
    );
    let path = lab.folder().home().join("failing.kubeconfig");
    std::fs::write(&path, format!("{head}{exec}")).unwrap();
    let credential = |status: &str| {
        let api = "client.authentication.k8s.io/v1beta1";
        format!(r#"echo '{{"apiVersion":"{api}","kind":"ExecCredential"{status}}}'"#)
    };
    let fails = "echo 'Error loading SSO Token: Token for corp does not exist' >&2; exit 255".to_owned();
    let cases: [(String, &[&str]); 6] = [
        (
            fails,
            &[
                "Token for corp does not exist",
                "failed with exit status: 255",
                "kubectl config view --minify",
            ],
        ),
        ("echo '<html>hello'".to_owned(), &["printed no ExecCredential", "kubectl config view --minify"]),
        ("exit 0".to_owned(), &["printed no ExecCredential", "kubectl config view --minify"]),
        (credential(""), &["printed no ExecCredential"]),
        (
            credential(r#","status":{}"#),
            &["printed neither a token nor a certificate with its key", "log in again"],
        ),
        (credential(r#","status":{"token":"old"}"#), &["You must be logged in", "(Unauthorized)", "expired"]),
    ];
    for (script, words) in cases {
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, executable).unwrap();
        let flag = format!("--kubeconfig={}", path.display());
        let output = plugin(lab, 2, &["sync-images", "--yes", &flag]);
        assert_stderr_contains(&output, words);
        assert!(!output.stderr.contains("s3cret") && output.stderr.lines().count() <= 3, "{}", output.stderr);
    }
}

/// Images of kinds that cannot be listed are not mirrored, so the run does not succeed.
#[test]
fn a_kind_that_cannot_be_listed_makes_the_result_incomplete() {
    let lab = own_lab();
    let before = workload_specs(&lab);
    let kubeconfig = grant_access(&lab, "some", "get,list,patch", "deployments.apps,cronjobs.batch,nodes");
    let incomplete = ["error: incomplete: cannot list", "daemonsets.apps", "permissions rbac"];
    let inventory = lab.folder().home().join("inventory.json");
    let inventory = inventory.to_str().unwrap();
    let found = sync(&lab, 1, &[&kubeconfig, "--no-mirror", "--no-rewrite", "--inventory", inventory]);
    assert_stderr_contains(&found, &incomplete);
    assert_stderr_contains(&sync(&lab, 1, &[&kubeconfig, "--dry-run"]), &incomplete);
    // Everything else is done. The second run changes nothing, but does not report success.
    assert_stderr_contains(&sync(&lab, 1, &[&kubeconfig]), &incomplete);
    assert_rewritten(&before, &lab, &ALL.map(|name| if name == super::NODE_AGENT { AGENT } else { name }));
    let again = sync(&lab, 1, &[&kubeconfig]);
    assert_stderr_contains(&again, &incomplete);
    assert!(!again.stdout.starts_with("up to date"), "{}", again.stdout);
    let report = parse_json(&sync(&lab, 1, &[&kubeconfig, "-o", "json"]));
    assert!(report["unlisted"].as_array().unwrap().iter().any(|kind| kind == "daemonsets.apps"), "{report}");
    // The inventory file contains the error for machines that do not reach the cluster.
    let elsewhere = ["--no-discover", "--inventory", inventory, "--no-rewrite"];
    assert_stderr_contains(&sync(&lab, 1, &elsewhere), &incomplete);
    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}

#[test]
fn each_missing_permission_is_named_and_all_else_is_done() {
    let lab = own_lab();
    let before = workload_specs(&lab);

    let nobody = sync(&lab, 2, &[&kubeconfig_flag(&lab, "nobody")]);
    snapshot_output("forbidden-cluster", "sync-images --yes", &nobody);
    assert_stderr_contains(&nobody, &["(Forbidden)", "\"nobody\"", "\"deployments\""]);

    // Only Deployments can be listed, and not patched.
    let reader = sync(&lab, 1, &[&grant_access(&lab, "reader", "get,list", "deployments.apps,nodes")]);
    snapshot_output("forbidden-lists", "sync-images --yes", &reader);
    assert_stderr_contains(
        &reader,
        &[
            "daemonsets.apps",
            "cronjobs.batch",
            "castai-agent not updated (deployment.apps/castai-agent, deployment.apps/castai-kvisor-controller): Error from server (Forbidden)",
            "cannot patch",
        ],
    );
    assert_rewritten(&before, &lab, &[]);
    assert!(
        mirrored_tags(&lab).contains("us-docker.pkg.dev/castai-hub/library/agent:v0.161.1"),
        "images were copied"
    );
    assert!(!mirrored_tags(&lab).contains("castai/hibernate:v0.14"), "the image was not found");

    // Without nodes, an ARN and the host name of an EKS API server, the region is unknown.
    grant_access(&lab, "placeless", "get,list", "deployments.apps");
    let path = lab.kubeconfig_for("placeless", None).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let (server, address) = (format!("https://{API_SERVER_HOST}"), format!("https://{API_SERVER}"));
    let text = text.replace(&server, &format!("{address}\n    tls-server-name: {API_SERVER_HOST}"));
    std::fs::write(&path, text.replace(&lab::kubeconfig::cluster_arn(), "demo")).unwrap();
    let placeless = sync(&lab, 2, &[&format!("--kubeconfig={}", path.display())]);
    snapshot_output("unknown-region", "sync-images --yes", &placeless);
    assert_stderr_contains(&placeless, &["region", "--region", "--registry"]);

    sync(&lab, 0, &[]);
    assert_rewritten(&before, &lab, &ALL);
}
