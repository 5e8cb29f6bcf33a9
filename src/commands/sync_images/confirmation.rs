//! The confirmation prompt before changes.

use crate::cli::SyncArguments;
use crate::commands::question;
use crate::error::CommandError;
use crate::output::table::{bytes, count};
use crate::output::{self, sync as text};
use crate::sync::report::Proposal;

/// Prompts on a terminal, after printing the plan; without a terminal, --yes is required.
pub(super) async fn confirm(wanted: &SyncArguments, proposal: &Proposal<'_>) -> Result<bool, CommandError> {
    let planned = proposal.planned;
    let (images, workloads) = (proposal.copies, proposal.patches);
    if images == 0 && workloads == 0 {
        return Ok(true);
    }
    if wanted.yes {
        text::clusters(planned).lines().for_each(output::say);
        text::owner_notes(planned);
        return Ok(true);
    }
    let mirrors = text::mirrors(&planned.destinations);
    let size = match proposal.upload_bytes {
        0 => "layers already exist".to_owned(),
        size => bytes(size),
    };
    let copying = (images > 0).then(|| format!("copy {} ({size}) to {mirrors}", count(images, "image")));
    let clusters = planned.clusters.iter().map(|cluster| cluster.name.as_str());
    let clusters = clusters.collect::<Vec<_>>().join(" and ");
    let rewriting =
        (workloads > 0).then(|| format!("change {} in cluster {clusters}", count(workloads, "workload")));
    let work = copying.into_iter().chain(rewriting).collect::<Vec<_>>().join(" and ");
    let work = work + &text::left_unchanged(planned);
    question::confirm(work, || text::show_planned(planned)).await
}
