//! `values helm`: a values file per release, and a merge patch per component of Cast AI's operator.

mod rendered;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::named_images;
use crate::atomic_file;
use crate::cli::{Arguments, HelmArguments};
use crate::cluster::release::ReleaseName;
use crate::commands::{CommandError, ExitStatus};
use crate::output;
use crate::persist::helm::document::{Document, Occasion, component, document, is_readonly};
use crate::persist::helm::{self, ReleaseValues};
use crate::persist::named::NamedImages;
use crate::sync::discover::listed_releases;

/// How to get the values of a release that is not stored in the cluster.
const GET_MANIFEST: &str = "pipe `helm get manifest RELEASE` to `values helm -f -`";

pub(super) async fn run(arguments: &Arguments, wanted: &HelmArguments) -> Result<ExitStatus, CommandError> {
    if !wanted.files.is_empty() {
        return Box::pin(rendered::run(arguments, wanted)).await;
    }
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
    let not_stored = &images.snapshot.releases_not_stored;
    if decided.is_empty() {
        return Err(no_release(not_stored, images.snapshot.releases_forbidden));
    }
    let mut exit_status = if images.is_incomplete() { ExitStatus::Attention } else { ExitStatus::Done };
    if !not_stored.is_empty() {
        exit_status = ExitStatus::Attention;
        output::warning(&format!("{}; {GET_MANIFEST}", not_in_cluster(not_stored)));
    }
    exit_status = report(decided.values(), exit_status);
    let mut documents: Vec<_> = decided.values().map(|values| document(values, Occasion::Upgrade)).collect();
    exit_status = add_components(&images, &decided, &mut documents, exit_status);
    print(&documents, wanted)?;
    output::inventory::incomplete(&images.unlisted, &images.unreadable);
    Ok(exit_status)
}

/// Adds a patch for each component of Cast AI's operator, and says what it requires.
fn add_components(
    images: &NamedImages,
    decided: &BTreeMap<ReleaseName, ReleaseValues>,
    documents: &mut Vec<Document>,
    mut exit_status: ExitStatus,
) -> ExitStatus {
    let mut notes = BTreeSet::new();
    for resource in images.snapshot.resources.iter().filter(|resource| resource.definition.installs.is_some())
    {
        let name = format!(
            "{}/{} in namespace {}",
            resource.definition.singular(),
            resource.name,
            resource.namespace
        );
        let Some(document) = component(resource, decided) else {
            exit_status = ExitStatus::Attention;
            output::warning(&format!(
                "{name} has no Helm release yet that would show its images: run this again once its operator has \
                 installed it"
            ));
            continue;
        };
        documents.push(document);
        notes.extend(resource.definition.on_change.as_ref());
        if is_readonly(resource) {
            exit_status = ExitStatus::Attention;
            output::warning(&format!(
                "{name} is readonly, so its patch would be rejected: use `values policy` until its owner changes that"
            ));
        }
    }
    for note in notes {
        output::say(&format!("note: {note}"));
    }
    exit_status
}

/// Warns about what the values do not cover.
fn report<'v>(decided: impl Iterator<Item = &'v ReleaseValues>, mut exit_status: ExitStatus) -> ExitStatus {
    for values in decided {
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
    exit_status
}

/// Prints the documents, or writes them into the directory that the user named.
fn print(documents: &[Document], wanted: &HelmArguments) -> Result<(), CommandError> {
    if let Some(directory) = &wanted.directory {
        for document in documents {
            let path = write(directory, document)?;
            output::result(&format!("{path}\n"))?;
        }
    } else {
        let texts = documents.iter().map(text).collect::<std::io::Result<Vec<_>>>()?;
        output::result(&texts.join("---\n"))?;
    }
    Ok(())
}

/// Where the releases are that Helm's SQL driver stores.
fn not_in_cluster(releases: &[(String, String)]) -> String {
    format!(
        "Helm releases that are not stored in Secrets or ConfigMaps cannot be read (HELM_DRIVER=sql?): {}",
        listed_releases(releases)
    )
}

/// Why there is nothing to print values for.
fn no_release(not_stored: &[(String, String)], is_forbidden: bool) -> CommandError {
    let message = "error: no Helm release of Cast AI found";
    if !not_stored.is_empty() {
        let hint =
            format!("{}; {GET_MANIFEST}; without Helm use `values kustomize`", not_in_cluster(not_stored));
        return CommandError::with_hint(message, hint);
    }
    if is_forbidden {
        let hint = "Helm stores releases in Secrets, which must be listable: grant the role of `kubectl \
                    castai-privatelink permissions rbac` and run again";
        return CommandError::with_hint(message, hint);
    }
    CommandError::with_hint(message, WITHOUT_RELEASE)
}

const WITHOUT_RELEASE: &str = concat!(
    "before the installation, run `helm template … | kubectl castai-privatelink values helm -f -`; with Argo CD, see ",
    env!("CARGO_PKG_REPOSITORY"),
    "/blob/main/docs/persist.md; without Helm, run `kubectl castai-privatelink values kustomize`",
);

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
