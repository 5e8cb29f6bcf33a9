//! What is changed in a cluster, before and after: each image with its old and its new name.

use super::common_registry::CommonRegistry;
use super::ownership::image_fields;
use super::table::{self, Column};
use crate::model::inventory::AccountOrigin;
use crate::printable::one_line;
use crate::sync::rollout::WorkloadReport;

/// Characters of a name, which may come from another machine's file.
const NAME_LIMIT: usize = 300;

/// The cluster that is changed: lines above a plan.
/// `origin` says where the account is known from.
pub(super) fn cluster_lines(context: &str, account: Option<&str>, origin: Option<AccountOrigin>) -> String {
    let line = |label: &str, value: &str| format!("{label}: {}\n", one_line(value, NAME_LIMIT));
    let origin = origin.map(|origin| format!(" ({origin})")).unwrap_or_default();
    line("context", context)
        + &account.map_or_else(String::new, |account| line("account", &format!("{account}{origin}")))
}

/// Namespace, workload, image field, image, new image, and the result.
pub(super) type ChangeRow = [String; 6];

/// One row per image with its new name; `result` is the outcome of a workload.
pub(super) fn change_rows(
    workloads: &[&WorkloadReport],
    result: impl Fn(&WorkloadReport) -> &'static str,
    registry: &CommonRegistry,
) -> Vec<ChangeRow> {
    let dash = || "-".to_owned();
    let mut rows = Vec::new();
    for workload in workloads {
        let row = |image_field: String, image: String, new: String| {
            let name = workload.workload.to_string();
            let result = result(workload).to_owned();
            [workload.workload.namespace.clone(), name, image_field, image, new, result]
        };
        let shown = |image: &Option<String>| {
            image.as_ref().map_or_else(|| "<none>".to_owned(), |image| registry.relative(image))
        };
        rows.extend(
            workload
                .changes
                .iter()
                .map(|change| row(change.image_field.to_string(), shown(&change.from), shown(&change.to))),
        );
        if workload.changes.is_empty() {
            // Only its field ownership changes, or it cannot be changed.
            let fields = Some(image_fields(workload)).filter(|fields| !fields.is_empty());
            rows.push(row(fields.unwrap_or_else(dash), dash(), dash()));
        }
    }
    rows
}

/// Changes as a table, with the new names in a column called `new`; empty if there are none.
pub(super) fn change_table(rows: &[ChangeRow], new: &'static str, width: Option<usize>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        Column::wrapped("NAMESPACE", 12).yielding(1).shared(),
        Column::wrapped("WORKLOAD", 18),
        Column::wrapped("FIELD", 28).yielding(0).joined(),
        Column::wrapped("IMAGE", 18),
        Column::wrapped(new, 18),
        Column::wrapped("RESULT", 13).shared(),
    ];
    table::fitted(columns, rows, width)
}
