//! The confirmation prompt before a rollback.

use crate::cli::{DryRun, RollbackArguments};
use crate::cluster::Connection;
use crate::commands::{CommandError, question};
use crate::output::table::count;
use crate::output::{self, rollback as text};
use crate::sync::rollback::RollbackReport;

/// Prints the registries that nodes will need again, and asks for confirmation.
pub(super) async fn confirm(
    wanted: &RollbackArguments,
    connection: &Connection,
    report: &RollbackReport,
) -> Result<bool, CommandError> {
    let (dry_run, changed) = (wanted.dry_run.dry_run, report.planned_changes());
    if changed > 0 && dry_run != DryRun::Client {
        output::warning(&text::public_again(report, wanted.rollout.wait));
    }
    if dry_run != DryRun::None || !report.is_anything_planned() {
        return Ok(true);
    }
    let (name, account) = (&connection.name, connection.eks.as_ref().and_then(|eks| eks.account.as_deref()));
    if wanted.yes {
        text::show_cluster(name, account);
        return Ok(true);
    }
    let work = if changed > 0 {
        format!("restore the original images of {} in cluster {name}", count(changed, "workload"))
    } else {
        format!(
            "remove the outdated record or field ownership of {} in cluster {name}",
            count(report.workloads.len(), "workload")
        )
    };
    let work = work + &text::left_unchanged(report);
    question::confirm(work, || text::show_planned(report, name, account)).await
}
