//! What the user asked for, checked before anything is touched.

use crate::cli::{DryRun, SyncArguments};
use crate::commands::survey::Survey;
use crate::commands::{CommandError, discovery, handed_over, question};
use crate::model::image::Mirror;
use crate::model::inventory::Inventory;
use crate::model::lock::Lock;
use crate::model::plan::Plan;
use crate::output::table::{bytes, count};
use crate::sync::discover::ImageFilter;
use crate::sync::discover::manifests::Manifest;

/// Which parts of the pipeline run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Halves {
    pub(super) discover: bool,
    pub(super) mirror: bool,
    pub(super) rewrite: bool,
}

/// The command line with its files read.
pub(super) struct Request {
    pub(super) halves: Halves,
    pub(super) filter: ImageFilter,
    pub(super) manifests: Vec<Manifest>,
    /// Read, not written: the part that would make it is left out.
    pub(super) inventory: Option<Inventory>,
    pub(super) plan: Option<Plan>,
    pub(super) lock: Option<Lock>,
}

impl Request {
    pub(super) async fn read(sync: &SyncArguments, narrowing: Narrowing) -> Result<Self, CommandError> {
        let halves =
            Halves { discover: !sync.no_discover, mirror: !sync.no_mirror, rewrite: !sync.no_rewrite };
        check(sync, halves, narrowing)?;
        let filter = discovery::filter(&sync.selection)?;
        let manifests = discovery::read_manifests(&sync.files).await?;
        let reads_plan = sync.no_discover && sync.inventory.is_none() && sync.files.is_empty();
        let inventory = match &sync.inventory {
            Some(path) if sync.no_discover => Some(handed_over::read_inventory(path)?),
            _ => None,
        };
        let plan = match &sync.plan {
            Some(path) if reads_plan => Some(handed_over::read_plan(path, &sync.maps, &filter.knowledge)?),
            _ => None,
        };
        let lock = match &sync.lock {
            Some(path) if sync.no_mirror => Some(handed_over::read_lock(path, &sync.maps)?),
            _ => None,
        };
        Ok(Self { halves, filter, manifests, inventory, plan, lock })
    }

    /// The mirror that is meant, as far as it is known without AWS: private names are read back below it alone.
    pub(super) fn mirror(&self, sync: &SyncArguments, cluster: Option<&Survey>) -> Option<Mirror> {
        let planned = self.plan.as_ref().and_then(|plan| plan.destinations.first()).map(|plan| &plan.mirror);
        let locked = self.lock.as_ref().and_then(|lock| lock.destinations.first()).map(|lock| &lock.mirror);
        match planned.or(locked).or(sync.registry.as_ref()) {
            Some(mirror) => Some(mirror.clone()),
            None => cluster?.default_mirror(sync.region.as_deref()),
        }
    }
}

/// Flags that narrow what is looked at in a cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narrowing {
    pub(super) namespace: bool,
    pub(super) selector: bool,
}

/// Combinations that mean nothing are refused, so that none is silently ignored.
fn check(sync: &SyncArguments, halves: Halves, narrowing: Narrowing) -> Result<(), CommandError> {
    let dry = sync.dry_run != DryRun::None;
    let refused = |message: &str, hint: &str| Err(CommandError::with_hint(format!("error: {message}"), hint));
    if !halves.discover {
        if sync.inventory.is_none() && sync.plan.is_none() && sync.files.is_empty() {
            return refused(
                "--no-discover leaves no images to work on",
                "give them with --inventory, --plan or -f",
            );
        }
        if sync.inventory.is_some() && !sync.files.is_empty() {
            return refused(
                "--inventory is read because of --no-discover, and cannot be joined with -f",
                "make the inventory with -f on the machine that discovers",
            );
        }
        if !halves.mirror {
            return refused(
                "--no-discover and --no-mirror leave nothing to do",
                "with --no-mirror the cluster is looked at to see what --lock applies to",
            );
        }
    }
    if !halves.discover && halves.rewrite && !sync.files.is_empty() {
        return refused(
            "with --no-discover, -f only mirrors: no workload of the cluster is looked at",
            "add --no-rewrite",
        );
    }
    if !halves.discover && !halves.rewrite && (narrowing.namespace || narrowing.selector) {
        return refused(
            "-n and -l have no use where no cluster is looked at",
            "narrow with --only and --exclude",
        );
    }
    if !halves.discover && sync.inventory.is_none() && sync.files.is_empty() {
        let fixed = [
            ("--registry", sync.registry.is_some()),
            ("--region", sync.region.is_some()),
            ("--only", !sync.selection.only.is_empty()),
            ("--exclude", !sync.selection.exclude.is_empty()),
        ];
        if let Some((flag, _)) = fixed.into_iter().find(|(_, given)| *given) {
            let message =
                format!("{flag} has no use where --plan is carried out: the plan has decided on it");
            return refused(&message, "give it where the plan is made");
        }
    }
    if !halves.discover && sync.files.is_empty() && sync.plan.is_none() {
        let added = [
            ("--include-image", !sync.selection.include_images.is_empty()),
            ("--image-prefix", !sync.selection.image_prefixes.is_empty()),
            ("--knowledge", sync.selection.knowledge.is_some()),
        ];
        if let Some((flag, _)) = added.into_iter().find(|(_, given)| *given) {
            let message = format!("{flag} has no use where no images are looked for");
            return refused(&message, "give it where the inventory is made");
        }
    }
    if !halves.mirror && sync.lock.is_some() && sync.registry.is_some() {
        return refused(
            "--registry has no use where --lock is read",
            "the lock names the registry that it proves",
        );
    }
    if !halves.mirror && !sync.replace.is_empty() {
        return refused("--replace has no use with --no-mirror", "no tag is moved where nothing is copied");
    }
    if !halves.mirror && sync.plan.is_some() {
        return refused("--plan has no use with --no-mirror", "nothing is planned where nothing is copied");
    }
    if dry && halves.mirror && sync.lock.is_some() {
        return refused(
            "--lock is not written by a dry run",
            "nothing is verified; --plan FILE keeps the plan",
        );
    }
    if !halves.mirror && !halves.rewrite && sync.lock.is_some() {
        return refused("--lock has no use with --no-mirror and --no-rewrite", "leave one of them out");
    }
    Ok(())
}

/// Asks before anything is changed, on a terminal, after `show` has shown it; elsewhere somebody must have said yes.
pub(super) async fn confirm(
    sync: &SyncArguments,
    (images, size): (usize, u64),
    workloads: usize,
    mirror: Option<&Mirror>,
    show: impl FnOnce(),
) -> Result<bool, CommandError> {
    if sync.yes || (images == 0 && workloads == 0) {
        return Ok(true);
    }
    let place = mirror.map_or_else(|| "the registry".to_owned(), ToString::to_string);
    let size = if size == 0 { "their layers are there".to_owned() } else { bytes(size) };
    let copying = (images > 0).then(|| format!("copy {} ({size}) to {place}", count(images, "image")));
    let rewriting = (workloads > 0).then(|| format!("change {}", count(workloads, "workload")));
    let work = copying.into_iter().chain(rewriting).collect::<Vec<_>>().join(" and ");
    question::ask(work, show).await
}
