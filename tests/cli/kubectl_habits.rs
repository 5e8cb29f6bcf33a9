//! What users of kubectl expect of every command: names, namespaces, headers, verbosity, help, output that can fail.

use std::process::Command;

use lab::host::{Lab, Output};

use crate::harness::{assert_stderr_contains, kubectl, own_lab, plugin, shared_lab, sync};

/// Every command that reads the cluster, without changing anything.
const READING: [&[&str]; 5] =
    [&["images"], &["sync-images", "--dry-run"], &["status"], &["rollback", "--dry-run"], &["preflight"]];

#[test]
fn rollback_takes_workloads_as_kubectl_does() {
    let lab = own_lab();
    sync(&lab, 0, &["--wait=false"]);
    let named = |words: &[&str]| {
        let output = plugin(&lab, 0, &[&["rollback", "--dry-run", "-o", "name"], words].concat());
        output.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (agent, controller) = ("deployment.apps/castai-agent", "deployment.apps/castai-kvisor-controller");
    for words in [
        &["deploy", "castai-agent"][..],
        &["deploy/castai-agent"],
        &["deployment", "castai-agent"],
        &["deployments.apps", "castai-agent"],
        &["Deployment.v1.apps/castai-agent"],
        &["deploy,ds", "castai-agent", "-l", "app.kubernetes.io/name=castai-agent"],
    ] {
        if words[0] == "deploy,ds" {
            // kubectl fails if one of the types has no such object.
            let output = plugin(&lab, 1, &[&["rollback", "--dry-run", "-o", "name"], words].concat());
            assert_eq!(output.stdout, format!("{agent}\n"));
            assert_stderr_contains(&output, &["daemonset.apps/castai-agent"]);
            continue;
        }
        assert_eq!(named(words), [agent], "{words:?}");
    }
    for words in [
        &["deploy", "castai-agent", "castai-kvisor-controller"][..],
        &["deploy/castai-agent", "deployments/castai-kvisor-controller"],
        &["deploy"],
    ] {
        assert_eq!(named(words), [agent, controller], "{words:?}");
    }
    let unknown = plugin(&lab, 2, &["rollback", "castai-agent"]);
    assert_stderr_contains(&unknown, &["unsupported resource type \"castai-agent\"", "TYPE/NAME"]);
}

#[test]
fn a_namespace_that_does_not_exist_is_named() {
    let lab = shared_lab();
    for command in READING {
        let output = plugin(lab, 2, &[command, &["-n", "nowhere"]].concat());
        assert_stderr_contains(&output, &["Error from server (NotFound): namespaces \"nowhere\" not found"]);
    }
    // One that exists is not confused with it.
    let empty = plugin(lab, 1, &["images", "-n", "default"]);
    assert_stderr_contains(&empty, &["no image of Cast AI found in namespace default"]);
}

#[test]
fn an_empty_namespace_means_that_of_the_context() {
    let lab = shared_lab();
    let default = plugin(lab, 1, &["images", "-n", ""]);
    assert_stderr_contains(&default, &["no image of Cast AI found in namespace default"]);
    let path = lab.folder().home().join("context-namespace.kubeconfig");
    std::fs::copy(lab.folder().kubeconfig(), &path).unwrap();
    let flag = format!("--kubeconfig={}", path.display());
    kubectl(lab, &["config", &flag, "set-context", "--current", "--namespace=castai-agent"]);
    let all = plugin(lab, 0, &["images", "-o", "name", &flag]).stdout;
    let own = plugin(lab, 0, &["images", "-o", "name", &flag, "--namespace="]).stdout;
    assert!(own.contains("castai-hub/library/agent") && all.contains("castai-hub/library/agent"), "{own}");
}

#[test]
fn tables_have_no_headers_if_the_user_wants_none() {
    let lab = shared_lab();
    for (command, code, header) in [
        (&["images"][..], 0, "IMAGE "),
        (&["sync-images", "--dry-run"], 0, "NAMESPACE "),
        (&["status"], 1, "NAMESPACE "),
        (&["preflight"], 0, "RESULT "),
        (&["permissions"], 0, "RESOURCES "),
    ] {
        let with = plugin(lab, code, command).stdout;
        let without = plugin(lab, code, &[command, &["--no-headers"]].concat()).stdout;
        assert!(with.contains(header), "{command:?}: {with}");
        assert!(!without.contains(header), "{command:?}: {without}");
    }
}

#[test]
fn requests_are_shown_from_level_6_on_without_secrets() {
    let lab = own_lab();
    let words = ["sync-images", "--yes", "--wait=false"];
    let verbose = plugin(&lab, 0, &[&words[..], &["-v=6"]].concat()).stderr;
    for part in [
        ".eks.amazonaws.com/api/v1/nodes?",
        "PATCH https://",
        "GET https://ghcr.io/v2/",
        " 200 OK in ",
        "POST https://api.ecr.us-east-1.amazonaws.com/ GetAuthorizationToken 200 in ",
        "POST https://sts.us-east-1.amazonaws.com/ 200 in ",
    ] {
        assert!(verbose.contains(part), "`{part}`:\n{verbose}");
    }
    for secret in ["Signature", "Authorization:", "Bearer", "Basic ", "token=", "X-Goog"] {
        assert!(!verbose.contains(secret), "`{secret}`:\n{verbose}");
    }
    for level in [&["-v", "6"][..], &["--v=7"], &["-v6"]] {
        let again = plugin(&lab, 0, &[&words[..], level].concat()).stderr;
        assert!(again.contains("GET https://"), "{level:?}: {again}");
    }
    let quiet = plugin(&lab, 0, &[&words[..], &["-v"]].concat()).stderr;
    assert!(!quiet.contains("GET https://"), "{quiet}");
}

#[test]
fn help_shows_own_flags_first_and_options_the_global_ones() {
    let lab = shared_lab();
    let reference = "Use \"kubectl castai-privatelink options\" for a list of global command-line options";
    for command in [&["--help"][..], &["status", "--help"], &["values", "helm", "-h"]] {
        let help = plugin(lab, 0, command).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(reference) && !help.contains("--kubeconfig"), "{help}");
    }
    let options = plugin(lab, 0, &["options"]).stdout;
    assert!(options.starts_with("The following options can be passed to any command:\n"), "{options}");
    for flag in
        ["--kubeconfig", "-n, --namespace", "--request-timeout", "--no-headers", "--progress", "-v, --v"]
    {
        assert!(options.contains(flag), "{flag}: {options}");
    }
}

