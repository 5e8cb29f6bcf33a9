//! `values kustomize` and `values patches`: what a GitOps repository takes.

use serde_json::Value;

use super::named_images;
use crate::cli::{Arguments, NamingArguments};
use crate::commands::{CommandError, Ending};
use crate::output;
use crate::persist::kustomize::{self, Gap};

pub(super) async fn kustomize(
    arguments: &Arguments,
    wanted: &NamingArguments,
) -> Result<Ending, CommandError> {
    let mut images = named_images::read(arguments, wanted).await?;
    images.refuse_nothing()?;
    let ending = named_images::leave_out(&mut images, false);
    for Gap { workload, field, why, image } in kustomize::gaps(&images.assignments) {
        output::warning(&format!(
            "{why}: {field} of {workload} in namespace {} has to become {image}",
            workload.namespace
        ));
    }
    let comment =
        "# Part of a kustomization.yaml. Mirror new versions with sync-images before they are rolled out.\n";
    print(comment, &kustomize::images(&images.assignments))?;
    Ok(ending)
}

pub(super) async fn patches(arguments: &Arguments, wanted: &NamingArguments) -> Result<Ending, CommandError> {
    let mut images = named_images::read(arguments, wanted).await?;
    images.refuse_nothing()?;
    let ending = named_images::leave_out(&mut images, false);
    let comment = "# Part of a kustomization.yaml. These patches name tags: make them anew for each version, or use\n\
                   # `values kustomize`, which names none.\n";
    print(comment, &kustomize::patches(&images.snapshot.workloads, &images.assignments))?;
    Ok(ending)
}

fn print(comment: &str, value: &Value) -> std::io::Result<()> {
    output::result(&format!("{comment}{}", output::yaml(value)?))
}
