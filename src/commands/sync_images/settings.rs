//! The command line of `sync-images` as settings of the pipeline, validated before anything is read or changed.

use std::path::Path;

use crate::cli::{Arguments, SyncArguments};
use crate::cluster;
use crate::commands::{aws_login, selection};
use crate::error::CommandError;
use crate::store::Limits;
use crate::sync::artifact::file;
use crate::sync::settings::{Artifact, Artifacts, Ports, Settings};

/// The settings, with the content of the files that they name.
pub(in crate::commands) async fn read(
    arguments: &Arguments,
    sync: &SyncArguments,
) -> Result<Settings, CommandError> {
    let scope = arguments.connection.scope(sync.selection.selector());
    sync.check(&scope)?;
    let filter = selection::filter(&sync.selection.filter, &sync.mirror)?;
    let given = selection::read_manifests(&sync.files, &filter.knowledge).await?;
    let maps = &sync.mirror.maps;
    let reads_plan = sync.no_discover && sync.inventory.is_none() && sync.files.is_empty();
    let artifacts = Artifacts {
        inventory: artifact(sync.inventory.as_deref(), sync.no_discover, file::read_inventory)?,
        plan: artifact(sync.plan.as_deref(), reads_plan, |path| {
            file::read_plan(path, maps, &filter.knowledge)
        })?,
        lock: artifact(sync.lock.as_deref(), sync.no_mirror, |path| file::read_lock(path, maps))?,
    };
    let dry_run = sync.dry_run.dry_run;
    Ok(Settings {
        stages: sync.stages(),
        scope,
        manifests: given.manifests,
        public: given.public,
        mirror: sync.mirror.settings(),
        replace: sync.replace.clone(),
        source_registries: sync.source.source_registries.clone(),
        repository_settings: selection::repository_settings(sync.repository_settings.as_deref())?,
        artifacts,
        detail: sync.detail(),
        attestations: sync.attestations(),
        dry_run: dry_run.setting(),
        force: sync.force,
        limits: Limits { blobs: usize::from(sync.jobs), ..Limits::default() },
        rollout: sync.rollout.options(dry_run),
        filter: filter.including_cni(sync.include_cni),
    })
}

/// The clients for the settings; no request is sent yet.
pub(super) async fn ports(arguments: &Arguments, settings: &Settings) -> Result<Ports, CommandError> {
    let mut clusters = Vec::new();
    if settings.stages.need_cluster() {
        clusters.push(cluster::connect(&arguments.connection.flags(&settings.filter.knowledge)).await?);
    }
    let network = aws_login::network(arguments, clusters.first(), &settings.mirror.registries);
    Ok(Ports { clusters, network })
}

/// If a stage runs, its artifact is written to the file; if it is skipped, the artifact is read from the file.
fn artifact<T>(
    path: Option<&Path>,
    is_read: bool,
    read: impl FnOnce(&Path) -> Result<T, CommandError>,
) -> Result<Artifact<T>, CommandError> {
    Ok(match path {
        None => Artifact::None,
        Some(path) if is_read => Artifact::Given(read(path)?),
        Some(path) => Artifact::WrittenTo(path.to_owned()),
    })
}
