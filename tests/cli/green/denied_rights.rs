//! The same for each right of the cluster, denied alone.

use super::{CONFIG_MAPS, DAEMONSETS, Fault, NODES, NONE, Row, SECRETS, UNVERIFIED, assert_all, synced_lab};
use crate::harness::{HelmRelease, QUICK, kubectl};

/// Kinds of workloads, which must be listable: the part of their path, and their name.
const KINDS: [(&str, &str); 8] = [
    ("/deployments", "deployments.apps"),
    ("/daemonsets", "daemonsets.apps"),
    ("/statefulsets", "statefulsets.apps"),
    ("/replicasets", "replicasets.apps"),
    ("/cronjobs", "cronjobs.batch"),
    ("/jobs", "jobs.batch"),
    ("/pods", "pods"),
    ("/replicationcontrollers", "replicationcontrollers"),
];

#[test]
fn no_command_is_green_without_the_right_to_list_a_kind_of_workload() {
    let lab = synced_lab();
    let quick = QUICK.join(" ");
    let commands = [
        ("images", "/unlisted"),
        ("status --cluster-only", "/unlisted"),
        ("status --cluster-only -n castai-agent", "/unlisted"),
        ("sync-images --dry-run=client", ""),
        ("rollback --dry-run=client", "/unlisted"),
        ("values kustomize", ""),
        ("values patches", ""),
        ("values policy", ""),
    ]
    .map(|(command, pointer)| (format!("{command} {quick}"), pointer));
    let words = KINDS.map(|(_, name)| format!("incomplete: cannot list {name}: "));
    let words = words.each_ref().map(|words| [words.as_str()]);
    let mut rows: Vec<Row<'_>> = Vec::new();
    for ((path, name), words) in KINDS.iter().zip(&words) {
        let fault = Fault::Forbidden(path);
        for (command, pointer) in &commands {
            let value = if pointer.is_empty() { "" } else { *name };
            rows.push((fault, command, 1, words, (*pointer, value)));
        }
        rows.push((fault, "preflight --only=CPL101", 1, &[UNVERIFIED, "(CPL101)"], ("/notChecked", name)));
    }
    assert_all(&lab, &rows);
}

#[test]
fn rights_that_are_optional_are_named_where_they_are_denied() {
    let lab = synced_lab();
    let readable = "up to date in the readable part of the cluster";
    let rows: &[Row<'_>] = &[
        (CONFIG_MAPS, "images", 0, &["warning: cannot list configmaps"], ("/notRead", "configmaps")),
        (CONFIG_MAPS, "status", 0, &[readable, "; not read: configmaps"], ("/notRead", "configmaps")),
        (
            CONFIG_MAPS,
            "sync-images --yes",
            0,
            &["warning: cannot list configmaps"],
            ("/notRead", "configmaps"),
        ),
        (CONFIG_MAPS, "values kustomize", 0, &["warning: cannot list configmaps"], NONE),
        (NODES, "status", 0, &[readable, "; not read: Helm releases, nodes"], ("/notRead", "nodes")),
        (NODES, "values kustomize", 0, &["warning: cannot list nodes"], NONE),
        (NODES, "values patches", 0, &["warning: cannot list nodes"], NONE),
        (NODES, "values policy", 0, &["warning: cannot list nodes"], NONE),
        (SECRETS, "status", 0, &[readable, "; not read: secrets"], ("/notRead", "secrets")),
        (SECRETS, "values kustomize", 0, &["warning: cannot list secrets"], NONE),
        (SECRETS, "values patches", 0, &["warning: cannot list secrets"], NONE),
        (SECRETS, "values policy", 0, &["warning: cannot list secrets"], NONE),
        // Nothing is concluded from these where the pods run.
        (Fault::Forbidden("/events"), "status", 0, &["up to date; "], NONE),
        (Fault::Forbidden("/serviceaccounts"), "status", 0, &["up to date; "], NONE),
    ];
    assert_all(&lab, rows);

    // Releases are listed by their metadata, and their content cannot be read.
    for (name, workloads) in [
        ("castai-agent", &["deployment/castai-agent"][..]),
        ("castai-kvisor", &["daemonset/castai-kvisor-agent", "deployment/castai-kvisor-controller"]),
        ("castai-hibernate", &["cronjob/hibernate-pause", "cronjob/hibernate-resume"]),
    ] {
        HelmRelease::new("castai-agent", name, name, "0.161.1").with_workloads(&lab, workloads).store(&lab);
    }
    let content = Fault::Forbidden("/secrets/sh.helm.release.v1.castai-agent.");
    let unread = "content of Helm releases";
    let rows: &[Row<'_>] = &[
        (content, "images", 0, &["cannot be read"], ("/notRead", "content of Helm releases")),
        (content, "status", 0, &[readable, unread], ("/notRead", "content of Helm releases")),
        (content, "sync-images --yes", 0, &["cannot be read"], ("/notRead", "content of Helm releases")),
        (
            content,
            "values helm",
            1,
            &["incomplete: Helm release castai-agent in namespace castai-agent cannot be read"],
            NONE,
        ),
    ];
    assert_all(&lab, rows);
}

#[test]
fn a_part_of_the_cluster_is_not_reported_as_the_whole() {
    let lab = synced_lab();
    // A component that the flags leave out does not start.
    let image = "agent=registry.corp.example/none:1";
    kubectl(&lab, &["set", "image", "-n", "castai-agent", "deployment/castai-agent", image]);
    let hibernate = "status --only=*hibernate*";
    let rest = |flags| format!("the rest of the cluster was not checked ({flags})");
    let [only, exclude, selector] = ["--only", "--exclude", "-l"].map(rest);
    let [only, exclude, selector] = [&only, &exclude, &selector].map(|rest| ["up to date; ", rest.as_str()]);
    let rows: &[Row<'_>] = &[
        (Fault::Nothing, "status --upstream", 1, &["castai-agent"], ("/images", "registry.corp.example")),
        (Fault::Nothing, hibernate, 0, &only, ("/selectedBy", "--only")),
        (
            Fault::Nothing,
            "status --exclude=*/agent* --exclude=*/none*",
            0,
            &exclude,
            ("/selectedBy", "--exclude"),
        ),
        (
            Fault::Nothing,
            "status -l app.kubernetes.io/name=castai-kvisor-controller",
            0,
            &selector,
            ("/selectedBy", "-l"),
        ),
        (Fault::Nothing, "status -n shop", 1, &["hint: remove or change -n"], ("/selectedBy", "-n")),
        (Fault::Nothing, "status -n castai-logs", 2, &["namespaces \"castai-logs\" not found"], NONE),
        (DAEMONSETS, hibernate, 1, &["incomplete: cannot list daemonsets.apps"], ("/unlisted", "daemonsets")),
    ];
    assert_all(&lab, rows);
}
