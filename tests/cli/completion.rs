//! Completion as kubectl and shells call it, and the link by which kubectl finds it.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lab::host::{Lab, Output, tools};
use serde_json::json;

use crate::harness::{
    add_fault, assert_stderr_contains, eventually, kubeconfig_flag, own_lab, plugin, shared_lab, traffic,
};

/// Through the front server that can be silenced.
const BY_FRONT: &str = "--server=http://127.0.0.1:8001";
const LINK: &str = "kubectl_complete-castai_privatelink";

/// The completions of kubectl after `kubectl castai-privatelink`: values, and the directive.
fn offered(lab: &Lab, line: &[&str]) -> (Vec<String>, String) {
    let output =
        in_path(lab, install_link(lab), "kubectl", &[&["__complete", "castai-privatelink"], line].concat());
    assert_eq!(output.code, Some(0), "{line:?}: {}", output.stderr);
    let mut values: Vec<_> = output.stdout.lines().map(str::to_owned).collect();
    let directive = values.pop().unwrap_or_default();
    (values.iter().map(|line| line.split('\t').next().unwrap().to_owned()).collect(), directive)
}

/// A folder with the plugin, and the link that `completion install` makes there.
fn install_link(lab: &Lab) -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = lab.folder().home().join("linked");
        std::fs::create_dir_all(&folder).unwrap();
        symlink(tools::plugin().unwrap(), folder.join("kubectl-castai_privatelink")).unwrap();
        let output = in_path(lab, &folder, "kubectl", &["castai-privatelink", "completion", "install"]);
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        folder
    })
}

/// Runs a program with `folder` first in the PATH.
fn in_path(lab: &Lab, folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let line = format!("PATH={}:$PATH; exec \"$@\"", folder.display());
    lab.run("bash", &[&["-c", &line, "bash", program], arguments].concat()).unwrap()
}

#[test]
fn kubectl_completes_commands_flags_values_and_names() {
    let lab = shared_lab();
    let arn = lab::kubeconfig::cluster_arn();
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&["pre"], &["preflight"], ":4"),
        (&["--context", "x", "sync"], &["sync-images"], ":4"),
        (&["sync-images", "--no-r"], &["--no-rewrite"], ":4"),
        (&["sync-images", "-o", ""], &["table", "wide", "json", "yaml", "name"], ":4"),
        (&["sync-images", "--output=y"], &["yaml"], ":4"),
        (&["preflight", "--only", "CPL24"], &["CPL240", "CPL241"], ":4"),
        (&["--context", ""], &[&arn], ":4"),
        (&["version", "--context=arn:"], &[&arn], ":4"),
        (&["sync-images", "--cluster", "arn:aws:eks:us"], &[&arn], ":4"),
        (&["-n", "castai-a"], &["castai-agent"], ":4"),
        (&["sync-images", "--dry-run", "--namespace=castai-a"], &["castai-agent"], ":4"),
        (&["sync-images", "--lock", ""], &[], ":0"),
        (&["sync-images", "-f", "x"], &[], ":0"),
        (&["completion", "z"], &["zsh"], ":4"),
        (&["nothing-like-it", "--wai"], &[], ":4"),
    ];
    for (line, values, directive) in cases {
        let (found, told) = offered(lab, line);
        assert_eq!(
            (found.iter().map(String::as_str).collect::<Vec<_>>(), told.as_str()),
            (values.to_vec(), *directive),
            "{line:?}"
        );
    }
    let (users, _) = offered(lab, &["version", "--user", ""]);
    assert_eq!(users.len(), 1, "{users:?}");
    // Completion executes no command line.
    let (found, _) = offered(lab, &["sync-images", "--yes", "--no-rewrite", "--lock=made.json", "--t"]);
    assert_eq!(
        found.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        BTreeSet::from(["--timeout", "--tls-server-name", "--token"])
    );
    assert!(!lab.folder().home().join("made.json").exists());
}

#[test]
fn completion_is_empty_when_the_cluster_is_unreachable() {
    let lab = shared_lab();
    let kubeconfig = kubeconfig_flag(lab, "completing-nobody");
    assert_eq!(
        offered(lab, &[&kubeconfig, "-n", ""]),
        (vec![], ":4".to_owned()),
        "no permission to list them"
    );
    assert_eq!(offered(lab, &["--kubeconfig=/nowhere", "-n", ""]).1, ":4");
    assert_eq!(offered(lab, &["--kubeconfig=/nowhere", "--context", ""]), (vec![], ":4".to_owned()));
}

#[test]
fn completion_does_not_wait_for_a_silent_server() {
    let lab = own_lab();
    add_fault(&lab, "kubernetes", &json!({"action": {"kind": "silence"}}));
    let line = ["__complete", BY_FRONT, "--request-timeout=10m", "-n", ""];
    let mut run = lab.spawn_plugin(&line).unwrap();
    // The server never responds, and the flag allows a longer timeout than that of this test.
    eventually("completion times out", || run.try_wait().unwrap().is_some());
    let output = run.wait().unwrap();
    assert_eq!((output.code, output.stdout.as_str()), (Some(0), ":4\n"), "{}", output.stderr);
    let asked = traffic(&lab, "kubernetes");
    assert!(asked.iter().any(|record| record.path.starts_with("/api/v1/namespaces")), "{asked:?}");
}

