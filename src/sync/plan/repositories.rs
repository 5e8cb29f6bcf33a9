//! What the repositories of a destination hold.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::model::image::{Mirror, Version};
use crate::store::{Error, Listing, Repository, Store};
use crate::sync::plan::assignment::ImageSource;
use crate::sync::plan::wanted_images::WantedImage;

/// By path: the content of a destination repository, `None` if it does not exist, or why it is unknown.
pub(in crate::sync) type Repositories = BTreeMap<String, Result<Option<Listing>, String>>;

/// The content of the destination repositories of `wanted_images`.
pub(in crate::sync) async fn list(
    destination: &Store<'_>,
    mirror: &Mirror,
    wanted_images: &[WantedImage],
) -> Result<Repositories, Error> {
    let mut wanted: BTreeMap<&str, BTreeSet<&Version>> = BTreeMap::new();
    for wanted_image in wanted_images {
        let path = wanted_image.destination.path();
        let is_ours = matches!(wanted_image.source, ImageSource::Known(_) | ImageSource::Unknown(_));
        if is_ours && (destination.capabilities().repository_fault)(path).is_none() {
            wanted.entry(path).or_default().insert(wanted_image.destination.version());
        }
    }
    stream::iter(wanted)
        .map(|(path, versions)| async move {
            let listed = destination.list(&repository_at(mirror, path), &versions).await;
            match listed {
                Err(error) if error.stops_everything() => Err(error),
                listed => Ok((path.to_owned(), listed.map_err(|error| error.to_string()))),
            }
        })
        .buffer_unordered(destination.limits().reads)
        .try_collect()
        .await
}

/// A repository of the destination.
pub(in crate::sync) fn repository_at(mirror: &Mirror, path: &str) -> Repository {
    Repository { host: mirror.registry.clone(), path: path.to_owned() }
}
