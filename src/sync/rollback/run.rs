//! Rolls back: records on workloads → patches → rollout → report.

use super::named::Named;
use super::{RollbackReport, decide, renaming, skipped};
use crate::cluster::{self, Connection, Listed, PatchMode, Scope};
use crate::error::CommandError;
use crate::event::{Event, Observer, Stage};
use crate::model::knowledge::Knowledge;
use crate::model::record::{ANNOTATION, Records};
use crate::sync::rollout;
use crate::sync::settings::DryRun;
use crate::sync::settings::RolloutOptions;

/// The settings of `rollback`.
pub struct Settings {
    pub scope: Scope,
    /// Workloads to roll back; empty for all.
    pub workloads: Vec<Named>,
    pub dry_run: Option<DryRun>,
    /// What the user adds: which variables hold images, and the order of the rollout.
    pub knowledge: Knowledge,
    pub rollout: RolloutOptions,
}

/// Restores recorded images. Calls `confirm` with the planned changes before anything is changed.
///
/// # Errors
/// The workloads cannot be listed.
pub async fn run(
    settings: &Settings,
    connection: &Connection,
    observer: Observer<'_>,
    confirm: impl AsyncFnOnce(&RollbackReport) -> Result<bool, CommandError>,
) -> Result<RollbackReport, CommandError> {
    observer(Event::Stage(Stage::Discover));
    let Scope { namespace, selector } = &settings.scope;
    let listed = cluster::list_workloads(connection, namespace.as_deref(), selector.as_deref()).await?;
    let Listed { mut workloads, mut notes, unlisted, malformed } = listed;
    let is_castai = |namespace: &str| settings.knowledge.is_namespace(namespace);
    let (own, foreign): (Vec<_>, Vec<_>) =
        malformed.into_iter().partition(|malformed| is_castai(&malformed.namespace));
    let mut unreadable: Vec<_> = own.into_iter().map(|malformed| malformed.why).collect();
    notes.extend(foreign.into_iter().map(|malformed| malformed.why));
    for workload in workloads.iter().filter(|workload| !Records::are_readable(&workload.annotations)) {
        let name = format!("{} in namespace {}", workload.name, workload.name.namespace);
        let why = format!("the annotation {ANNOTATION} of {name}: not valid JSON");
        if is_castai(&workload.name.namespace) { unreadable.push(why) } else { notes.push(why) }
    }
    for note in &notes {
        observer(Event::Warning(note.clone()));
    }
    workloads.retain(|workload| {
        let names = &settings.workloads;
        names.is_empty() || names.iter().any(|named| named.is(&workload.name))
    });
    let left: Vec<_> = workloads.iter().flat_map(skipped).collect();
    let decisions = rollout::decide_all(&workloads, &decide);
    let checked = renaming::hold_back(connection, decisions, observer).await?;
    let decisions = checked.decisions;
    unreadable.extend(checked.unreadable);
    let mut report = RollbackReport { unreadable, ..RollbackReport::new(left, notes, unlisted) };
    report.workloads = rollout::preview(&decisions);
    report.add_unmatched(&settings.workloads, &workloads);
    if !confirm(&report).await? {
        return Ok(RollbackReport { is_declined: true, ..report });
    }
    if settings.dry_run != Some(DryRun::Client) {
        observer(Event::Stage(Stage::Rewrite));
        let mode = if settings.dry_run.is_some() { PatchMode::DryRun } else { PatchMode::Apply };
        let options = RolloutOptions { mode, restore_renamed: true, ..settings.rollout };
        report.workloads = Box::pin(rollout::roll_out(
            connection,
            decisions,
            &decide,
            &settings.knowledge,
            options,
            observer,
        ))
        .await;
    }
    Ok(report)
}
