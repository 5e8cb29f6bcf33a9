//! Converts the flags that select images, and reads the files that they name.

use std::path::PathBuf;

use super::CommandError;
use crate::cli::{
    Arguments, FilterArguments, KnowledgeArguments, KnowledgeFileArguments, MirrorArguments,
    SelectionArguments,
};
use crate::model::knowledge::Knowledge;
use crate::output;
use crate::parse::documents;
use crate::sync::discover::ImageFilter;
use crate::sync::discover::manifests::{self, Manifest};

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
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::new(format!("error: reading --knowledge {shown}: {error}")))?;
    let wrong = |why: String| {
        let message = format!("error: --knowledge {shown}: {why}");
        CommandError::with_hint(message, KNOWLEDGE_FILE)
    };
    let mut documents = documents::read(&text).map_err(|fault| wrong(fault.why))?;
    match (documents.pop(), documents.is_empty()) {
        (Some(document), true) => Knowledge::read(document.value).map_err(wrong),
        (None, _) => Err(wrong("the file is empty".to_owned())),
        (Some(_), false) => Err(wrong("expected one document, found several".to_owned())),
    }
}

/// Reads the manifests of `-f`. Reading standard input may block, and Ctrl-C must work meanwhile.
pub(super) async fn read_manifests(files: &[PathBuf]) -> Result<Vec<Manifest>, CommandError> {
    let files = files.to_vec();
    let read = tokio::task::spawn_blocking(move || -> Result<Vec<_>, manifests::Error> {
        let mut all = Vec::new();
        for file in files {
            let file = file.to_string_lossy();
            let mut found = manifests::read(&file)?;
            if found.is_empty() {
                output::warning(&format!(
                    "{file} has no Kubernetes object with containers: render charts with helm template first"
                ));
            }
            all.append(&mut found);
        }
        Ok(all)
    });
    read.await.map_err(std::io::Error::other)?.map_err(CommandError::from)
}

/// What was searched, for the message that nothing was found.
pub(super) fn place(arguments: &Arguments, cluster: Option<&str>) -> String {
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
        ("-l", selection.selector.is_some()),
        ("--only", !selection.filter.only.is_empty()),
        ("--exclude", !selection.filter.exclude.is_empty()),
    ];
    let given: Vec<_> = flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
    (!given.is_empty()).then(|| format!("remove or change {}", given.join(" and ")))
}
