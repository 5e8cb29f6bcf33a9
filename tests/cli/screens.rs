//! What users see, as snapshots: tables, plans, questions, progress and errors, in a pipe and on terminals of 80 and 120
//! columns, and the JSON documents. `INSTA_UPDATE=always cargo test --test cli screens` writes them anew: read the
//! difference before it is committed.

mod terminal;

use lab::host::{Lab, Output};
use serde_json::Value;

use self::terminal::{LIMITS, Terminal};
use crate::harness::{QUICK, empty_lab, kubectl, own_lab, parse_json, plugin, shared_lab};

/// What differs from run to run.
const CHANGING: [(&str, &str); 7] = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<TIME>"),
    // Names of pods: the hash of a template, and a suffix.
    (r"(-[0-9a-f]{8,10})-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<POD>"),
    (r"port \d{5}", "port <PORT>"),
    (r"/[^ ]*/lab[-.][^/ ]*/", "<LAB>/"),
    (r"pid \d+", "pid <PID>"),
    (r"\b\d+ ms\b", "<DURATION>"),
    (r"about \d+ requests", "about <COUNT> requests"),
];

fn settings(name: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("screens/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(name);
    for (pattern, word) in CHANGING {
        settings.add_filter(pattern, word);
    }
    settings
}

/// Compares what a command printed in a pipe, both streams and the exit code, with the snapshot `name`.
#[track_caller]
fn in_a_pipe(lab: &Lab, name: &str, code: i32, arguments: &[&str]) -> Output {
    let output = plugin(lab, code, arguments);
    let stderr = match in_steady_order(&output.stderr) {
        lines if lines.is_empty() => String::new(),
        lines => format!("--- stderr\n{lines}"),
    };
    let command = arguments.join(" ");
    let text =
        format!("$ kubectl castai-privatelink {command}\n{}{stderr}--- exit code {code}\n", output.stdout);
    settings("in a pipe").bind(|| insta::assert_snapshot!(format!("{name}-pipe"), text));
    output
}

/// Images are copied side by side, and broken components roll out so: whichever is done first is said first.
fn in_steady_order(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for is_one in [is_copied, is_rolled_out] {
        let mut sorted: Vec<&str> = lines.iter().copied().filter(|line| is_one(line)).collect();
        sorted.sort_unstable();
        let places = lines.iter_mut().filter(|line| is_one(line));
        places.zip(sorted).for_each(|(place, line)| *place = line);
    }
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

fn is_copied(line: &str) -> bool {
    line.starts_with("copied ")
}

fn is_rolled_out(line: &str) -> bool {
    line.ends_with(" successfully rolled out")
}

/// Compares what terminals of each width show of a command with snapshots.
#[track_caller]
fn on_terminals(lab: &Lab, name: &str, arguments: &[&str], answer: &str) {
    for columns in LIMITS {
        let screen = Terminal { columns }.show(lab, arguments, answer);
        let text = format!("$ kubectl castai-privatelink {}\n{screen}", arguments.join(" "));
        settings("on a terminal").bind(|| insta::assert_snapshot!(format!("{name}-{columns}"), text));
    }
}

/// Compares a document with its snapshot; times and what follows from a build are left out.
#[track_caller]
fn document(name: &str, mut value: Value) {
    steady(&mut value);
    settings("as JSON").bind(|| insta::assert_json_snapshot!(format!("{name}-json"), value));
}

fn steady(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if ["created", "verified", "at", "time", "milliseconds"].contains(&name.as_str()) {
                    *member = "<TIME>".into();
                }
                steady(member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(steady),
        _ => {}
    }
}

#[test]
fn screens_of_a_cluster_as_it_was_installed() {
    let lab = shared_lab();
    for (name, code, arguments) in [
        ("images", 0, &["images"][..]),
        ("images-explain", 0, &["images", "--explain"]),
        ("images-wide", 0, &["images", "-o", "wide"]),
        ("images-name", 0, &["images", "-o", "name"]),
        ("sync-dry-run", 0, &["sync-images", "--dry-run"]),
        ("sync-dry-run-wide", 0, &["sync-images", "--dry-run", "-o", "wide"]),
        ("rollback-nothing", 0, &["rollback"]),
        ("preflight", 0, &["preflight"]),
        ("permissions", 0, &["permissions"]),
        ("permissions-rbac", 0, &["permissions", "rbac"]),
        ("permissions-iam", 0, &["permissions", "iam"]),
        ("values-policy", 0, &["values", "policy", "--extent=prefixes"]),
        ("values-kustomize", 0, &["values", "kustomize"]),
    ] {
        in_a_pipe(lab, name, code, arguments);
    }
    for (name, arguments) in [
        ("images", &["images"][..]),
        ("images-explain", &["images", "--explain"]),
        ("sync-dry-run", &["sync-images", "--dry-run"]),
        ("preflight", &["preflight"]),
        ("permissions", &["permissions"]),
    ] {
        on_terminals(lab, name, arguments, "");
    }
    on_terminals(lab, "sync-question", &["sync-images"], "n\n");
    document("images", parse_json(&plugin(lab, 0, &["images", "-o", "json"])));
    document("plan", parse_json(&plugin(lab, 0, &["sync-images", "--dry-run", "-o", "json"])));
    document("preflight", parse_json(&plugin(lab, 0, &["preflight", "-o", "json"])));
}

#[test]
fn screens_of_the_main_job_and_of_its_way_back() {
    let lab = own_lab();
    // One after the other, so that lines come in the same order each time.
    in_a_pipe(&lab, "sync", 0, &["sync-images", "--yes", "--jobs=1"]);
    in_a_pipe(&lab, "sync-again", 0, &["sync-images", "--yes"]);
    in_a_pipe(&lab, "status-after", 0, &["status"]);
    in_a_pipe(&lab, "values-helm-no-release", 2, &["values", "helm"]);
    on_terminals(&lab, "status-after", &["status"], "");
    document("report", parse_json(&plugin(&lab, 0, &["sync-images", "--yes", "-o", "json"])));
    document("status-after", parse_json(&plugin(&lab, 0, &["status", "-o", "json"])));
    kubectl(
        &lab,
        &["set", "image", "-n", "castai-agent", "cronjob/hibernate-pause", "pauser=castai/hibernate:v0.14"],
    );
    in_a_pipe(&lab, "status-reverted", 1, &["status"]);
    in_a_pipe(&lab, "rollback-dry-run", 0, &["rollback", "--dry-run"]);
    on_terminals(&lab, "rollback-question", &["rollback"], "n\n");
}

#[test]
fn screens_of_what_goes_wrong() {
    let lab = shared_lab();
    for (name, code, arguments) in [
        ("no-command", 2, &[][..]),
        ("unknown-flag", 2, &["sync-images", "--registri", "x"]),
        ("bad-map", 2, &["sync-images", "--map", "one"]),
        ("no-such-context", 2, &["images", "--context", "gone"]),
        ("no-such-file", 2, &["images", "-f", "gone.yaml"]),
        ("nothing-to-work-on", 2, &["sync-images", "--no-discover"]),
        ("no-terminal", 2, &["sync-images"]),
        ("nothing-found", 1, &["images", "-n", "shop"]),
        ("unreachable", 2, &["images", "--server=https://10.255.255.1", "--request-timeout=1s"]),
        ("help", 0, &["--help"]),
        ("sync-help", 0, &["sync-images", "--help"]),
    ] {
        in_a_pipe(lab, name, code, arguments);
    }
    let empty = empty_lab();
    in_a_pipe(&empty, "empty-cluster", 1, &["sync-images", "--yes"]);
    let access = serde_json::json!({"credentials": "expired"});
    empty.control().put("/ecr/access", &access).unwrap();
    in_a_pipe(&empty, "empty-cluster-status", 1, &[&["status"], QUICK].concat());
}
