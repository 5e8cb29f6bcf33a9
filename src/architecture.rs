//! The rules that keep gathering, deciding and printing apart, checked on the sources themselves.

use std::fs;
use std::path::{Path, PathBuf};

/// Files that decide on plain values.
const PURE: [&str; 63] = [
    "castai/chart_values.rs",
    "castai/components.rs",
    "castai/endpoints.rs",
    "castai/knowledge.rs",
    "castai/resources.rs",
    "cluster/kubeconfig/eks.rs",
    "cluster/kubeconfig/entries.rs",
    "cluster/kubeconfig/file.rs",
    "cluster/origin.rs",
    "cluster/url.rs",
    "model/image.rs",
    "model/image/ecr.rs",
    "model/image_field/mod.rs",
    "model/inventory.rs",
    "model/inventory/reason.rs",
    "model/lock.rs",
    "model/origin.rs",
    "model/plan.rs",
    "model/record.rs",
    "model/workload.rs",
    "model/workload_kind.rs",
    "output/verdict.rs",
    "ownership/claims.rs",
    "ownership/owners.rs",
    "parse.rs",
    "parse/cause.rs",
    "parse/documents.rs",
    "parse/json.rs",
    "parse/json/span.rs",
    "parse/yaml.rs",
    "permissions.rs",
    "permissions/iam.rs",
    "permissions/rbac.rs",
    "persist/helm.rs",
    "persist/helm/templates.rs",
    "persist/kustomize.rs",
    "persist/kyverno.rs",
    "persist/left_out.rs",
    "persist/names.rs",
    "persist/policy.rs",
    "printable.rs",
    "store/capabilities.rs",
    "store/default_mirror.rs",
    "store/ecr_manifests.rs",
    "store/limits.rs",
    "store/listing.rs",
    "sync/artifact.rs",
    "sync/discover.rs",
    "sync/discover/explain.rs",
    "sync/discover/owners.rs",
    "sync/discover/pods.rs",
    "sync/discover/releases.rs",
    "sync/plan/assignment.rs",
    "sync/plan/content.rs",
    "sync/plan/decide.rs",
    "sync/provenance.rs",
    "sync/report.rs",
    "sync/rewrite.rs",
    "sync/rewrite/patch.rs",
    "sync/rewrite/text.rs",
    "sync/rewrite/text/yaml.rs",
    "sync/rollback.rs",
    "sync/rollout/report.rs",
    "sync/status.rs",
    "sync/status/pulls.rs",
    "sync/status/report.rs",
];

/// What reaches out of a function: networks, files, the environment, clocks.
const IMPURE: [&str; 15] = [
    "tokio",
    "reqwest",
    "kube::",
    "crate::aws",
    "crate::registry",
    "cluster::Connection",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "Timestamp::now",
    "Instant",
    "SystemTime",
    "async ",
    ".await",
];

const PRINTING: [&str; 6] = ["println!", "eprintln!", " print!", "eprint!", "stdout()", "stderr()"];

/// Nobody below the commands knows how it is called or shown.
const UPPER: [&str; 3] = ["crate::cli", "crate::commands", "crate::output"];

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file without tests, with its path below `src/`.
fn files() -> Vec<String> {
    let mut open = vec![sources()];
    let mut files = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(sources()).unwrap().to_str().unwrap().replace('\\', "/");
            if path.is_dir() {
                open.push(path);
            } else if !["tests.rs", "testing.rs", "architecture.rs"].iter().any(|end| name.ends_with(end))
                && !name.contains("tests/")
            {
                files.push(name);
            }
        }
    }
    files
}

/// Lines of code in `file` that hold one of `words`.
fn lines_with(file: &str, words: &[&str]) -> Vec<String> {
    let text = fs::read_to_string(sources().join(file)).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let found = code.filter(|line| words.iter().any(|word| line.contains(word)));
    found.map(|line| format!("{file}: {}", line.trim())).collect()
}

#[test]
fn what_decides_reaches_for_nothing() {
    let found: Vec<_> = PURE.iter().flat_map(|file| lines_with(file, &IMPURE)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn only_output_prints() {
    let others = files().into_iter().filter(|file| !file.starts_with("output"));
    let found: Vec<_> = others.flat_map(|file| lines_with(&file, &PRINTING)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn what_works_does_not_know_how_it_is_shown() {
    let lower = [
        "aws",
        "castai",
        "cluster",
        "credentials",
        "model",
        "ownership",
        "parse",
        "permissions",
        "persist",
        "preflight",
        "printable",
        "registry",
        "store",
        "sync",
        "transport",
    ];
    let is_lower = |file: &String| lower.iter().any(|folder| file.starts_with(folder));
    let found: Vec<_> =
        files().into_iter().filter(is_lower).flat_map(|file| lines_with(&file, &UPPER)).collect();
    assert!(found.is_empty(), "{found:#?}");
}
