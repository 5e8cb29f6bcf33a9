//! Recorded requests and fault rules of the lab's front servers: `kubernetes`, `source`, `ecr` and `oci`.

use lab::address;
use lab::host::Lab;
use lab::registry::traffic::Record;
use serde::Serialize;

const FRONTS: [&str; 4] = ["kubernetes", "source", "ecr", "oci"];

/// Requests to a front server since the last [`clear_traffic`].
pub(crate) fn traffic(lab: &Lab, front: &str) -> Vec<Record> {
    lab.control().get(&format!("/{front}/traffic")).expect("traffic")
}

/// Clears the recorded requests of all front servers.
pub(crate) fn clear_traffic(lab: &Lab) {
    for front in FRONTS {
        lab.control().delete(&format!("/{front}/traffic")).expect("traffic is cleared");
    }
}

/// Requests to ECR that change something.
pub(crate) fn ecr_writes(lab: &Lab) -> Vec<Record> {
    // Every call of the API is a POST.
    let is_read = |record: &Record| match &record.operation {
        Some(operation) if record.host == address::ECR_API.0 => {
            ["Get", "Describe", "List", "BatchGet", "BatchCheck"]
                .iter()
                .any(|verb| operation.starts_with(verb))
        }
        _ => record.method == "GET" || record.method == "HEAD",
    };
    traffic(lab, "ecr").into_iter().filter(|record| !is_read(record)).collect()
}

/// The number of requests to ECR for `operation`.
pub(crate) fn count_ecr_requests(lab: &Lab, operation: &str) -> usize {
    traffic(lab, "ecr").iter().filter(|record| record.operation.as_deref() == Some(operation)).count()
}

/// Repository and digest of each completed upload to ECR.
pub(crate) fn uploaded_blobs(lab: &Lab) -> Vec<(String, String)> {
    let is_completed = |record: &Record| {
        record.method == "PUT" && record.path.contains("/blobs/uploads/") && record.status == 201
    };
    let blob = |record: Record| {
        let (repository, rest) = record.path.strip_prefix("/v2/")?.split_once("/blobs/uploads/")?;
        let digest = rest.split_once("digest=")?.1.split('&').next()?;
        Some((repository.to_owned(), digest.replace("%3A", ":")))
    };
    let completed = traffic(lab, "ecr").into_iter().filter(is_completed);
    completed.map(|record| blob(record).expect("an upload ends with a digest")).collect()
}

/// Adds a fault rule to a front server.
#[track_caller]
pub(crate) fn add_fault(lab: &Lab, front: &str, rule: &impl Serialize) {
    lab.control().post(&format!("/{front}/faults"), rule).expect("the rule is accepted");
}

/// Removes the fault rules of all front servers.
pub(crate) fn clear_faults(lab: &Lab) {
    for front in FRONTS {
        lab.control().delete(&format!("/{front}/faults")).expect("the faults are removed");
    }
}
