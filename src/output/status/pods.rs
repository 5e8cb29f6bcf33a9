//! The pods that do not run what they should.

use super::short;
use crate::output::common_registry::CommonRegistry;
use crate::output::table;
use crate::output::table::Column;
use crate::output::workloads::place;
use crate::sync::status::{NotReady, OlderDigest, PullFailure, StatusReport};

const NAMESPACE: Column = Column::wrapped("NAMESPACE", 12).yielding(1).shared();
const PODS_OF: Column = Column::wrapped("PODS OF", 20);
const FIELD: Column = Column::wrapped("FIELD", 28).yielding(0).joined();
const IMAGE: Column = Column::wrapped("IMAGE", 20);
const PODS: Column = Column::whole("PODS").yielding(2);

/// The images that cannot be pulled, and where.
pub(super) fn pull_failures(
    report: &StatusReport,
    registry: &CommonRegistry,
    width: Option<usize>,
) -> String {
    if report.pull_failures.is_empty() {
        return String::new();
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
    use super::pull_cause;

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
