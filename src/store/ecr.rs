//! Amazon ECR: the distribution API for content, and its own API for what that cannot do or needs many requests for.

use std::time::Duration;

use super::capabilities::{Capabilities, Mounts};
use super::ecr_manifests::may_be_refused;
use super::listing::Listing;
use crate::aws::ecr::{Ecr, ImageId};
use crate::aws::error::Error;
use crate::model::image::Version;
use crate::model::image::ecr::{EcrRegistry, repository_name_fault};

pub(super) const CAPABILITIES: Capabilities = Capabilities {
    lists_repositories: true,
    writes_prove_children: false,
    has_creation_templates: true,
    // aws/containers-roadmap#2860.
    mounts: Mounts::Referenced,
    // Quota: 10 per second (service quotas, `PutImage`).
    manifest_interval: Duration::from_millis(100),
    repository_fault: repository_name_fault,
    manifest_doubt: may_be_refused,
};

/// Everything in `repository` that can be pulled, or `None` if it does not exist.
pub(super) async fn list(api: &Ecr, repository: &str) -> Result<Option<Listing>, Error> {
    Ok(api.list(repository).await?.map(listing))
}

/// How to restore `version`, if it is in the archive of `repository`.
pub(super) async fn restore_command(
    api: &Ecr,
    repository: &str,
    version: &Version,
) -> Result<Option<String>, Error> {
    let archived = api.list_archived(repository).await?.map(listing).unwrap_or_default();
    let Some(digest) = archived.digest(version) else { return Ok(None) };
    let EcrRegistry { account, region } = api.registry();
    Ok(Some(format!(
        "aws ecr update-image-storage-class --region {region} --registry-id {account} \
         --repository-name {repository} --image-id imageDigest={digest} --target-storage-class STANDARD"
    )))
}

fn listing(images: Vec<ImageId>) -> Listing {
    let mut listing = Listing::default();
    for image in images {
        if let Some(tag) = image.tag {
            listing.tags.insert(tag, image.digest.clone());
        }
        listing.digests.insert(image.digest);
    }
    listing
}
