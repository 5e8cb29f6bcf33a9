//! `--rewrite-only`: manifests with private images on standard output, and no change of cluster or registry.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::images;
use super::request::Narrowing;
use crate::cli::{Arguments, OutputFormat, SyncArguments};
use crate::commands::scene::{self, Scene};
use crate::commands::{CommandError, Ending, discovery, handed_over, registry};
use crate::event::Observer;
use crate::model::image::Mirror;
use crate::model::inventory::{Cluster, Inventory, Place};
use crate::model::lock::Lock;
use crate::output;
use crate::parse::documents::{self, Format};
use crate::sync::discover::manifests::{self, Manifest, Text};
use crate::sync::discover::{Found, ImageFilter, discover};
use crate::sync::plan::assignment::{Assignment, Source, assign};
use crate::sync::plan::decide::{Target, targets};
use crate::sync::presence::{Missing, Why, missing, unproven};
use crate::sync::rewrite::text::{self, Edit};

/// A text of manifests, and the pod specs in it.
struct Part {
    text: Text,
    /// None where there is no document in it.
    format: Option<Format>,
    manifests: Vec<Manifest>,
}

pub(super) async fn run(
    arguments: &Arguments,
    sync: &SyncArguments,
    narrowing: Narrowing,
    observer: Observer<'_>,
) -> Result<Ending, CommandError> {
    check(sync, narrowing)?;
    let filter = discovery::filter(&sync.selection)?;
    let read_lock = |path| handed_over::read_lock(path, &sync.maps);
    let lock: Option<Lock> = sync.lock.as_deref().map(read_lock).transpose()?;
    let parts = read(sync).await?;
    let format = format(sync, &parts)?;

    // The cluster only says which registry is meant, where nobody else does.
    let clusters = match (&lock, &sync.registry) {
        (None, None) => {
            let connection = scene::connect(arguments).await?;
            vec![Scene::of(&connection).await?.cluster(sync.region.as_deref())]
        }
        _ => Vec::new(),
    };
    let inventory = inventory_of(parts.iter().flat_map(|part| &part.manifests), &filter, clusters);
    inventory.notes.iter().for_each(|note| output::warning(note));
    if inventory.images.is_empty() {
        output::warning("no image was found in the manifests: they are printed as they are");
        return print(parts.into_iter().map(|part| part.text.text).collect(), format);
    }
    let mirror = match &lock {
        Some(lock) => images::locked_mirror(lock)?.clone(),
        None => images::chosen_mirror(arguments, sync, &inventory, None).await?,
    };
    registry::refuse_maps(&mirror, &sync.maps)?;
    let filter = filter.below(Some(mirror.clone()));

    // Each manifest is decided on by itself: another one of its name may have other records.
    let region = images::region(sync, &inventory, &mirror);
    let mut assignments = Vec::new();
    let (mut texts, mut lost) = (Vec::new(), Vec::new());
    for Part { text: read, manifests, .. } in &parts {
        let mut edits = Vec::new();
        for manifest in manifests {
            let inventory = inventory_of([manifest], &filter, Vec::new());
            let own = assign(&inventory, &mirror, &sync.maps, region.as_deref());
            edits.extend(text::edits(manifest, &own));
            let advice = text::lost_scanners(manifest, &own).into_iter();
            lost.extend(advice.map(|advice| format!("error: {}: {advice}", read.path)));
            assignments.extend(own);
        }
        texts.push(rewritten(read, &edits)?);
    }
    tell_left_alone(&assignments);
    let targets = targets(assignments);
    let missing = if let Some(lock) = &lock {
        unproven(lock, &targets)
    } else {
        let (client, destination) = registry::open(arguments, &mirror, observer).await?;
        missing(&client, &destination, &mirror, &targets)
            .await
            .map_err(|error| CommandError::new(format!("error: {error}")))?
    };
    if missing.is_empty() && lost.is_empty() {
        return print(texts, format);
    }
    for line in &lost {
        output::say(line);
    }
    if missing.is_empty() {
        output::error("error: nothing is printed, because kvisor's scans would fail", None);
    } else {
        tell_missing(sync, &mirror, &missing);
    }
    Ok(Ending::Attention)
}

/// Flags that clap cannot tell from their defaults, or that are about the cluster.
fn check(sync: &SyncArguments, narrowing: Narrowing) -> Result<(), CommandError> {
    let refused = |message: &str, hint: &str| Err(CommandError::with_hint(format!("error: {message}"), hint));
    if sync.files.is_empty() {
        return refused(
            "--rewrite-only needs manifests",
            "give them with -f: a file, a directory, or - for standard input",
        );
    }
    if narrowing.namespace {
        return refused("-n has no use with --rewrite-only", "narrow with --only and --exclude");
    }
    if sync.lock.is_some() && sync.registry.is_some() {
        return refused(
            "--registry has no use where --lock is read",
            "the lock names the registry that it proves",
        );
    }
    if !matches!(sync.output, OutputFormat::Yaml | OutputFormat::Json) {
        return refused(
            "--rewrite-only prints manifests, so that it takes -o yaml or -o json alone",
            "add -o yaml, or -o json where they are JSON",
        );
    }
    Ok(())
}

