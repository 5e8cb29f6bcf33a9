//! Whether a destination has the images that manifests are about to use: by its listings, or by a lock. Sources are not
//! read.

use crate::model::image::Mirror;
use crate::model::lock::Lock;
use crate::store::{Capabilities, Error, Store};
use crate::sync::plan::assignment::ImageSource;
use crate::sync::plan::repositories::{Repositories, list, repository_at};
use crate::sync::plan::wanted_images::WantedImage;

/// An image that manifests may not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub wanted_image: WantedImage,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The destination does not have it, as the text says.
    Absent(String),
    /// It cannot exist, or its state is unknown; the text says why.
    Unknown(String),
}

/// The images of `wanted_images` that the destination does not list.
///
/// # Errors
/// The destination as a whole cannot be read.
pub async fn missing(
    destination: &Store<'_>,
    mirror: &Mirror,
    wanted_images: &[WantedImage],
) -> Result<Vec<Missing>, Error> {
    let repositories = list(destination, mirror, wanted_images).await?;
    let capabilities = destination.capabilities();
    let mut missing =
        collect(wanted_images, |wanted_image| unlisted(mirror, capabilities, &repositories, wanted_image));
    for Missing { wanted_image, why } in &mut missing {
        let Why::Absent(text) = why else { continue };
        let image = &wanted_image.destination;
        let repository = repository_at(mirror, image.path());
        // If this cannot be read, the image is missing all the same.
        if let Ok(Some(command)) = destination.restore_command(&repository, image.version()).await {
            *text = format!("{image} is archived and cannot be pulled: restore it with `{command}`");
        }
    }
    Ok(missing)
}

/// The images of `wanted_images` that are not in a lock.
pub fn unproven(lock: &Lock, wanted_images: &[WantedImage]) -> Vec<Missing> {
    collect(wanted_images, |WantedImage { destination, .. }| {
        let mut locked = lock.destinations.iter().flat_map(|destination| &destination.images);
        let is_proven = locked.any(|locked| locked.destination.is_same(destination));
        (!is_proven).then(|| Why::Absent(format!("{destination} not found in the lock")))
    })
}

/// Images that nodes can already reach are not needed.
fn collect(wanted_images: &[WantedImage], missing: impl Fn(&WantedImage) -> Option<Why>) -> Vec<Missing> {
    let why = |wanted_image: &WantedImage| match &wanted_image.source {
        ImageSource::Reachable(_) => None,
        ImageSource::InvalidName(why) => Some(Why::Unknown(why.clone())),
        ImageSource::Known(_) | ImageSource::Unknown(_) => missing(wanted_image),
    };
    wanted_images
        .iter()
        .filter_map(|wanted_image| {
            Some(Missing { wanted_image: wanted_image.clone(), why: why(wanted_image)? })
        })
        .collect()
}

fn unlisted(
    mirror: &Mirror,
    capabilities: &Capabilities,
    repositories: &Repositories,
    wanted_image: &WantedImage,
) -> Option<Why> {
    if let Some(fault) = wanted_image.name_fault(mirror, capabilities) {
        return Some(Why::Unknown(fault));
    }
    let destination = &wanted_image.destination;
    let current = match repositories.get(destination.path()) {
        Some(Ok(Some(listing))) => listing.digest(destination.version()),
        Some(Err(error)) => return Some(Why::Unknown(error.clone())),
        Some(Ok(None)) | None => None,
    };
    current.is_none().then(|| Why::Absent(format!("{destination} not found")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::image::Digest;
    use crate::model::plan::RegistryKind;
    use crate::store::{Listing, capabilities};

    fn wanted_image(destination: &str, source: ImageSource) -> WantedImage {
        WantedImage {
            destination: destination.parse().unwrap(),
            source,
            provenance: None,
            used_by: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_listed_with_its_digest_is_present() {
        let (one, other, gone) =
            (Digest::compute(b"one"), Digest::compute(b"other"), Digest::compute(b"gone"));
        let listing = Listing {
            tags: [("v1".to_owned(), one.clone())].into(),
            digests: [one.clone(), other.clone()].into(),
        };
        let repositories: Repositories = BTreeMap::from([
            ("castai/a".to_owned(), Ok(Some(listing))),
            ("castai/none".to_owned(), Ok(None)),
            ("castai/denied".to_owned(), Err("denied".to_owned())),
        ]);
        let mirror = "e.example".parse().unwrap();
        let registry = capabilities(&RegistryKind::Ecr { account: "1".to_owned(), region: "r".to_owned() });
        let absent = |text: &str| Some(Why::Absent(text.to_owned()));
        let cases = [
            ("e.example/castai/a:v1".to_owned(), None),
            (format!("e.example/castai/a@{other}"), None),
            (format!("e.example/castai/a:v1@{one}"), None),
            // It is pulled by digest, whatever its tag is.
            (format!("e.example/castai/a:v1@{other}"), None),
            (
                format!("e.example/castai/a:v1@{gone}"),
                absent(&format!("e.example/castai/a:v1@{gone} not found")),
            ),
            ("e.example/castai/a:v2".to_owned(), absent("e.example/castai/a:v2 not found")),
            ("e.example/castai/none:v1".to_owned(), absent("e.example/castai/none:v1 not found")),
            ("e.example/castai/denied:v1".to_owned(), Some(Why::Unknown("denied".to_owned()))),
        ];
        for (image, expected) in cases {
            let wanted_image = wanted_image(&image, ImageSource::Unknown(String::new()));
            assert_eq!(unlisted(&mirror, registry, &repositories, &wanted_image), expected, "{image}");
        }
        let source = ImageSource::Known("castai/a__b:v1".parse().unwrap());
        let refused =
            unlisted(&mirror, registry, &repositories, &wanted_image("e.example/castai/a__b:v1", source));
        assert!(matches!(refused, Some(Why::Unknown(why)) if why.contains("--map")));
    }

    #[test]
    fn reachable_images_are_not_required_and_images_without_a_name_are_unknown() {
        let known = ImageSource::Known("castai/a:v1".parse().unwrap());
        let wanted_images = [
            wanted_image("e.example/castai/a:v1", known),
            wanted_image("other.example/b:v1", ImageSource::Reachable("near".to_owned())),
            wanted_image("c:v1", ImageSource::InvalidName("no name".to_owned())),
        ];
        let missing = collect(&wanted_images, |_| Some(Why::Absent("gone".to_owned())));
        let whys: Vec<_> = missing.into_iter().map(|missing| missing.why).collect();
        assert_eq!(whys, [Why::Absent("gone".to_owned()), Why::Unknown("no name".to_owned())]);
    }
}
