//! What has to be uploaded, and what that costs. No I/O.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::{Digest, Image, Mirror};
use crate::model::plan::{Blob, Content, Estimate, PlannedImage, Upload, UploadDestination};

/// Each blob once, with all repositories that lack it, largest first.
pub(super) fn uploads<'i>(
    mirror: &Mirror,
    copies: impl Iterator<Item = (&'i PlannedImage, &'i Image, &'i Content)>,
    present_blobs: &BTreeSet<(String, Digest)>,
) -> Vec<Upload> {
    let mut lacking: BTreeMap<&Digest, (&Blob, &Image, BTreeSet<&str>)> = BTreeMap::new();
    for (image, source, content) in copies {
        let path = image.destination.path();
        let missing = content.manifests.iter().filter(|manifest| !manifest.present);
        for blob in missing.flat_map(|manifest| &manifest.blobs) {
            if !present_blobs.contains(&(path.to_owned(), blob.digest.clone())) {
                let entry = lacking.entry(&blob.digest);
                entry.or_insert((blob, source, BTreeSet::new())).2.insert(path);
            }
        }
    }
    let mut uploads: Vec<Upload> = lacking
        .into_values()
        .map(|(blob, from, to)| Upload {
            blob: blob.clone(),
            from: from.clone(),
            to: to
                .into_iter()
                .map(|path| UploadDestination { destination: mirror.clone(), repository: path.to_owned() })
                .collect(),
        })
        .collect();
    sort_uploads(&mut uploads);
    uploads
}

/// Merges the uploads of several destinations, so that each blob is read once.
pub fn join_uploads(lists: impl IntoIterator<Item = Vec<Upload>>) -> Vec<Upload> {
    let mut joined: BTreeMap<Digest, Upload> = BTreeMap::new();
    for upload in lists.into_iter().flatten() {
        match joined.entry(upload.blob.digest.clone()) {
            Entry::Occupied(mut entry) => entry.get_mut().to.extend(upload.to),
            Entry::Vacant(entry) => {
                entry.insert(upload);
            }
        }
    }
    let mut uploads: Vec<Upload> = joined.into_values().collect();
    sort_uploads(&mut uploads);
    uploads
}

/// Largest first, so that the last blob to be copied is small.
fn sort_uploads(uploads: &mut [Upload]) {
    uploads.sort_by(|one, other| {
        let order = other.blob.size.cmp(&one.blob.size);
        order.then_with(|| one.blob.digest.cmp(&other.blob.digest))
    });
}

/// `single` counts what needs one request each: repository creations, manifests, listings to verify.
pub(super) fn estimate(uploads: &[Upload], mounting: bool, single: [usize; 3]) -> Estimate {
    let mut estimate = Estimate {
        destination_requests: single.iter().map(|&count| count as u64).sum(),
        ..Estimate::default()
    };
    for Upload { blob, to, .. } in uploads {
        let repositories = to.len() as u64;
        let (uploaded, mounted) = if mounting { (1, repositories - 1) } else { (repositories, 0) };
        estimate.destination_requests += 2 * uploaded + mounted;
        estimate.upload_bytes += blob.size * uploaded;
        estimate.source_requests += 1;
        estimate.download_bytes += blob.size;
    }
    estimate
}
