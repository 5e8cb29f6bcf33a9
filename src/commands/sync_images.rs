//! `sync-images`: discover → plan → mirror → verify → rewrite → rollout → report.

mod confirmation;
pub(super) mod settings;

use super::{CommandError, ExitStatus, selection};
use crate::cli::{Arguments, SyncArguments};
use crate::output::{self, inventory, sync as text};
use crate::sync;
use crate::sync::report::{RunOutcome, SyncReport};

pub(super) async fn run(arguments: &Arguments, wanted: &SyncArguments) -> Result<ExitStatus, CommandError> {
    let progress = arguments.progress();
    let settings = settings::read(arguments, wanted).await?;
    let ports = settings::ports(arguments, &settings).await?;
    let confirm = async |proposal: &sync::report::Proposal<'_>| {
        progress.clear();
        confirmation::confirm(wanted, proposal).await
    };
    let observer = |event| progress.observe(event);
    let report = Box::pin(sync::run(&settings, &ports, &observer, confirm)).await;
    progress.clear();
    let report = report?;
    if arguments.logging.verbosity > 0 {
        text::traffic(&report.traffic);
    }
    match &report.end {
        RunOutcome::Discovered if report.found_nothing() => nothing_found(arguments, wanted, &report)?,
        RunOutcome::Discovered => inventory::inventory(&report.inventory, wanted.output)?,
        RunOutcome::Planned(plan) => {
            text::planned(plan.as_ref(), &report, settings.stages.rewrite, wanted.output)?;
        }
        RunOutcome::Declined => output::say("nothing was changed"),
        RunOutcome::Done => text::done(&report, settings.stages.rewrite, wanted.output)?,
    }
    Ok(if report.needs_attention() { ExitStatus::Attention } else { ExitStatus::Done })
}

/// Finding nothing is not a success: prints what to try next.
fn nothing_found(arguments: &Arguments, wanted: &SyncArguments, report: &SyncReport) -> std::io::Result<()> {
    let inventory = &report.inventory;
    let place =
        selection::searched(arguments, inventory.clusters.first().map(|cluster| cluster.name.as_str()));
    let hint = selection::narrowing(arguments, &wanted.selection).unwrap_or_else(|| {
        if inventory.clusters.is_empty() {
            return "see their contents: kubectl castai-privatelink images --explain -f FILE".to_owned();
        }
        "install Cast AI first; or mirror its images before the installation: helm template … | kubectl \
         castai-privatelink sync-images -f - --no-rewrite; or choose another cluster with --context"
            .to_owned()
    });
    output::error(&format!("error: no image of Cast AI found {place}"), Some(&hint));
    text::done(report, false, wanted.output)
}
