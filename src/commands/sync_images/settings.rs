//! The command line of `sync-images` as settings of the pipeline, validated before anything is read or changed.

use std::path::Path;

use crate::cli::{Arguments, DryRun, OutputFormat, SyncArguments};
use crate::cluster::{self, Scope};
use crate::commands::discovery;
use crate::error::CommandError;
use crate::store::Limits;
use crate::sync::artifact::file;
use crate::sync::plan::prepare::Detail;
use crate::sync::settings::{Artifact, Artifacts, Ports, Settings, Stages};

/// The settings, with the content of the files that they name.
pub(in crate::commands) async fn read(
    arguments: &Arguments,
    sync: &SyncArguments,
) -> Result<Settings, CommandError> {
    let stages = Stages { discover: !sync.no_discover, mirror: !sync.no_mirror, rewrite: !sync.no_rewrite };
    let scope = arguments.connection.scope(sync.selection.selector.as_ref());
    check(sync, stages, &scope)?;
    let filter = discovery::filter(&sync.selection.filter, &sync.mirror)?;
    let manifests = discovery::read_manifests(&sync.files).await?;
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
        stages,
        scope,
        manifests,
        mirror: sync.mirror.settings(),
        replace: sync.replace.clone(),
        artifacts,
        detail: detail(sync),
        dry_run: dry_run.setting(),
        force: sync.force,
        limits: Limits { blobs: usize::from(sync.jobs), ..Limits::default() },
        rollout: sync.rollout.options(dry_run),
        filter,
    })
}

/// The clients for the settings; no request is sent yet.
pub(super) async fn ports(arguments: &Arguments, settings: &Settings) -> Result<Ports, CommandError> {
    let mut clusters = Vec::new();
    if settings.stages.need_cluster() {
        clusters.push(cluster::connect(&arguments.connection.flags(&settings.filter.knowledge)).await?);
    }
    Ok(Ports { clusters, network: arguments.network.settings() })
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

/// Images that are up to date are read too if the output shows details: that needs a request per manifest.
fn detail(sync: &SyncArguments) -> Detail {
    let is_told = matches!(sync.output, OutputFormat::Wide | OutputFormat::Json | OutputFormat::Yaml);
    if sync.lock.is_some() || is_told { Detail::Content } else { Detail::Digest }
}

/// Rejects combinations of flags without effect, so that none is silently ignored.
fn check(sync: &SyncArguments, stages: Stages, scope: &Scope) -> Result<(), CommandError> {
    let dry = sync.dry_run.dry_run != DryRun::None;
    let refused = |message: &str, hint: &str| Err(CommandError::with_hint(format!("error: {message}"), hint));
    if !stages.discover {
        if sync.inventory.is_none() && sync.plan.is_none() && sync.files.is_empty() {
            return refused("--no-discover requires images", "pass them with --inventory, --plan or -f");
        }
        if sync.inventory.is_some() && !sync.files.is_empty() {
            return refused(
                "--inventory cannot be used with --no-discover and -f",
                "pass -f on the machine that creates the inventory",
            );
        }
        if !stages.mirror {
            return refused(
                "--no-discover and --no-mirror cannot be used together",
                "--no-mirror needs the cluster to apply --lock",
            );
        }
    }
    if !stages.discover && stages.rewrite && !sync.files.is_empty() {
        return refused("--no-discover with -f only mirrors, and requires --no-rewrite", "add --no-rewrite");
    }
    if !stages.discover && !stages.rewrite && scope.is_narrowed() {
        return refused("-n and -l cannot be used without a cluster", "narrow with --only and --exclude");
    }
    if !stages.discover && sync.inventory.is_none() && sync.files.is_empty() {
        let fixed = [
            ("--registry", sync.mirror.registry.is_some()),
            ("--region", sync.mirror.region.is_some()),
            ("--only", !sync.selection.filter.only.is_empty()),
            ("--exclude", !sync.selection.filter.exclude.is_empty()),
        ];
        if let Some((flag, _)) = fixed.into_iter().find(|(_, given)| *given) {
            let message = format!("{flag} cannot be used with --plan, which contains it");
            return refused(&message, "pass it when the plan is created");
        }
    }
    if !stages.discover && sync.files.is_empty() && sync.plan.is_none() {
        let added = [
            ("--include-image", !sync.selection.filter.knowledge.include_images.is_empty()),
            ("--image-prefix", !sync.selection.filter.knowledge.image_prefixes.is_empty()),
            ("--knowledge", sync.selection.filter.knowledge.file.path.is_some()),
        ];
        if let Some((flag, _)) = added.into_iter().find(|(_, given)| *given) {
            let message = format!("{flag} cannot be used with --no-discover");
            return refused(&message, "pass it when the inventory is created");
        }
    }
    if !stages.mirror && sync.lock.is_some() && sync.mirror.registry.is_some() {
        return refused("--registry cannot be used with --lock", "the lock contains the registry");
    }
    if !stages.mirror && !sync.replace.is_empty() {
        return refused("--replace cannot be used with --no-mirror", "remove --no-mirror or --replace");
    }
    if !stages.mirror && sync.plan.is_some() {
        return refused("--plan cannot be used with --no-mirror", "remove --no-mirror or --plan");
    }
    if dry && stages.mirror && sync.lock.is_some() {
        return refused("--lock cannot be used with --dry-run", "save the plan with --plan FILE");
    }
    if !stages.mirror && !stages.rewrite && sync.lock.is_some() {
        return refused("--lock cannot be used with both --no-mirror and --no-rewrite", "remove one of them");
    }
    Ok(())
}
