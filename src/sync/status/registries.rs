//! Reads registries without planning a copy.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, future, stream};

use crate::model::image::{Image, Mirror};
use crate::store::{Reference, Store};
use crate::sync::plan::assignment::{Assignment, ImageSource};
use crate::sync::plan::attestations::ReducedImages;
use crate::sync::plan::repositories::{Repositories, list, repository_at};
use crate::sync::plan::resolve::Pair;
use crate::sync::plan::wanted_images::{WantedImage, wanted_images};
use crate::sync::status::{PublicTag, RegistrySnapshot, held_digest};

/// The content of the destination for `assignments`. A failure is stored as the cause, in each repository if it
/// concerns the whole destination.
pub async fn list_destination(
    destination: &Store<'_>,
    mirror: &Mirror,
    assignments: &[Assignment],
) -> RegistrySnapshot {
    let wanted_images = wanted_images(assignments.to_vec());
    let mut repositories = match list(destination, mirror, &wanted_images).await {
        Ok(repositories) => repositories,
        Err(error) => return RegistrySnapshot::unread(assignments, &error.to_string()),
    };
    // No request was sent for these.
    for wanted_image in &wanted_images {
        if let Some(fault) = wanted_image.name_fault(mirror, destination.capabilities()) {
            repositories.insert(wanted_image.destination.path().to_owned(), Err(fault));
        }
    }
    let archived = archived(destination, mirror, &wanted_images, &repositories).await;
    RegistrySnapshot { repositories, archived, ..RegistrySnapshot::default() }
}

/// The images that are archived, with the commands that restore them. If an archive cannot be read, its images are missing
/// all the same.
async fn archived(
    destination: &Store<'_>,
    mirror: &Mirror,
    wanted_images: &[WantedImage],
    repositories: &Repositories,
) -> BTreeMap<Image, String> {
    let is_unlisted = |image: &Image| {
        let listing = repositories.get(image.path()).and_then(|listed| listed.as_ref().ok()?.as_ref());
        listing.is_some_and(|listing| listing.digest(image.version()).is_none())
    };
    let images = wanted_images.iter().map(|wanted_image| &wanted_image.destination);
    stream::iter(images.filter(|image| is_unlisted(image)))
        .map(|image| async move {
            let repository = repository_at(mirror, image.path());
            let command = destination.restore_command(&repository, image.version()).await;
            Some((image.clone(), command.ok()??))
        })
        .buffer_unordered(destination.limits().reads)
        .filter_map(future::ready)
        .collect()
        .await
}

/// The current digests of the public tags of `assignments`: one request each.
pub async fn fetch_public_tags(
    sources: &Store<'_>,
    assignments: &[Assignment],
) -> BTreeMap<Image, PublicTag> {
    let images: BTreeSet<&Image> = assignments
        .iter()
        .filter_map(|assignment| match &assignment.source {
            ImageSource::Known(source) => Some(source),
            _ => None,
        })
        .collect();
    stream::iter(images)
        .map(|image| async move { (image.clone(), public_tag(sources, image).await) })
        .buffer_unordered(sources.limits().reads)
        .collect()
        .await
}

/// Which images of the destination are what their public tags name, without attestations. Only those are read whose
/// digests differ.
pub async fn compare_differing(
    pair: &Pair<'_>,
    assignments: &[Assignment],
    seen: &RegistrySnapshot,
    tags: &BTreeMap<Image, PublicTag>,
) -> ReducedImages {
    let mut reduced = ReducedImages::new();
    for assignment in assignments {
        let (ImageSource::Known(source), Ok(Some(held))) =
            (&assignment.source, held_digest(assignment, Some(seen)))
        else {
            continue;
        };
        let Some(PublicTag::Names(public)) = tags.get(source) else { continue };
        if public != held {
            let path = assignment.destination.path();
            reduced.extend(pair.compare_one(source, public, (path, held)).await);
        }
    }
    reduced
}

/// All tags of the public repositories of `assignments`, by host and path.
pub async fn fetch_versions(
    sources: &Store<'_>,
    assignments: &[Assignment],
) -> BTreeMap<(String, String), Result<Vec<String>, String>> {
    let images = assignments.iter().filter_map(|assignment| match &assignment.source {
        ImageSource::Known(source) => {
            let key = (source.host().to_owned(), source.path().to_owned());
            Some((key, sources.repository_of(source)))
        }
        _ => None,
    });
    let repositories: BTreeMap<_, _> = images.collect();
    stream::iter(repositories)
        .map(|((host, path), repository)| async move {
            let tags = sources.tags(&repository).await;
            let tags = tags.map_err(|error| format!("cannot list versions: {error}"));
            ((host, path), tags)
        })
        .buffer_unordered(sources.limits().reads)
        .collect()
        .await
}

async fn public_tag(sources: &Store<'_>, image: &Image) -> PublicTag {
    let repository = sources.repository_of(image);
    let reference = Reference::from_version(image.version());
    match sources.describe_manifest(&repository, reference).await {
        Ok(described) => PublicTag::Names(described.digest),
        Err(error) => match error.removal() {
            Some(removal) => PublicTag::TagRemoved(removal),
            None => PublicTag::Unread(error.to_string()),
        },
    }
}
