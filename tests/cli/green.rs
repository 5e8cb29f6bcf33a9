//! Exit code 0 and a good last line mean that everything that was asked for was looked at and found good. Each row is
//! something that cannot be looked at, with the exit code, the last line and the field of the JSON document that say so.

mod denied_rights;
mod gitops;
mod malformed;
mod releases_and_files;

use lab::address;
use lab::dns::Behaviour;
use lab::host::{Lab, Output};
use serde_json::{Value, json};

use crate::harness::{
    QUICK, add_fault, clear_faults, complete_lab, complete_vpc, define_custom_resource, own_lab, sync,
    wait_until_ready,
};

/// Sends requests to the API server through a front that can refuse them.
const SERVER: &str = "--server=http://127.0.0.1:8001";

/// What cannot be looked at.
#[derive(Clone, Copy, Debug)]
enum Fault<'a> {
    Nothing,
    /// The API server forbids every request whose path contains this text.
    Forbidden(&'a str),
    /// ECR denies an action.
    Denied(&'a str),
    /// STS fails in this way.
    Sts(&'a str),
    /// ECR does not accept the credentials.
    Rejected,
    /// There are no AWS credentials.
    NoCredentials,
    /// A source does not respond.
    Silent(&'a str),
}

/// A fault, a command, its exit code, words of the last line, and a JSON pointer with a word that its value contains;
/// the pointer is empty where the command prints no JSON document.
type Row<'a> = (Fault<'a>, &'a str, i32, &'a [&'a str], (&'a str, &'a str));

impl Fault<'_> {
    fn set(self, lab: &Lab) {
        let control = lab.control();
        match self {
            Self::Nothing | Self::NoCredentials => {}
            Self::Forbidden(path) => {
                let body = json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
                    "message": format!("{path} is forbidden: User \"reader\" cannot list resource"),
                });
                let headers = json!({"Content-Type": "application/json"});
                let action =
                    json!({"kind": "status", "status": 403, "headers": headers, "body": body.to_string()});
                add_fault(lab, "kubernetes", &json!({"path": path, "action": action}));
            }
            Self::Denied(action) => {
                control.put("/ecr/access", &json!({"denied": [action]})).unwrap();
            }
            Self::Rejected => {
                control.put("/ecr/access", &json!({"credentials": "unrecognized"})).unwrap();
            }
            Self::Sts(fault) => {
                control.put("/aws/faults", &json!([{"service": "sts", "fault": fault}])).unwrap();
            }
            Self::Silent(host) => {
                add_fault(lab, "source", &json!({"host": host, "action": {"kind": "silence"}}));
            }
        }
    }

    fn clear(lab: &Lab) {
        clear_faults(lab);
        lab.control().put("/ecr/access", &json!({})).unwrap();
        lab.control().post("/aws/reset", &json!({})).unwrap();
        complete_vpc(lab);
    }
}

/// The last line on a terminal: messages follow the result.
fn last_line(output: &Output) -> &str {
    output.stderr.lines().last().or_else(|| output.stdout.lines().last()).unwrap_or_default()
}

/// Runs all rows, and returns what is wrong, so that one failure does not hide the others.
fn wrong(lab: &Lab, rows: &[Row<'_>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (fault, command, code, words, (pointer, value)) in rows {
        fault.set(lab);
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push(SERVER);
        if arguments[0] == "preflight" {
            // A busy machine is slow to respond.
            arguments.extend(["--probe-timeout=30s", "--metadata-timeout=30s"]);
        }
        let run = |arguments: &[&str]| match fault {
            Fault::NoCredentials => lab_without_aws(lab, arguments),
            _ => lab.plugin(arguments).unwrap(),
        };
        let output = run(&arguments);
        let last = last_line(&output);
        let is_named = words.iter().all(|words| last.contains(words));
        if output.code != Some(*code) || !is_named {
            wrong.push(format!(
                "{fault:?} {command}: {:?} instead of {code}, last line `{last}` without {words:?}\n{}{}",
                output.code, output.stdout, output.stderr
            ));
        }
        if !pointer.is_empty() {
            let document = run(&[&arguments[..], &["-o", "json"]].concat());
            let parsed: Value = serde_json::from_str(&document.stdout).unwrap_or_default();
            let found = parsed.pointer(pointer).map(ToString::to_string).unwrap_or_default();
            if document.code != Some(*code) || !found.contains(value) {
                wrong.push(format!(
                    "{fault:?} {command} -o json: {:?} instead of {code}, {pointer} is {found} without {value}\n{}",
                    document.code, document.stderr
                ));
            }
        }
        Fault::clear(lab);
    }
    wrong
}

fn lab_without_aws(lab: &Lab, arguments: &[&str]) -> Output {
    let mut command = lab.plugin_command().unwrap();
    command.args(arguments).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    Output::from(command.output().unwrap())
}

#[track_caller]
fn assert_all(lab: &Lab, rows: &[Row<'_>]) {
    let wrong = wrong(lab, rows);
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

const NONE: (&str, &str) = ("", "");
const UNVERIFIED: &str = "Private connectivity not verified; not checked: ";
const DAEMONSETS: Fault<'_> = Fault::Forbidden("/daemonsets");
const PODS: Fault<'_> = Fault::Forbidden("/pods");
const NODES: Fault<'_> = Fault::Forbidden("/nodes");
const SECRETS: Fault<'_> = Fault::Forbidden("/secrets");
const CONFIG_MAPS: Fault<'_> = Fault::Forbidden("/configmaps");
const COMPONENTS: Fault<'_> = Fault::Forbidden("/components");
const UNLISTED: &[&str] = &["incomplete: cannot list daemonsets.apps"];
const NO_PODS: &[&str] = &["incomplete: cannot list pods"];
const NO_COMPONENTS: &[&str] = &["incomplete: cannot list components.castware.cast.ai"];

const SILENT: &[&str] = &["incomplete: public tags not checked: 3 images: ghcr.io cannot be reached"];

/// Cast AI's operator is installed, so that its custom resources can be listed.
fn add_operator(lab: &Lab) {
    define_custom_resource(lab, "castware.cast.ai", "components", "Component", "Namespaced");
}

#[test]
fn preflight_is_green_only_if_everything_was_looked_at() {
    let lab = complete_lab();
    let good = ["privately reachable from this machine; not checked: pods"];
    let unread = "/notChecked";
    let rows: &[Row<'_>] = &[
        (Fault::Nothing, "preflight", 0, &good, ("/notCovered", "pods")),
        (DAEMONSETS, "preflight", 1, &[UNVERIFIED, "(CPL101"], (unread, "cannot list daemonsets.apps")),
        (PODS, "preflight", 1, &[UNVERIFIED, "(CPL101"], (unread, "cannot list pods")),
        (NODES, "preflight", 1, &[UNVERIFIED, "(CPL110"], (unread, "cannot list nodes")),
        (NODES, "preflight --here=inside --region=us-east-1", 0, &good, ("/notCovered", "pods")),
        (
            SECRETS,
            "preflight",
            1,
            &[UNVERIFIED, "(CPL103"],
            (unread, "secret/castai-hibernate in castai-agent: Forbidden"),
        ),
        (
            CONFIG_MAPS,
            "preflight",
            1,
            &[UNVERIFIED, "(CPL103"],
            (unread, "configmap/castai-agent-metadata in castai-agent: Forbidden"),
        ),
        (Fault::Forbidden("/"), "preflight", 1, &[UNVERIFIED, "(CPL101"], (unread, "CPL101")),
        (
            Fault::Nothing,
            "preflight --here=outside",
            1,
            &[UNVERIFIED, "(CPL110"],
            (unread, "set by --here=outside"),
        ),
        (Fault::Nothing, "preflight --only=CPL101", 0, &["The selected checks passed"], NONE),
        (NODES, "preflight --only=CPL240", 1, &[UNVERIFIED, "(CPL240"], (unread, "CPL240")),
        (
            Fault::NoCredentials,
            "preflight --here=inside",
            1,
            &[UNVERIFIED, "(CPL302"],
            (unread, "no AWS credentials"),
        ),
        (
            Fault::NoCredentials,
            "preflight --here=inside --only=CPL101,CPL240",
            0,
            &["The selected checks passed"],
            NONE,
        ),
        (Fault::Denied("ListImages"), "preflight", 1, &[UNVERIFIED, "(CPL303)"], (unread, "ecr:ListImages")),
        (Fault::Rejected, "preflight", 1, &["Not ready for PrivateLink: ECR of"], ("/counts/fail", "1")),
    ];
    assert_all(&lab, rows);
}

#[test]
fn one_cause_is_one_error_of_preflight() {
    let lab = complete_lab();
    let hosts = [
        "api.cast.ai",
        "grpc.cast.ai",
        "kvisor.prod-master.cast.ai",
        "telemetry.prod-master.cast.ai",
        address::ECR_API.0,
        address::ECR.0,
    ];
    let nowhere = Behaviour::addresses(&[address::SILENT]);
    for (behaviour, code) in
        [(Behaviour::NameError, "CPL210"), (Behaviour::ServerFailure, "CPL210"), (nowhere, "CPL212")]
    {
        for host in hosts {
            lab.control().put(&format!("/dns/records/{host}"), &behaviour).unwrap();
        }
        let output = lab.plugin(&["preflight", "--probe-timeout=2s"]).unwrap();
        assert_eq!(output.code, Some(1), "{}", output.stdout);
        let failures = output
            .stdout
            .lines()
            .filter(|line| line.starts_with("Fail CPL2") || line.starts_with("Fail CPL3"));
        assert_eq!(failures.count(), 1, "{behaviour:?}: {}", output.stdout);
        let last = last_line(&output);
        let more = if code == "CPL212" { "" } else { " and 1 more" };
        let expected = format!("Not ready for PrivateLink: 6 hosts ({code}{more})");
        assert!(last.starts_with(&expected), "{behaviour:?}: {last}");
    }
}

/// A lab with Cast AI's operator, in which everything is mirrored and rewritten.
fn synced_lab() -> Lab {
    let lab = own_lab();
    add_operator(&lab);
    sync(&lab, 0, &[]);
    wait_until_ready(&lab);
    lab
}

#[test]
fn commands_on_a_synced_cluster_are_green_only_if_everything_was_looked_at() {
    let lab = synced_lab();
    let unlisted = ("/unlisted", "daemonsets.apps");
    let no_components = ("/unlisted", "components.castware.cast.ai");
    let rows: &[Row<'_>] = &[
        // images: reads no registry and no AWS API.
        (Fault::Nothing, "images", 0, &[], ("/images", "agent")),
        (DAEMONSETS, "images", 1, UNLISTED, unlisted),
        (PODS, "images", 1, NO_PODS, ("/unlisted", "pods")),
        (COMPONENTS, "images", 1, NO_COMPONENTS, no_components),
        (SECRETS, "images", 0, &[], ("/notes", "cannot list secrets")),
        (NODES, "images", 0, &[], ("/notes", "cannot list nodes")),
        (Fault::Sts("silent"), "images", 0, &[], NONE),
        // status
        (Fault::Nothing, "status", 0, &["up to date; public tags not checked"], ("/skipped", "publicTags")),
        (DAEMONSETS, "status", 1, UNLISTED, unlisted),
        (PODS, "status --cluster-only", 1, NO_PODS, ("/unlisted", "pods")),
        (COMPONENTS, "status", 1, NO_COMPONENTS, no_components),
        (
            SECRETS,
            "status",
            0,
            &["up to date in the readable part of the cluster"],
            ("/notes", "cannot list secrets"),
        ),
        (
            Fault::Sts("expired-token"),
            "status",
            1,
            &["not checked: 5 images", "expired"],
            ("/images/0/notChecked", "registry"),
        ),
        (
            Fault::Denied("ListImages"),
            "status",
            1,
            &["not checked: 5 images"],
            ("/images/0/notChecked", "ecr:ListImages"),
        ),
        (
            Fault::Silent("ghcr.io"),
            "status --upstream --idle-timeout=5s",
            1,
            &["public tags not checked: "],
            ("/images", "publicTags"),
        ),
        // sync-images
        (Fault::Nothing, "sync-images --dry-run", 0, &[], NONE),
        (DAEMONSETS, "sync-images --dry-run", 1, UNLISTED, NONE),
        (DAEMONSETS, "sync-images --yes", 1, UNLISTED, unlisted),
        (DAEMONSETS, "sync-images --yes --no-mirror", 1, UNLISTED, unlisted),
        (DAEMONSETS, "sync-images --yes --no-rewrite", 1, UNLISTED, unlisted),
        (PODS, "sync-images --dry-run", 1, NO_PODS, NONE),
        (COMPONENTS, "sync-images --yes", 1, NO_COMPONENTS, no_components),
        (SECRETS, "sync-images --yes", 0, &[], ("/notRead", "secrets")),
        (NODES, "sync-images --yes --region=us-east-1", 0, &[], ("/notRead", "nodes")),
        (Fault::Sts("expired-token"), "sync-images --dry-run", 2, &[], NONE),
        (Fault::Denied("ListImages"), "sync-images --dry-run", 1, &[], NONE),
        (
            Fault::Denied("ListImages"),
            "sync-images --yes",
            1,
            &["incomplete: ", "5 images failed"],
            ("/images/0/result", "failed"),
        ),
        // Nodes pull from the registry meanwhile, and nothing is held back.
        (
            Fault::Silent("ghcr.io"),
            "sync-images --dry-run --idle-timeout=5s",
            1,
            SILENT,
            ("/destinations/0/images", "notCompared"),
        ),
        (
            Fault::Silent("ghcr.io"),
            "sync-images --yes --idle-timeout=5s",
            1,
            SILENT,
            ("/images", "notCompared"),
        ),
        // rollback
        (DAEMONSETS, "rollback --dry-run", 1, UNLISTED, unlisted),
        (PODS, "rollback --dry-run", 1, NO_PODS, ("/unlisted", "pods")),
        (SECRETS, "rollback --dry-run", 0, &[], NONE),
        // values
        (SECRETS, "values helm", 1, &["must be listable"], NONE),
        (DAEMONSETS, "values kustomize", 1, UNLISTED, NONE),
        (COMPONENTS, "values kustomize", 1, NO_COMPONENTS, NONE),
        (Fault::Sts("expired-token"), "values kustomize", 2, &[], NONE),
        (DAEMONSETS, "values patches", 1, UNLISTED, NONE),
        (DAEMONSETS, "values policy", 1, UNLISTED, NONE),
        (Fault::Denied("ListImages"), "values policy", 2, &[], NONE),
    ];
    let quick: Vec<String> = rows.iter().map(|row| format!("{} {}", row.1, QUICK.join(" "))).collect();
    let rows: Vec<Row<'_>> = rows
        .iter()
        .zip(&quick)
        .map(|(row, command)| (row.0, command.as_str(), row.2, row.3, row.4))
        .collect();
    assert_all(&lab, &rows);
}
