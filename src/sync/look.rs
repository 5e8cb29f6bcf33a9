//! Looking at registries without planning to copy anything.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use crate::image::{Image, Mirror};
use crate::registry::{Client, Error, Reference, Repository};
use crate::sync::assignment::{Assignment, Source};
use crate::sync::decide::targets;
use crate::sync::destination::Destination;
use crate::sync::prepare::list;
use crate::sync::status::Seen;

/// Sources that are asked at the same time.
const WIDTH: usize = 16;

/// What the destination holds of `assignments`, and what the public tags name now if `ask_sources`: one request each.
///
/// # Errors
/// The destination as a whole cannot be used.
pub async fn look(
    client: &Client<'_>,
    destination: &Destination,
    mirror: &Mirror,
    assignments: &[Assignment],
    ask_sources: bool,
) -> Result<Seen, Error> {
    let targets = targets(assignments.to_vec());
    let sources: BTreeSet<&Image> = assignments
        .iter()
        .filter_map(|assignment| match &assignment.source {
            Source::Known(source) if ask_sources => Some(source),
            _ => None,
        })
        .collect();
    let upstream = stream::iter(sources).map(|source| async move {
        let reference = Reference::to(source.version());
        let described = client.describe_manifest(&Repository::of(source), reference).await;
        let digest = described.map(|described| described.digest).map_err(|error| error.to_string());
        (source.clone(), digest)
    });
    let kind = destination.kind();
    let (repositories, upstream) = tokio::join!(
        list(client, destination, mirror, &kind, &targets),
        upstream.buffer_unordered(WIDTH).collect::<BTreeMap<_, _>>(),
    );
    Ok(Seen { repositories: repositories?, upstream })
}
