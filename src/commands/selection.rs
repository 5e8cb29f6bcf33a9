//! Converts the flags that select images, and reads the files that they name.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::CommandError;
use crate::cli::{
    Arguments, FilterArguments, KnowledgeArguments, KnowledgeFileArguments, MirrorArguments,
    SelectionArguments,
};
use crate::model::knowledge::Knowledge;
use crate::model::repository_settings::RepositorySettings;
use crate::output;
use crate::parse::{documents, encoding};
use crate::sync::discover::ImageFilter;
use crate::sync::discover::manifests::kustomization::image_changes;
use crate::sync::discover::manifests::{self, Manifest, Parsed};
use crate::sync::public::{PublicImage, public_images};

/// The filter from the flags and the `--knowledge` file.
pub(super) fn filter(
    wanted: &FilterArguments,
    mirror: &MirrorArguments,
) -> Result<ImageFilter, CommandError> {
    let filter = ImageFilter::new(&wanted.only, &wanted.exclude)
        .map_err(|error| CommandError::new(format!("error: --only or --exclude: {error}")))?;
    Ok(filter.with(knowledge(&wanted.knowledge)?).mapped(mirror.maps.clone()))
}

/// Our knowledge of Cast AI, with the additions of flags and the `--knowledge` file.
pub(super) fn knowledge(wanted: &KnowledgeArguments) -> Result<Knowledge, CommandError> {
    let mut knowledge = knowledge_file(&wanted.file)?;
    knowledge.image_prefixes.extend(wanted.image_prefixes.iter().cloned());
    knowledge.images.extend(wanted.include_images.iter().cloned());
    Ok(knowledge)
}

/// Where the documentation is that users of a released binary have.
const KNOWLEDGE_FILE: &str =
    concat!("the format is described at ", env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/images.md");

/// What the file of `--knowledge` adds.
pub(super) fn knowledge_file(wanted: &KnowledgeFileArguments) -> Result<Knowledge, CommandError> {
    let Some(path) = &wanted.path else { return Ok(Knowledge::default()) };
    document("--knowledge", path, KNOWLEDGE_FILE, Knowledge::read)
}

/// Where their fields are documented.
const REPOSITORY_SETTINGS_FILE: &str = concat!(
    "the format is described at ",
    env!("CARGO_PKG_REPOSITORY"),
    "/blob/main/docs/registries.md#settings-of-new-repositories"
);

/// The settings of the `--repository-settings` file.
pub(super) fn repository_settings(path: Option<&Path>) -> Result<RepositorySettings, CommandError> {
    let Some(path) = path else { return Ok(RepositorySettings::default()) };
    document("--repository-settings", path, REPOSITORY_SETTINGS_FILE, RepositorySettings::read)
}

/// The only document of the file that `flag` names.
fn document<T>(
    flag: &str,
    path: &Path,
    format: &str,
    read: impl FnOnce(Value) -> Result<T, String>,
) -> Result<T, CommandError> {
    let shown = path.display();
    let reading = |error: &dyn Display| format!("error: reading {flag} {shown}: {error}");
    let bytes = std::fs::read(path).map_err(|error| CommandError::new(reading(&error)))?;
    let text =
        encoding::decode(bytes).map_err(|error| CommandError::with_hint(reading(&error), error.hint()))?;
    let wrong = |why: String| {
        let message = format!("error: {flag} {shown}: {why}");
        CommandError::with_hint(message, format)
    };
    let mut documents = documents::read(&text).map_err(|fault| wrong(fault.why))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => read(document.value).map_err(wrong),
        (None, _) => Err(wrong("the file is empty".to_owned())),
        (Some(_), false) => Err(wrong("expected one document, found several".to_owned())),
    }
}

/// What the files of `-f` contain.
#[derive(Default)]
pub(super) struct GivenManifests {
    pub(super) manifests: Vec<Manifest>,
    /// Images of Cast AI in all fields.
    pub(super) public: Vec<PublicImage>,
}

/// Reads the manifests of `-f`. Reading standard input may block, and Ctrl-C must work meanwhile.
pub(super) async fn read_manifests(
    files: &[PathBuf],
    knowledge: &Knowledge,
) -> Result<GivenManifests, CommandError> {
    let (files, knowledge) = (files.to_vec(), knowledge.clone());
    let read = tokio::task::spawn_blocking(move || -> Result<_, manifests::Error> {
        let (mut given, mut skipped) = (GivenManifests::default(), Vec::new());
        for file in files {
            let file = file.to_string_lossy();
            let (mut is_empty, mut is_blank) = (true, true);
            for text in manifests::texts(&file)? {
                let Parsed { manifests, without_pod_spec } = manifests::parse(&text.path, &text.text)?;
                let mut public = Vec::new();
                match image_changes(&text.path, &text.text) {
                    Some(changes) => warn_of_kustomization(&text.path, &changes),
                    None => public = public_images(&text.path, &text.text, &knowledge),
                }
                is_blank &= text.text.trim().is_empty();
                is_empty &= manifests.is_empty() && without_pod_spec.is_empty() && public.is_empty();
                given.manifests.extend(manifests);
                given.public.extend(public);
                skipped.extend(without_pod_spec);
            }
            if is_empty && is_blank && file == "-" {
                output::warning("standard input is empty: check the command before the pipe");
            } else if is_empty {
                output::warning(&format!(
                    "{file} has no Kubernetes object with containers: render charts with helm template first"
                ));
            }
        }
        Ok((given, skipped))
    });
    let (given, without_pod_spec) = read.await.map_err(std::io::Error::other)?.map_err(CommandError::from)?;
    note_skipped(&without_pod_spec);
    Ok(given)
}

/// Warns that the files which a kustomization names are read as they are.
fn warn_of_kustomization(path: &str, changes: &[&str]) {
    if changes.is_empty() {
        return;
    }
    let folder = Path::new(path).parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let folder = if folder.is_empty() { ".".to_owned() } else { folder };
    output::warning(&format!(
        "{path} may change images (with {}), but is not built: pass the result of `kubectl kustomize {folder}` to -f -",
        changes.join(", ")
    ));
}

/// Notes the workloads that have no pod spec.
pub(super) fn note_skipped(without_pod_spec: &[String]) {
    if let Some(note) = manifests::skipped(without_pod_spec) {
        output::say(&note);
    }
}

/// What was searched, for the message that nothing was found.
pub(super) fn searched(arguments: &Arguments, cluster: Option<&str>) -> String {
    match cluster {
        Some(cluster) => match &arguments.connection.namespace {
            Some(namespace) => format!("in namespace {namespace} of cluster {cluster}"),
            None => format!("in cluster {cluster}"),
        },
        None => "in the files given".to_owned(),
    }
}

/// What to widen if nothing was found and the user narrowed the search.
pub(super) fn narrowing(arguments: &Arguments, selection: &SelectionArguments) -> Option<String> {
    let flags = [
        ("-n", arguments.connection.namespace.is_some()),
        ("-l", selection.selector().is_some()),
        ("--only", !selection.filter.only.is_empty()),
        ("--exclude", !selection.filter.exclude.is_empty()),
    ];
    let given: Vec<_> = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
    (!given.is_empty()).then(|| format!("remove or change {}", given.join(" and ")))
}