/// Runs a shell line in which `plugin` is the binary itself: kubectl opens /dev/null for streams that are closed.
fn shell(lab: &Lab, line: &str) -> Output {
    let mut command: Command = lab.command("bash");
    let script = format!("set -o pipefail; plugin() {{ kubectl-castai_privatelink \"$@\"; }}; {line}");
    Output::from(command.args(["-c", &script]).output().unwrap())
}

#[test]
fn a_result_that_cannot_be_written_is_an_error() {
    let lab = shared_lab();
    for command in
        ["images", "images -o json", "images -o name", "status", "version", "options", "--help", "man"]
    {
        let full = shell(lab, &format!("plugin {command} > /dev/full"));
        assert_eq!(full.code, Some(2), "{command}: {}", full.stderr);
        assert_stderr_contains(&full, &["error: writing the result: No space left on device"]);
        let closed = shell(lab, &format!("plugin {command} >&-"));
        assert_eq!(closed.code, Some(2), "{command}: {}", closed.stderr);
        assert_stderr_contains(&closed, &["error: standard output is closed"]);
    }
    // A reader that has seen enough is no error, and neither is a reader of nothing.
    let head = shell(lab, "plugin images --explain | head -1");
    let is_silent = head.stderr.lines().all(|line| line.starts_with("warning: Helm releases "));
    assert!(head.code == Some(0) && is_silent, "{}{}", head.stdout, head.stderr);
    assert_eq!(shell(lab, "plugin images > /dev/null").code, Some(0));
}

#[test]
fn nothing_is_changed_if_standard_output_is_closed() {
    let lab = own_lab();
    let closed = shell(&lab, "plugin sync-images --yes >&-");
    assert_eq!(closed.code, Some(2), "{}", closed.stderr);
    assert!(crate::harness::mirrored_tags(&lab).is_empty());
}

#[test]
fn progress_is_shown_as_the_user_wants_it() {
    let lab = own_lab();
    let none = sync(&lab, 0, &["--progress=none", "--no-rewrite"]);
    assert!(!none.stderr.contains("copying") && !none.stderr.contains("copied "), "{}", none.stderr);
    assert!(none.stdout.contains("copied"), "the result is printed: {}", none.stdout);
    let lab = own_lab();
    for mode in ["plain", "bar"] {
        let pipe = sync(&lab, 0, &["--no-rewrite", &format!("--progress={mode}")]);
        assert!(mode == "bar" || pipe.stderr.contains("copied "), "{mode}: {}", pipe.stderr);
        assert!(!pipe.stderr.contains('\u{1b}'), "{mode}: {}", pipe.stderr);
    }
}
