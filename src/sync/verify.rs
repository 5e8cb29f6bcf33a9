//! Verifies what the destination has, from the destination itself. Only verified images may be written to workloads.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;

use crate::model::image::{Image, Version};
use crate::model::lock::{LockedDestination, LockedImage};
use crate::model::plan::{Content, DestinationPlan, PlannedImage, Step};
use crate::store::{Listing, Reference, Repository, Store};
use crate::sync::mirror::{Mirrored, Written};
use crate::sync::plan::repositories::repository_at;

/// Whether the plan's facts about the destination are current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanAge {
    /// Made in this run: up-to-date images have just been checked.
    Fresh,
    /// Read from a file: everything is checked again.
    Stored,
}

/// The verified images, and failures.
#[derive(Clone, Debug)]
pub struct Verified {
    pub locked: LockedDestination,
    /// Destination references that could not be verified, with the reason.
    pub failures: Vec<(Image, String)>,
}

/// Verifies everything in `plan` that `mirrored` reports as successful.
pub async fn verify(
    destination: &Store<'_>,
    plan: &DestinationPlan,
    mirrored: &Mirrored,
    age: PlanAge,
) -> Verified {
    let mut proven: Vec<(&PlannedImage, &Image, &Content)> = Vec::new();
    let mut open: BTreeMap<&str, Vec<(&PlannedImage, &Image, &Content)>> = BTreeMap::new();
    for image in &plan.images {
        let Some(source) = &image.source else { continue };
        let (content, is_proven) = match &image.step {
            Step::UpToDate { content } => (content, age == PlanAge::Fresh),
            Step::Copy { content } | Step::Replace { content, .. } => {
                match mirrored.get(&image.destination) {
                    Some(Ok(Written { is_confirmed, reduced })) => {
                        let content = reduced.as_ref().map_or(content, |reduced| &reduced.content);
                        (content, *is_confirmed && destination.capabilities().writes_prove_children)
                    }
                    Some(Err(_)) | None => continue,
                }
            }
            Step::Skip { .. } | Step::Failed { .. } => continue,
        };
        let entry = (image, source, content);
        if is_proven {
            proven.push(entry);
        } else {
            open.entry(image.destination.path()).or_default().push(entry);
        }
    }
    let answers: Vec<_> = stream::iter(open)
        .map(|(path, images)| async move {
            let repository = repository_at(&plan.mirror, path);
            let versions: BTreeSet<&Version> =
                images.iter().map(|(image, ..)| image.destination.version()).collect();
            let listing = destination.list(&repository, &versions).await;
            let mut results = Vec::new();
            for entry in images {
                let (image, _, content) = entry;
                let image = &image.destination;
                let result = match &listing {
                    Ok(listing) => judge(destination, &repository, listing.as_ref(), image, content).await,
                    Err(error) => Err(error.to_string()),
                };
                results.push((entry, result));
            }
            results
        })
        .buffer_unordered(destination.limits().reads)
        .collect()
        .await;
    let mut failures = Vec::new();
    for (entry, result) in answers.into_iter().flatten() {
        match result {
            Ok(()) => proven.push(entry),
            Err(reason) => failures.push((entry.0.destination.clone(), reason)),
        }
    }
    proven.sort_by_key(|(image, ..)| &image.destination);
    failures.sort();
    let verified = Timestamp::now();
    let images = proven
        .into_iter()
        .map(|(image, source, content)| LockedImage::new(image, source, content, verified))
        .collect();
    let mirror = plan.mirror.clone();
    Verified { locked: LockedDestination { mirror, images }, failures }
}

async fn judge(
    destination: &Store<'_>,
    repository: &Repository,
    listing: Option<&Listing>,
    image: &Image,
    content: &Content,
) -> Result<(), String> {
    let again = "run again";
    let listing = listing.ok_or_else(|| format!("{repository} not found: {again}"))?;
    match listing.stored(image.version()) {
        Some(digest) if *digest == content.digest => {}
        Some(digest) => {
            return Err(format!(
                "{image} changed during the run: expected {}, found {digest}; {again}",
                content.digest
            ));
        }
        None => return Err(format!("{image} not found: {again}")),
    }
    for manifest in &content.manifests {
        let is_there = if destination.capabilities().lists_repositories {
            listing.digests.contains(&manifest.digest)
        } else {
            match destination.describe_manifest(repository, Reference::Digest(&manifest.digest)).await {
                Ok(_) => true,
                Err(error) if error.is_not_found() => false,
                Err(error) => return Err(error.to_string()),
            }
        };
        if !is_there {
            return Err(format!("manifest {} of {image} not found: {again}", manifest.digest));
        }
    }
    Ok(())
}
