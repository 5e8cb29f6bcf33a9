//! The names of what the registry is seen to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use crate::error::CommandError;
use crate::model::image::{Image, Version};
use crate::persist::named::NamedImages;
use crate::persist::names::{Names, unverified};
use crate::store::{self, Limits, Listing, Repository};
use crate::sync::plan::assignment::Source;
use crate::transport;

/// The content of the registry, and the repositories there without any image in use.
///
/// # Errors
/// The registry cannot be listed.
pub async fn verified(
    settings: &transport::Settings,
    images: &NamedImages,
) -> Result<(Names, BTreeSet<String>), CommandError> {
    let stores = store::open(slice::from_ref(&images.mirror), settings, Limits::default(), &|_| ()).await?;
    let mut versions: BTreeMap<Repository, BTreeSet<&Version>> = BTreeMap::new();
    for assigned in &images.assignments {
        if matches!(assigned.source, Source::Known(_)) {
            versions
                .entry(Repository::from_image(&assigned.destination))
                .or_default()
                .insert(assigned.destination.version());
        }
    }
    let mut listings: BTreeMap<Repository, Listing> = BTreeMap::new();
    for (repository, versions) in versions {
        let listed = stores.destination(&images.mirror).list(&repository, &versions).await;
        let listed = listed.map_err(|error| {
            CommandError::with_hint(
                format!("error: listing {repository}: {error}"),
                "use --extent=prefixes if the registry cannot be reached",
            )
        })?;
        listings.extend(listed.map(|listing| (repository, listing)));
    }
    let is_verified = |image: &Image| {
        listings
            .get(&Repository::from_image(image))
            .is_some_and(|listing| listing.digest(image.version()).is_some())
    };
    let missing = unverified(&images.assignments, is_verified).into_iter().map(str::to_owned).collect();
    Ok((Names::of_verified(images.naming(), &images.assignments, is_verified), missing))
}
