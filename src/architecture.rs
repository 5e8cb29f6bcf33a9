//! The rules that keep gathering, deciding and printing apart, checked on the sources themselves.

mod circles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What every folder may use.
const FOUNDATION: [&str; 7] = ["atomic_file", "error", "event", "model", "parse", "printable", "transport"];

/// What each folder may use besides the foundation. A folder may only use folders that are listed below it, so that
/// there are no circles.
const EDGES: [(&str, &[&str]); 23] = [
    (
        "commands",
        &[
            "aws",
            "castai",
            "cli",
            "cluster",
            "endpoints",
            "output",
            "ownership",
            "permissions",
            "persist",
            "preflight",
            "registry",
            "store",
            "sync",
        ],
    ),
    ("documentation", &["cli"]),
    (
        "cli",
        &["castai", "cluster", "endpoints", "output", "permissions", "persist", "preflight", "store", "sync"],
    ),
    // Only their values: rendering does no I/O.
    ("output", &["endpoints", "ownership", "permissions", "persist", "preflight", "sync"]),
    ("permissions", &["castai"]),
    ("preflight", &["aws", "castai", "cluster", "endpoints", "probe", "registry", "store"]),
    ("endpoints", &["aws", "castai", "cluster"]),
    // Discovery and planning decide what an image is called in the mirror.
    ("persist", &["castai", "cluster", "ownership", "store", "sync"]),
    ("sync", &["castai", "cluster", "ownership", "store"]),
    ("ownership", &["castai", "cluster"]),
    ("store", &["aws", "credentials", "registry"]),
    ("credentials", &["aws"]),
    ("registry", &["probe"]),
    ("aws", &["probe"]),
    ("cluster", &["probe"]),
    ("castai", &[]),
    ("transport", &[]),
    ("model", &[]),
    ("parse", &[]),
    ("event", &[]),
    ("atomic_file", &[]),
    ("error", &[]),
    // A crate of its own.
    ("probe", &[]),
];

/// What each part of the foundation may use of the others.
const BELOW: [(&str, &[&str]); 7] = [
    ("transport", &["error", "printable", "probe"]),
    ("event", &["model"]),
    ("model", &["printable"]),
    ("parse", &["printable"]),
    ("atomic_file", &[]),
    ("error", &[]),
    ("printable", &[]),
];

/// Folders and files that may do I/O. All others decide on plain values.
const EFFECTFUL: [&str; 48] = [
    "atomic_file.rs",
    "aws/",
    "cli",
    "cluster/",
    "commands/",
    "credentials/",
    "documentation.rs",
    "endpoints/apply",
    "endpoints/gather",
    "endpoints/run.rs",
    "endpoints/run/wait.rs",
    "error.rs",
    "krew_manifest.rs",
    "lib.rs",
    "main.rs",
    "output/",
    "persist/engine.rs",
    "persist/named.rs",
    "persist/verified.rs",
    "preflight/",
    "registry/",
    "store/",
    "sync/artifact/file.rs",
    "sync/gather.rs",
    "sync/images.rs",
    "sync/discover/manifests/files.rs",
    "sync/discover/snapshot.rs",
    "sync/mirror.rs",
    "sync/mirror/",
    "sync/destinations.rs",
    "sync/destinations/planning.rs",
    "sync/cluster_rewrites.rs",
    "sync/mod.rs",
    "sync/plan/prepare.rs",
    "sync/plan/repositories.rs",
    "sync/plan/resolve.rs",
    "sync/plan/tree.rs",
    "sync/presence.rs",
    "sync/rewrite_manifests/input.rs",
    "sync/rewrite_manifests/mod.rs",
    "sync/rollback/renaming.rs",
    "sync/rollback/run.rs",
    "sync/rollout",
    "sync/status/gather.rs",
    "sync/status/registries.rs",
    "sync/mirror_choice.rs",
    "sync/verify.rs",
    "transport",
];

