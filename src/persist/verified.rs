//! The names of what the registry is seen to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;

use crate::error::CommandError;
use crate::model::image::{Image, Mirror, Version};
use crate::persist::named::NamedImages;
use crate::persist::names::{Names, unverified};
use crate::store::{self, Limits, Listing, Repository};
use crate::sync::plan::assignment::{Assignment, ImageSource};
use crate::sync::plan::wanted_images::wanted_images;
use crate::sync::presence::{self, Missing, Why};
use crate::transport;

/// Images that the registry does not have, or that could not be looked up there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Absent {
    /// Their names below the mirror.
    pub missing: Vec<String>,
    pub unknown: Vec<NotLookedUp>,
}

/// An image that could not be looked up, or all of them.
#[derive(Debug, PartialEq, Eq)]
pub struct NotLookedUp {
    /// Its name in the mirror; `None` for all.
    pub image: Option<Image>,
    pub cause: String,
}

/// Looks up all images that have a name in the registry.
pub async fn absent(settings: &transport::Settings, images: &NamedImages) -> Absent {
    let is_named = |assigned: &&Assignment| matches!(assigned.source, ImageSource::Known(_));
    let named = images.assignments.iter().filter(is_named).cloned().collect();
    let stores =
        match store::open(slice::from_ref(&images.mirror), settings, Limits::default(), &|_| ()).await {
            Ok(stores) => stores,
            Err(error) => return Absent::unknown(&error.to_string()),
        };
    let destination = stores.destination(&images.mirror);
    match presence::missing(&destination, &images.mirror, &wanted_images(named)).await {
        Ok(missing) => Absent::of(missing, &images.mirror),
        Err(error) => Absent::unknown(&error.to_string()),
    }
}

impl Absent {
    fn unknown(cause: &str) -> Self {
        Self { unknown: vec![NotLookedUp { image: None, cause: cause.to_owned() }], ..Self::default() }
    }

    fn of(missing: Vec<Missing>, mirror: &Mirror) -> Self {
        let mut absent = Self::default();
        for Missing { wanted_image, why } in missing {
            let image = wanted_image.destination;
            match why {
                Why::Absent(_) => {
                    let name = image.as_written().strip_prefix(&format!("{mirror}/"));
                    absent.missing.push(name.unwrap_or(image.as_written()).to_owned());
                }
                Why::Unknown(cause) => {
                    absent.unknown.push(NotLookedUp { image: Some(image), cause });
                }
            }
        }
        absent
    }
}

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
        if matches!(assigned.source, ImageSource::Known(_)) {
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
