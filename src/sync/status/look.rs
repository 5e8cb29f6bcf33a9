//! Looking at registries without planning to copy anything.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use crate::model::image::{Image, Mirror};
use crate::registry::{Client, Error, Reference, Repository};
use crate::store::Destination;
use crate::sync::plan::assignment::{Assignment, Source};
use crate::sync::plan::decide::targets;
use crate::sync::plan::prepare::list;
use crate::sync::status::{PublicTag, Seen};

/// Sources that are asked at the same time.
const WIDTH: usize = 16;

/// What the destination holds of `assignments`. What cannot be read has its cause, in each repository where it is the
/// destination as a whole.
pub async fn look_at_destination(
    client: &Client<'_>,
    destination: &Destination,
    mirror: &Mirror,
    assignments: &[Assignment],
) -> Seen {
    let targets = targets(assignments.to_vec());
    let kind = destination.kind();
    let mut repositories = match list(client, destination, mirror, &kind, &targets).await {
        Ok(repositories) => repositories,
        Err(error) => return Seen::unread(assignments, &error.to_string()),
    };
    // Those were not even asked for.
    for target in &targets {
        if let Some(fault) = target.name_fault(mirror, &kind) {
            repositories.insert(target.destination.path().to_owned(), Err(fault));
        }
    }
    Seen { repositories, upstream: BTreeMap::new() }
}

/// What the public tags of `assignments` name now: one request each.
pub async fn look_at_sources(client: &Client<'_>, assignments: &[Assignment]) -> BTreeMap<Image, PublicTag> {
    let sources: BTreeSet<&Image> = assignments
        .iter()
        .filter_map(|assignment| match &assignment.source {
            Source::Known(source) => Some(source),
            _ => None,
        })
        .collect();
    stream::iter(sources)
        .map(|source| async move { (source.clone(), public_tag(client, source).await) })
        .buffer_unordered(WIDTH)
        .collect()
        .await
}

async fn public_tag(client: &Client<'_>, source: &Image) -> PublicTag {
    let repository = Repository::of(source);
    let reference = Reference::to(source.version());
    let digest = match client.describe_manifest(&repository, reference).await {
        // Some registries answer HEAD with 404 for what they have.
        Err(Error::NotFound { .. }) => {
            client.manifest(&repository, reference).await.map(|manifest| manifest.digest)
        }
        described => described.map(|described| described.digest),
    };
    match digest {
        Ok(digest) => PublicTag::Names(digest),
        Err(error @ Error::NotFound { .. }) => PublicTag::Withdrawn(error.to_string()),
        Err(error) => PublicTag::Unread(error.to_string()),
    }
}