async fn read(sync: &SyncArguments) -> Result<Vec<Part>, CommandError> {
    let files = sync.files.clone();
    // Standard input may be a person who types, and Ctrl-C must be heard meanwhile.
    let read = tokio::task::spawn_blocking(move || -> Result<Vec<Part>, manifests::Error> {
        let mut parts = Vec::new();
        for file in files {
            for text in manifests::texts(&file.to_string_lossy())? {
                let manifests = manifests::parse(&text.path, &text.text)?;
                let documents = documents::read(&text.text).unwrap_or_default();
                parts.push(Part {
                    format: documents.first().map(|document| document.format),
                    text,
                    manifests,
                });
            }
        }
        Ok(parts)
    });
    read.await.map_err(std::io::Error::other)?.map_err(|error| CommandError::new(format!("error: {error}")))
}

/// What is printed has the format of what was read.
fn format(sync: &SyncArguments, parts: &[Part]) -> Result<Format, CommandError> {
    let of = |format| parts.iter().find(|part| part.format == Some(format));
    match (of(Format::Json), of(Format::Yaml)) {
        (None, None) => Err(CommandError::new("error: there is no manifest in what was given with -f")),
        (Some(json), Some(yaml)) => {
            let (json, yaml) = (&json.text.path, &yaml.text.path);
            let message = format!("error: {json} is JSON and {yaml} is YAML, which make no text together");
            Err(CommandError::with_hint(message, "give them one after the other"))
        }
        (None, Some(yaml)) if sync.output == OutputFormat::Json => {
            let message = format!("error: {} is YAML, and is printed as it is written", yaml.text.path);
            Err(CommandError::with_hint(message, "say -o yaml"))
        }
        (Some(_), None) => Ok(Format::Json),
        (None, Some(_)) => Ok(Format::Yaml),
    }
}

fn inventory_of<'m>(
    manifests: impl IntoIterator<Item = &'m Manifest>,
    filter: &ImageFilter,
    clusters: Vec<Cluster>,
) -> Inventory {
    let manifests: Vec<Manifest> = manifests.into_iter().cloned().collect();
    let found = Found { manifests: &manifests, ..Found::default() };
    discover(clusters, found, filter, Vec::new(), Timestamp::now())
}

fn rewritten(read: &Text, edits: &[Edit]) -> Result<String, CommandError> {
    text::rewrite(&read.text, edits)
        .map_err(|refused| CommandError::new(format!("error: {}: {refused}", read.path)))
}

/// All at once: whoever reads must not act on a part.
fn print(texts: Vec<String>, format: Format) -> Result<Ending, CommandError> {
    output::verbatim(&text::join(texts, format))?;
    Ok(Ending::Done)
}

fn tell_left_alone(assignments: &[Assignment]) {
    let left_alone: BTreeSet<String> = assignments
        .iter()
        .filter_map(|assignment| match &assignment.source {
            Source::Reachable(why) => Some(format!("note: {} is left alone: {why}", assignment.destination)),
            _ => None,
        })
        .collect();
    for line in left_alone {
        output::say(&line);
    }
}

fn tell_missing(sync: &SyncArguments, mirror: &Mirror, missing: &[Missing<'_>]) {
    for Missing { target, why } in missing {
        let image = target.used_by.first().map_or(&target.destination, |used| &used.image);
        let (Why::Absent(why) | Why::Unknown(why)) = why;
        output::say(&format!("error: {image}, which {} needs: {why}", needing(target)));
    }
    let message = format!("error: nothing is printed, because not every image is known to be in {mirror}");
    let is_absent = missing.iter().any(|missing| matches!(missing.why, Why::Absent(_)));
    output::error(&message, is_absent.then(|| way(sync)).as_deref());
}

/// A manifest that needs the image, and how many more do.
fn needing(target: &Target) -> String {
    let places: BTreeSet<&Place> = target.used_by.iter().map(|used| &used.used_by.place).collect();
    let first = match places.first() {
        Some(Place::File { path, manifest }) if path == "-" => format!("{manifest} in the standard input"),
        Some(Place::File { path, manifest }) => format!("{manifest} in {path}"),
        _ => "a manifest".to_owned(),
    };
    match places.len() {
        0 | 1 => first,
        count => format!("{first} (and {} more)", count - 1),
    }
}

/// The command that mirrors what is missing.
fn way(sync: &SyncArguments) -> String {
    let mut words = vec!["mirror first: kubectl castai-privatelink sync-images".to_owned()];
    words.extend(sync.files.iter().map(|file| format!("-f {}", file.display())));
    words.extend(sync.registry.iter().map(|registry| format!("--registry {registry} --no-discover")));
    words.push("--no-rewrite".to_owned());
    words.extend(sync.lock.iter().map(|lock| format!("--lock {}", lock.display())));
    words.join(" ")
}
