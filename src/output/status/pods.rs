//! The pods that do not run what they should.

use super::short;
use crate::output::common_registry::CommonRegistry;
use crate::output::for_terminal;
use crate::output::table;
use crate::output::table::{Column, count, is_folded};
use crate::output::workloads::{described, place};
use crate::printable::one_line;
use crate::sync::status::{NotReady, OlderDigest, PullFailure, StatusReport};

/// Maximum length of a line about failures, in characters.
const CAUSE_LIMIT: usize = 1000;

const NAMESPACE: Column = Column::wrapped("NAMESPACE", 12).yielding(1).shared();
const PODS_OF: Column = Column::wrapped("PODS OF", 20);
const FIELD: Column = Column::wrapped("FIELD", 28).yielding(0).joined();
const IMAGE: Column = Column::wrapped("IMAGE", 20);
const PODS: Column = Column::whole("PODS").yielding(2);

/// The images that cannot be pulled, and where: in a pipe a row for each, on a terminal a list below each cause.
pub(super) fn pull_failures(
    report: &StatusReport,
    registry: &CommonRegistry,
    width: Option<usize>,
) -> String {
    if report.pull_failures.is_empty() {
        return String::new();
    }
    if let Some(width) = width.filter(|_| is_folded(width)) {
        return by_cause(&report.pull_failures, registry, width);
    }
    let row = |failure: &PullFailure| {
        let (namespace, place) = place(&failure.place);
        let (image_field, image) = (failure.image_field.to_string(), registry.relative(&failure.image));
        let pods = failure.pods.len().to_string();
        [namespace, place, image_field, image, pods, failure.reason.clone(), pull_detail(failure)]
    };
    let rows: Vec<_> = report.pull_failures.iter().map(row).collect();
    let columns = [
        NAMESPACE,
        PODS_OF,
        FIELD,
        IMAGE,
        PODS,
        Column::whole("CANNOT PULL").shared(),
        Column::wrapped("DETAIL", 20).yielding(3).repeated(),
    ];
    table::fitted(columns, &rows, width)
}

/// Images, each with what waits for it.
type WaitingByImage<'f> = Vec<(&'f str, Vec<String>)>;

