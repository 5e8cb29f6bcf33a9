//! `values helm`: a values file per release, and a merge patch per component of Cast AI's operator.

use std::collections::BTreeMap;
use std::path::Path;

use super::named_images;
use crate::atomic_file;
use crate::cli::{Arguments, HelmArguments};
use crate::commands::{CommandError, ExitStatus};
use crate::output;
use crate::persist::helm;
use crate::persist::helm::document::{Document, component, document};

pub(super) async fn run(arguments: &Arguments, wanted: &HelmArguments) -> Result<ExitStatus, CommandError> {
    let images = named_images::read(arguments, &wanted.naming).await?;
    images.refuse_nothing()?;
    let decided = images
        .snapshot
        .releases
        .iter()
        .filter_map(|release| helm::values(release, images.naming(), &images.assignments))
        // While a release is being upgraded, its newest revision comes last.
        .map(|values| (values.release.clone(), values))
        .collect::<BTreeMap<_, _>>();
    if decided.is_empty() {
        return Err(CommandError::with_hint(
            "error: no Helm release of Cast AI found",
            "Helm stores releases in Secrets, which must be listable (`permissions rbac`); for Argo CD set \
             the keys of docs/persist.md in the Application, or use `values policy`; without Helm use \
             `values kustomize`",
        ));
    }
    let mut documents: Vec<_> = decided.values().map(document).collect();
    let mut exit_status = if images.is_incomplete() { ExitStatus::Attention } else { ExitStatus::Done };
    for values in decided.values() {
        let name = format!("Helm release {} in namespace {}", values.release.name, values.release.namespace);
        for gap in &values.gaps {
            exit_status = ExitStatus::Attention;
            let policy = if gap.is_for_policy {
                "; `values policy` can rename it when its pod is created"
            } else {
                ""
            };
            output::warning(&format!("{name}: {}{policy}", gap.why));
        }
        for note in &values.notes {
            output::warning(&format!("{name}: {note}"));
        }
    }
    for resource in images.snapshot.resources.iter().filter(|resource| resource.definition.installs.is_some())
    {
        if let Some(document) = component(resource, &decided) {
            documents.push(document);
        } else {
            exit_status = ExitStatus::Attention;
            output::warning(&format!(
                "{}/{} in namespace {} has no Helm release yet that would show its images: run this again once its \
                 operator has installed it",
                resource.definition.singular(),
                resource.name,
                resource.namespace
            ));
        }
    }
    if let Some(directory) = &wanted.directory {
        for document in &documents {
            let path = write(directory, document)?;
            output::result(&format!("{path}\n"))?;
        }
    } else {
        let texts = documents.iter().map(text).collect::<std::io::Result<Vec<_>>>()?;
        output::result(&texts.join("---\n"))?;
    }
    output::inventory::incomplete(&images.unlisted, &images.unreadable);
    Ok(exit_status)
}

fn text(document: &Document) -> std::io::Result<String> {
    Ok(format!("{}{}", document.comment, output::yaml(&document.value)?))
}

/// Atomically writes a file, and returns its path. A link of this name is replaced, not followed.
fn write(directory: &Path, document: &Document) -> Result<String, CommandError> {
    let path = directory.join(&document.file);
    let shown = path.display().to_string();
    let text = text(document)?;
    std::fs::create_dir_all(directory)
        .and_then(|()| atomic_file::replace(&path, text.as_bytes()))
        .map_err(|error| CommandError::new(format!("error: writing {shown}: {error}")))?;
    Ok(shown)
}
