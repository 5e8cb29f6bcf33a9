//! The confirmation prompt before changes.

use crate::cli::SyncArguments;
use crate::commands::question;
use crate::error::CommandError;
use crate::output::sync as text;
use crate::output::table::{bytes, count};
use crate::sync::report::Proposal;

/// Prompts on a terminal, after printing the plan; without a terminal, --yes is required.
pub(super) async fn confirm(wanted: &SyncArguments, proposal: &Proposal<'_>) -> Result<bool, CommandError> {
    let planned = proposal.planned;
    if wanted.yes {
        text::owner_notes(&planned.workloads);
        return Ok(true);
    }
    let (images, workloads) = (proposal.copies, proposal.patches);
    if images == 0 && workloads == 0 {
        return Ok(true);
    }
    let place = text::mirrors(&planned.destinations);
    let size = match proposal.upload_bytes {
        0 => "layers already exist".to_owned(),
        size => bytes(size),
    };
    let copying = (images > 0).then(|| format!("copy {} ({size}) to {place}", count(images, "image")));
    let rewriting = (workloads > 0).then(|| format!("change {}", count(workloads, "workload")));
    let work = copying.into_iter().chain(rewriting).collect::<Vec<_>>().join(" and ");
    question::confirm(work, || text::show_planned(planned)).await
}
