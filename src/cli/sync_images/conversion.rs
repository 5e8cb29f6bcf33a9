//! The flags of `sync-images` as settings, and which of them go together.

use super::{AttestationMode, SyncArguments};
use crate::cli::{DryRun, OutputFormat};
use crate::cluster::Scope;
use crate::error::CommandError;
use crate::sync::plan::attestations::Attestations;
use crate::sync::plan::prepare::Detail;
use crate::sync::settings::Stages;

impl SyncArguments {
    pub fn stages(&self) -> Stages {
        Stages { discover: !self.no_discover, mirror: !self.no_mirror, rewrite: !self.no_rewrite }
    }

    pub const fn attestations(&self) -> Attestations {
        match self.attestations {
            AttestationMode::Keep => Attestations::Keep,
            AttestationMode::DropRefused => Attestations::DropRefused,
            AttestationMode::Drop => Attestations::Drop,
        }
    }

    /// Images that are up to date are read too if the output shows details: that needs a request per manifest.
    pub fn detail(&self) -> Detail {
        let shows_details =
            matches!(self.output, OutputFormat::Wide | OutputFormat::Json | OutputFormat::Yaml);
        if self.lock.is_some() || shows_details { Detail::Content } else { Detail::Digest }
    }

    /// Rejects combinations of flags without effect, so that none is silently ignored.
    pub fn check(&self, scope: &Scope) -> Result<(), CommandError> {
        let stages = self.stages();
        let dry = self.dry_run.dry_run != DryRun::None;
        let refused =
            |message: &str, hint: &str| Err(CommandError::with_hint(format!("error: {message}"), hint));
        if !stages.discover {
            if self.inventory.is_none() && self.plan.is_none() && self.files.is_empty() {
                return refused("--no-discover requires images", "pass them with --inventory, --plan or -f");
            }
            if self.inventory.is_some() && !self.files.is_empty() {
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
        if !stages.discover && stages.rewrite && !self.files.is_empty() {
            return refused(
                "--no-discover with -f only mirrors, and requires --no-rewrite",
                "add --no-rewrite",
            );
        }
        if !stages.discover && !stages.rewrite && scope.is_narrowed() {
            return refused("-n and -l cannot be used without a cluster", "narrow with --only and --exclude");
        }
        if !stages.discover && self.inventory.is_none() && self.files.is_empty() {
            let fixed = [
                ("--registry", self.mirror.registry.is_some()),
                ("--region", self.mirror.region.is_some()),
                ("--only", !self.selection.filter.only.is_empty()),
                ("--exclude", !self.selection.filter.exclude.is_empty()),
            ];
            if let Some((flag, _)) = fixed.into_iter().find(|(_, given)| *given) {
                let message = format!("{flag} cannot be used with --plan, which contains it");
                return refused(&message, "pass it when the plan is created");
            }
        }
        if !stages.discover && self.files.is_empty() && self.plan.is_none() {
            let added = [
                ("--include-image", !self.selection.filter.knowledge.include_images.is_empty()),
                ("--image-prefix", !self.selection.filter.knowledge.image_prefixes.is_empty()),
                ("--knowledge", self.selection.filter.knowledge.file.path.is_some()),
            ];
            if let Some((flag, _)) = added.into_iter().find(|(_, given)| *given) {
                let message = format!("{flag} cannot be used with --no-discover");
                return refused(&message, "pass it when the inventory is created");
            }
        }
        if !stages.rewrite && self.include_cni {
            return refused(
                "--include-cni cannot be used with --no-rewrite",
                "its images are mirrored without it",
            );
        }
        if !stages.mirror && self.lock.is_some() && self.mirror.registry.is_some() {
            return refused("--registry cannot be used with --lock", "the lock contains the registry");
        }
        if !stages.mirror && !self.replace.is_empty() {
            return refused("--replace cannot be used with --no-mirror", "remove --no-mirror or --replace");
        }
        if !stages.mirror && !matches!(self.attestations, AttestationMode::DropRefused) {
            return refused(
                "--attestations cannot be used with --no-mirror",
                "remove --no-mirror or --attestations",
            );
        }
        if !stages.mirror && self.plan.is_some() {
            return refused("--plan cannot be used with --no-mirror", "remove --no-mirror or --plan");
        }
        if dry && stages.mirror && self.lock.is_some() {
            return refused("--lock cannot be used with --dry-run", "save the plan with --plan FILE");
        }
        if !stages.mirror && !stages.rewrite && self.lock.is_some() {
            return refused(
                "--lock cannot be used with both --no-mirror and --no-rewrite",
                "remove one of them",
            );
        }
        Ok(())
    }
}