/// Files in those folders that do no I/O.
const DECIDING: [&str; 10] = [
    "cluster/kubeconfig/eks.rs",
    "cluster/kubeconfig/entries.rs",
    "cluster/kubeconfig/file.rs",
    "cluster/value_source.rs",
    "cluster/url.rs",
    "endpoints/apply/requests.rs",
    "endpoints/gather/parse.rs",
    "output/status/conclusion.rs",
    "store/capabilities.rs",
    "sync/rollout/report.rs",
];

/// What I/O looks like in code: networks, files, the environment, clocks.
const EFFECTS: [&str; 12] = [
    "tokio",
    "reqwest",
    "kube::",
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
                && !name.starts_with("architecture/")
            {
                files.push(name);
            }
        }
    }
    files.sort();
    files
}

/// The lines of code in `file`, without comments and tests.
fn code(file: &str) -> Vec<String> {
    let text = fs::read_to_string(sources().join(file)).unwrap();
    let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut code = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim_start() != "#[cfg(test)]" {
            code.push(line.to_owned());
            continue;
        }
        // The item below, which ends where a line closes what its first line opens.
        let indent = line.len() - line.trim_start().len();
        let is_end = |line: &&str| {
            let rest = line.get(indent..).unwrap_or_default();
            rest.starts_with('}') || !rest.starts_with([' ', '#']) && rest.ends_with([';', '}', ','])
        };
        lines.by_ref().find(is_end);
    }
    code
}

/// Lines of code in `file` that contain one of `words`.
fn lines_with(file: &str, words: &[&str]) -> Vec<String> {
    let found = code(file).into_iter().filter(|line| words.iter().any(|word| line.contains(word)));
    found.map(|line| format!("{file}: {}", line.trim())).collect()
}

/// The folder, or the file at the top, that a file belongs to.
fn folder(file: &str) -> &str {
    file.split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// The folders that code names by `crate::…`, also in groups, and the crate `probe`.
fn used(code: &[String]) -> BTreeSet<String> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut names = BTreeSet::new();
    for line in code {
        let ends_path = |start: &str| start.ends_with("::") || start.ends_with(is_name);
        if line.match_indices("probe::").any(|(start, _)| !ends_path(&line[..start])) {
            names.insert("probe".to_owned());
        }
        for rest in line.split("crate::").skip(1) {
            match rest.strip_prefix('{') {
                Some(group) => {
                    let inner = group.split('}').next().unwrap_or_default();
                    let parts =
                        inner.split(',').map(|part| part.trim().split("::").next().unwrap_or_default());
                    names.extend(parts.filter(|part| !part.is_empty()).map(str::to_owned));
                }
                None => {
                    names.insert(rest.chars().take_while(|one| is_name(*one)).collect());
                }
            }
        }
    }
    names
}

