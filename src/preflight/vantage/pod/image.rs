//! Pushes the probe image into its repository below the mirror, and nothing else.

use bytes::Bytes;

use crate::event::Observer;
use crate::model::image::Mirror;
use crate::preflight::probe_image::{Blob, ProbeImage, REPOSITORY};
use crate::store::{self, Finished, Limits, Reference, Repository, Store, UploadBody};
use crate::transport::Settings;

/// How often a registry may move an upload.
const MOVES: usize = 3;

/// Why the image is not in the registry.
#[derive(Debug, thiserror::Error)]
pub enum NotPushed {
    #[error(transparent)]
    Setup(#[from] crate::transport::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the registry redirects the upload of {0} again and again")]
    Redirected(String),
}

/// The repository of the image below `mirror`.
pub fn repository(mirror: &Mirror) -> Repository {
    let prefix = mirror.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default();
    Repository { host: mirror.registry.clone(), path: format!("{prefix}{REPOSITORY}") }
}

/// The reference that pods use: by digest, so that policies against tags do not matter.
pub fn reference(mirror: &Mirror, image: &ProbeImage) -> String {
    let Repository { host, path } = repository(mirror);
    format!("{host}/{path}@{}", image.index.digest)
}

/// Pushes the image, unless it is there.
///
/// # Errors
/// The registry refuses, or cannot be reached.
pub async fn push(
    image: &ProbeImage,
    mirror: &Mirror,
    network: &Settings,
    observer: Observer<'_>,
) -> Result<(), NotPushed> {
    let stores = store::open(std::slice::from_ref(mirror), network, Limits::default(), observer).await?;
    let store = stores.destination(mirror);
    let repository = repository(mirror);
    match store.describe_manifest(&repository, Reference::Digest(&image.index.digest)).await {
        Ok(_) => return Ok(()),
        Err(error) if error.stops_everything() => return Err(error.into()),
        // It may only be permitted to write.
        Err(_) => {}
    }
    store.create_repository(&repository.path).await?;
    let digests: Vec<_> = image.blobs.iter().map(|blob| blob.digest.clone()).collect();
    let present = store.present_blobs(&repository, &digests).await?;
    for blob in image.blobs.iter().filter(|blob| !present.contains(&blob.digest)) {
        upload(&store, &repository, blob).await?;
    }
    for manifest in &image.manifests {
        put(&store, &repository, Reference::Digest(&manifest.digest), manifest).await?;
    }
    put(&store, &repository, Reference::Tag(&image.tag()), &image.index).await
}

async fn upload(store: &Store<'_>, repository: &Repository, blob: &Blob) -> Result<(), NotPushed> {
    let mut retries = store.retries();
    loop {
        match upload_once(store, repository, blob).await {
            Err(NotPushed::Store(error)) if error.is_transient() && retries.has_attempts_left() => {
                retries.pause(&repository.host, &error).await;
            }
            done => return done,
        }
    }
}

async fn upload_once(store: &Store<'_>, repository: &Repository, blob: &Blob) -> Result<(), NotPushed> {
    let mut session = store.start_upload(repository).await?;
    for _ in 0..MOVES {
        let body = UploadBody::Whole(bytes_of(blob));
        match store.finish_upload(repository, session, &blob.digest, body).await? {
            Finished::Stored => return Ok(()),
            Finished::Moved(moved) => session = moved,
        }
    }
    Err(NotPushed::Redirected(blob.digest.to_string()))
}

async fn put(
    store: &Store<'_>,
    repository: &Repository,
    reference: Reference<'_>,
    manifest: &Blob,
) -> Result<(), NotPushed> {
    match store.put_manifest(repository, reference, manifest.media_type, bytes_of(manifest)).await {
        // The tag is derived from the content.
        Err(error) if error.is_immutable_tag() => Ok(()),
        done => Ok(done.map(|_| ())?),
    }
}

fn bytes_of(blob: &Blob) -> Bytes {
    match &blob.bytes {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes.clone()),
    }
}