/// Sources the script, as `~/.bashrc` does, and returns bash's completions for the line up to the cursor.
fn in_bash(lab: &Lab, line: &str) -> Vec<String> {
    let script = r#"
        PATH=$1:$PATH
        source <(kubectl castai-privatelink completion bash) || exit 3
        complete -p kubectl-castai_privatelink >/dev/null || exit 4
        COMP_LINE=$2 COMP_POINT=${#2}
        _kubectl_castai_privatelink
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let folder = install_link(lab);
    let output = lab.run("bash", &["-c", script, "bash", folder.to_str().unwrap(), line]).unwrap();
    assert_eq!(output.code, Some(0), "{line}: {}", output.stderr);
    output.stdout.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_the_binarys_own_name() {
    let lab = shared_lab();
    let arn = lab::kubeconfig::cluster_arn();
    let last = arn.rsplit(':').next().unwrap();
    std::fs::write(lab.folder().home().join("own file.yaml"), "").unwrap();
    let cases: &[(&str, &[&str])] = &[
        ("kubectl-castai_privatelink pre", &["preflight"]),
        ("kubectl-castai_privatelink version -o ", &["json", "yaml"]),
        // Readline keeps the text before `=` and `:`.
        ("kubectl-castai_privatelink version --output=j", &["json"]),
        ("kubectl-castai_privatelink --context ", &[&arn]),
        ("kubectl-castai_privatelink --context=arn:aws:e", &[arn.strip_prefix("arn:aws:").unwrap()]),
        ("kubectl-castai_privatelink --context arn:aws:eks:us-east-1:123456789012:clu", &[last]),
        ("kubectl-castai_privatelink sync-images -f own", &["own file.yaml"]),
        ("kubectl-castai_privatelink sync-images --lock=own", &["own file.yaml"]),
        ("kubectl-castai_privatelink sync-images --registry ", &[]),
    ];
    for (line, expected) in cases {
        assert_eq!(in_bash(lab, line), *expected, "{line}");
    }
}

#[test]
fn every_shell_has_a_script_and_install_instructions() {
    let lab = shared_lab();
    for (shell, words, place) in [
        ("bash", "complete -F", "~/.bashrc"),
        ("zsh", "compdef", "~/.zshrc"),
        ("fish", "complete -c kubectl-castai_privatelink", "~/.config/fish/completions"),
        ("powershell", "Register-ArgumentCompleter", "$PROFILE"),
    ] {
        let script = plugin(lab, 0, &["completion", shell]).stdout;
        assert!(script.contains(words) && script.contains("__complete"), "{script}");
        let help = plugin(lab, 0, &["completion", shell, "--help"]).stdout;
        assert!(help.contains(place), "{help}");
    }
}

#[test]
fn the_link_is_created_once_in_krews_directory_and_removed() {
    let lab = shared_lab();
    // The layout of krew: the plugin is found through a link, and is in a folder with its version.
    let (bin, store) = (lab.folder().home().join("krew/bin"), lab.folder().home().join("krew/store/v1"));
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(&store).unwrap();
    std::fs::copy(tools::plugin().unwrap(), store.join("kubectl-castai_privatelink")).unwrap();
    symlink("../store/v1/kubectl-castai_privatelink", bin.join("kubectl-castai_privatelink")).unwrap();
    let link = bin.join(LINK);
    let run = |arguments: &[&str]| {
        in_path(lab, &bin, "kubectl", &[&["castai-privatelink", "completion"], arguments].concat())
    };
    let ends = |output: &Output, code: i32, words: &str| {
        assert_eq!(output.code, Some(code), "{}{}", output.stdout, output.stderr);
        assert!(
            format!("{}{}", output.stdout, output.stderr).contains(words),
            "{}{}",
            output.stdout,
            output.stderr
        );
    };
    ends(&run(&["install", "--dry-run"]), 0, "created (dry run)");
    assert!(!link.is_symlink());
    ends(&run(&["uninstall"]), 0, "not found");
    ends(&run(&["install"]), 0, "created");
    assert_eq!(std::fs::read_link(&link).unwrap().to_str(), Some("kubectl-castai_privatelink"));
    ends(&run(&["install"]), 0, "unchanged");
    assert!(!store.join(LINK).is_symlink(), "an upgrade would remove it");
    // An upgrade changes krew's link to another folder, and our link still works.
    assert_eq!(
        link.canonicalize().unwrap(),
        store.join("kubectl-castai_privatelink").canonicalize().unwrap()
    );
    ends(&run(&["uninstall", "--dry-run"]), 0, "removed (dry run)");
    ends(&run(&["uninstall"]), 0, "removed");
    assert!(!link.is_symlink() && bin.join("kubectl-castai_privatelink").exists());

    std::fs::write(&link, "somebody else's").unwrap();
    let refused = run(&["install"]);
    ends(&refused, 2, "exists and is not the link of this plugin");
    assert_stderr_contains(&refused, &["hint: remove it first"]);
    ends(&run(&["uninstall"]), 2, "is not the link of this plugin");
    assert_eq!(std::fs::read_to_string(&link).unwrap(), "somebody else's");

    // A folder that is not writable, even if the tests run as root.
    std::fs::remove_file(&link).unwrap();
    let script = format!(
        "mount --bind {0} {0} && mount -o remount,bind,ro {0} && PATH={0}:$PATH && kubectl castai-privatelink completion install",
        bin.display()
    );
    let output = lab.run("unshare", &["--mount", "bash", "-c", &script]).unwrap();
    ends(&output, 2, "error: cannot make ");
    assert_stderr_contains(&output, &["hint: run this again as a user who can write to that directory"]);
}