#[test]
fn folders_use_only_what_they_may() {
    let edges: BTreeMap<_, _> = EDGES.into_iter().collect();
    let below: BTreeMap<_, _> = BELOW.into_iter().collect();
    let known: BTreeSet<&str> = EDGES.iter().map(|(folder, _)| *folder).chain(FOUNDATION).collect();
    let mut wrong = BTreeSet::new();
    for file in files() {
        let from = folder(&file);
        if ["lib", "main", "krew_manifest"].contains(&from) {
            continue;
        }
        assert!(known.contains(from), "{file} is in a folder without a rule: add it to EDGES");
        for to in used(&code(&file)) {
            let is_folder = known.contains(to.as_str());
            let may = match below.get(from) {
                Some(below) => below.contains(&to.as_str()),
                None => FOUNDATION.contains(&to.as_str()) || edges[from].contains(&to.as_str()),
            };
            if is_folder && from != to && !may {
                wrong.insert(format!("{from} -> {to} in {file}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Together with the order of [`EDGES`], this rules out circles between folders.
#[test]
fn folder_rules_have_no_circles() {
    for (position, (folder, uses)) in EDGES.iter().enumerate() {
        for used in *uses {
            let other = EDGES.iter().position(|(name, _)| name == used);
            assert!(other.is_some_and(|other| other > position), "{folder} -> {used}");
        }
    }
}

/// Siblings are the files and folders of one folder, at every depth. A file and what is in the folder of its name are
/// one unit: the file has the types that they share and puts them together, so that these name each other freely.
#[test]
fn siblings_do_not_use_each_other_in_circles() {
    let sources = files().into_iter().map(|file| {
        let code = code(&file).join("\n");
        (file, code)
    });
    let sources = circles::Sources::new(sources);
    let circles = sources.circles();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn deciding_files_do_no_io() {
    let may = |file: &str| EFFECTFUL.iter().any(|start| file.starts_with(start)) && !DECIDING.contains(&file);
    let deciding = files().into_iter().filter(|file| !may(file));
    let found: Vec<_> = deciding.flat_map(|file| lines_with(&file, &EFFECTS)).collect();
    assert!(found.is_empty(), "{found:#?}");
    let files = files();
    for name in EFFECTFUL.iter().chain(&DECIDING) {
        assert!(files.iter().any(|file| file.starts_with(name)), "{name} not found: remove it from the list");
    }
}

#[test]
fn only_output_prints() {
    let others = files().into_iter().filter(|file| !file.starts_with("output"));
    let found: Vec<_> = others.flat_map(|file| lines_with(&file, &PRINTING)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Facts about components are in their records and nowhere else.
#[test]
fn only_the_records_know_components_by_their_parts() {
    let words = [
        "kvisor",
        "egressd",
        "castware",
        "chart-upgrader",
        "aws-node",
        "us-docker.pkg.dev",
        "ghcr.io/castai",
    ];
    // The module's data is made from the records.
    let is_record = |file: &String| file.starts_with("castai/") || file.ends_with("module/services.tf");
    let others = files().into_iter().filter(|file| !is_record(file));
    let found: Vec<_> = others.flat_map(|file| lines_with(&file, &words)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// In `preflight`, only `vantage/` and these files do I/O: `mod.rs` gathers and judges, settings hold clients, a report
/// has a timestamp, and a run has a deadline and can be repeated.
#[test]
fn preflight_judges_without_io() {
    const MAY: [&str; 6] = [
        "preflight/vantage/",
        "preflight/mod.rs",
        "preflight/settings.rs",
        "preflight/report.rs",
        "preflight/time_limit.rs",
        "preflight/waiting.rs",
    ];
    // Of pods, only what sends requests.
    const PODS: [&str; 4] = ["image.rs", "leftovers.rs", "neighbours.rs", "run.rs"];
    let may = |file: &str| match file.strip_prefix("preflight/vantage/pod/") {
        Some(file) => PODS.contains(&file),
        None => MAY.iter().any(|may| file.starts_with(may)),
    };
    let judging = files()
        .into_iter()
        .filter(|file| file.starts_with("preflight/") && !file.ends_with("http_server.rs") && !may(file));
    // Addresses are values, not I/O.
    let words: Vec<_> = EFFECTS.into_iter().filter(|word| *word != "std::net").collect();
    let judging: Vec<_> = judging.collect();
    assert!(judging.iter().any(|file| file == "preflight/checks/endpoint_tls.rs"), "{judging:#?}");
    let found: Vec<_> = judging.iter().flat_map(|file| lines_with(file, &words)).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// Its binary writes the report.
#[test]
fn the_probe_prints_nothing_and_knows_no_cast_ai() {
    let others = ["castai", "cast.ai", "Cast AI"];
    let words = [PRINTING.as_slice(), others.as_slice()].concat();
    let files = fs::read_dir(sources().join("../probe/src")).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.is_file() && file.file_name().is_some_and(|name| name != "main.rs"));
    let names = files.map(|file| format!("../probe/src/{}", file.file_name().unwrap().to_str().unwrap()));
    let found: Vec<_> = names.flat_map(|file| lines_with(&file, &words)).collect();
    assert!(found.is_empty(), "{found:#?}");
}
