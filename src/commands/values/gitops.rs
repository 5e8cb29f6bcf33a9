//! `values kustomize` and `values patches`: files for a GitOps repository.

use serde_json::Value;

use super::named_images;
use crate::cli::{Arguments, NamingArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::output;
use crate::persist::kustomize::{self, Gap};
use crate::persist::named::NamedImages;

pub(super) async fn kustomize(
    arguments: &Arguments,
    wanted: &NamingArguments,
) -> Result<ExitStatus, CommandError> {
    let (images, mut exit_status) = read(arguments, wanted).await?;
    for Gap { workload, field, why, image } in kustomize::gaps(&images.assignments) {
        // The image stays public, as one that `values helm` does not cover.
        exit_status = ExitStatus::Attention;
        output::warning(&format!(
            "{why}: {field} of {workload} in namespace {} has to become {image}",
            workload.namespace
        ));
    }
    let comment =
        "# Part of a kustomization.yaml. Mirror new versions with sync-images before the rollout.\n";
    print(comment, &kustomize::images(&images.assignments))?;
    output::inventory::incomplete(&images.unlisted, &images.unreadable);
    Ok(exit_status)
}

pub(super) async fn patches(
    arguments: &Arguments,
    wanted: &NamingArguments,
) -> Result<ExitStatus, CommandError> {
    let (images, exit_status) = read(arguments, wanted).await?;
    let comment = "# Part of a kustomization.yaml. These patches include tags: create them again for each \
                   version, or use\n# `values kustomize`, which includes none.\n";
    print(comment, &kustomize::patches(&images.snapshot.workloads, &images.assignments, &images.knowledge))?;
    output::inventory::incomplete(&images.unlisted, &images.unreadable);
    Ok(exit_status)
}

async fn read(
    arguments: &Arguments,
    wanted: &NamingArguments,
) -> Result<(NamedImages, ExitStatus), CommandError> {
    let mut images = named_images::read(arguments, wanted).await?;
    images.refuse_nothing()?;
    let named = named_images::remove_not_renamed(&mut images, false);
    let in_registry = named_images::check_registry(arguments, &images).await;
    Ok((images, if named == ExitStatus::Done { in_registry } else { named }))
}

fn print(comment: &str, value: &Value) -> std::io::Result<()> {
    output::result(&format!("{comment}{}", output::yaml(value)?))
}