/// The failures by cause, each image once below the workloads that wait for it.
fn by_cause(failures: &[PullFailure], registry: &CommonRegistry, width: usize) -> String {
    let mut causes: Vec<(String, WaitingByImage<'_>)> = Vec::new();
    for failure in failures {
        let detail = without_url_paths(&pull_detail(failure));
        let detail = if detail == "-" { String::new() } else { format!(": {detail}") };
        let cause = format!("cannot pull: {}{detail}", failure.reason);
        let index = causes.iter().position(|(known, _)| *known == cause).unwrap_or_else(|| {
            causes.push((cause, Vec::new()));
            causes.len() - 1
        });
        let images = &mut causes[index].1;
        let position = images.iter().position(|(image, _)| *image == failure.image).unwrap_or_else(|| {
            images.push((failure.image.as_str(), Vec::new()));
            images.len() - 1
        });
        images[position].1.push(waiting(failure));
    }
    let mut lines = Vec::new();
    for (cause, images) in causes {
        lines.push(for_terminal(&one_line(&cause, CAUSE_LIMIT), Some(width)));
        for (image, waiting) in images {
            let text =
                one_line(&format!("{}: {}", waiting.join(", "), registry.relative(image)), CAUSE_LIMIT);
            lines.push(for_terminal(&format!("  {text}"), Some(width)));
        }
    }
    lines.join("\n") + "\n"
}

/// `deployment.apps/x in namespace n (container/y, 2 pods)`.
fn waiting(failure: &PullFailure) -> String {
    format!("{} ({}, {})", described(&failure.place), failure.image_field, count(failure.pods.len(), "pod"))
}

/// URLs in a message without their paths, which contain the image.
fn without_url_paths(message: &str) -> String {
    let shortened = |word: &str| {
        let (scheme, rest) = word.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let end = if path.ends_with(':') { ":" } else { "" };
        Some(format!("{scheme}://{host}/…{end}"))
    };
    message
        .split(' ')
        .map(|word| shortened(word).unwrap_or_else(|| word.to_owned()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The pods that run an older digest of their image's tag.
pub(super) fn older_digests(
    report: &StatusReport,
    registry: &CommonRegistry,
    width: Option<usize>,
) -> String {
    if report.older_digests.is_empty() {
        return String::new();
    }
    let row = |older: &OlderDigest| {
        let (namespace, place) = place(&older.place);
        let (image_field, image) =
            (older.image_field.to_string(), registry.relative(older.image.as_written()));
        let pods = older.pods.len().to_string();
        [namespace, place, image_field, image, pods, short(&older.running), short(&older.current)]
    };
    let rows: Vec<_> = report.older_digests.iter().map(row).collect();
    let columns = [
        NAMESPACE,
        PODS_OF,
        FIELD,
        IMAGE,
        PODS,
        Column::whole("RUNNING DIGEST"),
        Column::whole("REGISTRY DIGEST"),
    ];
    table::fitted(columns, &rows, width)
}

fn pull_detail(failure: &PullFailure) -> String {
    let outdated = "the workload has another image now: delete the pod if it remains";
    match (pull_cause(&failure.message), failure.outdated) {
        ("", false) => "-".to_owned(),
        ("", true) => outdated.to_owned(),
        (message, false) => message.to_owned(),
        (message, true) => format!("{message}; {outdated}"),
    }
}

/// The cause in a kubelet's message, which repeats the image in each part that only says what was tried: those of
/// Kubernetes (`pkg/kubelet/images/image_manager.go`) and of containerd (`internal/cri/server/images/image_pull.go`).
fn pull_cause(message: &str) -> &str {
    const ATTEMPTS: [&str; 7] = [
        "Back-off pulling image ",
        "ErrImagePull",
        "rpc error",
        "code = ",
        "failed to pull and unpack image ",
        "failed to resolve reference ",
        "failed to resolve image",
    ];
    let mut rest = message;
    while let Some((part, cause)) = rest.split_once(": ")
        && ATTEMPTS.iter().any(|attempt| part.starts_with(attempt))
    {
        rest = cause;
    }
    rest
}

/// The workloads that do not run for another reason than their images.
pub(super) fn not_ready(report: &StatusReport, width: Option<usize>) -> String {
    if report.not_ready.is_empty() {
        return String::new();
    }
    let row = |one: &NotReady| {
        let ready = one
            .replicas
            .map_or_else(|| "-".to_owned(), |counts| format!("{}/{}", counts.ready, counts.desired));
        let message = if one.message.is_empty() { "-".to_owned() } else { one.message.clone() };
        [one.workload.namespace.clone(), one.workload.to_string(), ready, one.reason.clone(), message]
    };
    let rows: Vec<_> = report.not_ready.iter().map(row).collect();
    let columns = [
        Column::wrapped("NAMESPACE", 12).yielding(0).shared(),
        Column::wrapped("WORKLOAD", 20),
        Column::whole("READY"),
        Column::whole("NOT READY").shared(),
        Column::wrapped("DETAIL", 20).yielding(1).repeated(),
    ];
    table::fitted(columns, &rows, width)
}

/// How to read the log of the first container that crashes.
pub(super) fn log_hint(report: &StatusReport) -> Option<String> {
    let one = report.not_ready.iter().find(|one| one.crashes)?;
    let pod = one.pods.first()?;
    Some(format!(
        "hint: read why it crashes: kubectl logs -n {} {pod} --previous --all-containers",
        one.workload.namespace
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inventory::{ImageField, Place, WorkloadKind, WorkloadName};

    #[test]
    fn failures_with_one_cause_are_one_list_on_a_terminal() {
        let failure = |name: &str, image: &str, message: &str| PullFailure {
            place: Place::Workload(WorkloadName {
                cluster: "c".to_owned(),
                namespace: "castai-agent".to_owned(),
                kind: WorkloadKind::Deployment,
                name: name.to_owned(),
            }),
            image_field: ImageField::of_container("m"),
            image: format!("e.example/{image}"),
            reason: "ImagePullBackOff".to_owned(),
            message: message.to_owned(),
            pods: vec!["p".to_owned()],
            outdated: false,
        };
        let denied = |image: &str| {
            format!(
                "unexpected status from HEAD request to https://e.example/v2/{image}/manifests/v1: 403 Forbidden"
            )
        };
        let failures = [
            failure("a", "x:v1", &denied("x")),
            failure("b", "x:v1", &denied("x")),
            failure("c", "y:v1", &denied("y")),
            failure("d", "z:v1", "x509: certificate signed by unknown authority"),
        ];
        let registry = CommonRegistry::of_mirrors(&[], Some(80));
        assert_eq!(
            by_cause(&failures, &registry, 80),
            "cannot pull: ImagePullBackOff: unexpected status from HEAD request to\n\
             \x20 https://e.example/…: 403 Forbidden\n\
             \x20 deployment.apps/a in namespace castai-agent (container/m, 1 pod),\n\
             \x20   deployment.apps/b in namespace castai-agent (container/m, 1 pod):\n\
             \x20   e.example/x:v1\n\
             \x20 deployment.apps/c in namespace castai-agent (container/m, 1 pod):\n\
             \x20   e.example/y:v1\n\
             cannot pull: ImagePullBackOff: x509: certificate signed by unknown authority\n\
             \x20 deployment.apps/d in namespace castai-agent (container/m, 1 pod):\n\
             \x20   e.example/z:v1\n"
        );
    }

    #[test]
    fn the_cause_of_a_failed_pull_is_found_in_the_kubelets_message() {
        let cases = [
            (
                "Back-off pulling image \"e.example/x:v1\": ErrImagePull: rpc error: code = Unknown desc = failed to pull \
                 and unpack image \"e.example/x:v1\": failed to resolve reference \"e.example/x:v1\": unexpected status \
                 from HEAD request to https://e.example/v2/x/manifests/v1: 403 Forbidden",
                "unexpected status from HEAD request to https://e.example/v2/x/manifests/v1: 403 Forbidden",
            ),
            ("failed to pull: no space left on device", "failed to pull: no space left on device"),
            ("Back-off pulling image \"x\"", "Back-off pulling image \"x\""),
            ("ErrImagePull: ", ""),
            ("", ""),
        ];
        for (message, expected) in cases {
            assert_eq!(pull_cause(message), expected, "{message}");
        }
    }
}
