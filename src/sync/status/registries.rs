//! Reads registries without planning a copy.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use crate::model::image::{Image, Mirror};
use crate::store::{Reference, Store};
use crate::sync::plan::assignment::{Assignment, ImageSource};
use crate::sync::plan::attestations::ReducedImages;
use crate::sync::plan::repositories::list;
use crate::sync::plan::resolve::Pair;
use crate::sync::plan::wanted_images::wanted_images;
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
    RegistrySnapshot { repositories, ..RegistrySnapshot::default() }
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
