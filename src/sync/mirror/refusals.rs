//! Manifests that a registry may refuse: they are written as early as possible, and only its response counts.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use crate::model::image::Digest;
use crate::model::plan::Manifest;
use crate::store::{Error, Reference};
use crate::sync::mirror::{BlobUpload, Copied, Gate, Run, all_copies, opened};
use crate::sync::plan::attestations::{self, Attestations};
use crate::sync::plan::decide::missing_manifests;

/// The attestations that the registry refused, with its responses.
pub(super) type Refusals<'r> = BTreeMap<&'r Digest, Error>;

impl<'r> Run<'r> {
    /// Prepares the gates of images that fail if the registry refuses what it may refuse. Their layers wait for its
    /// response.
    pub(super) fn with_gates_of_doubtful_images(mut self) -> Self {
        let is_decisive = |copy: &Copied<'r>| doubtful(*copy).any(|manifest| !self.may_skip(*copy, manifest));
        let copies = all_copies(self.destinations).filter(is_decisive);
        let cleared: HashMap<_, _> = copies.map(|copy| ((copy.key(), copy.image), Gate::new(None))).collect();
        self.cleared = cleared;
        self
    }

    /// Writes the manifests that the registry may refuse.
    ///
    /// # Errors
    /// It refuses something that cannot be skipped.
    pub(super) async fn write_doubtful(&self, copy: Copied<'r>) -> Result<Refusals<'r>, String> {
        let result = self.write_each_doubtful(copy).await;
        if let Some(gate) = self.cleared.get(&(copy.key(), copy.image)) {
            gate.send_replace(Some(result.as_ref().map(|_| ()).map_err(|error| error.as_str().into())));
        }
        result
    }

    async fn write_each_doubtful(&self, copy: Copied<'r>) -> Result<Refusals<'r>, String> {
        let mut refused = Refusals::new();
        for manifest in doubtful(copy) {
            let written = if manifest.is_attestation {
                // Its blobs are small, and were uploaded first.
                if self.wait_for_blobs(copy, manifest).await.is_err() {
                    continue;
                }
                let written = self.write_child(copy, manifest).await;
                if written.is_ok() {
                    self.settle(copy, manifest, Ok(()));
                }
                written
            } else {
                // Registries check the manifest before they look for its blobs, or after: then the response is that
                // those are missing, and the manifest is written again later.
                let bytes = if manifest.digest == copy.content.digest {
                    self.own_bytes(copy, manifest).await
                } else {
                    self.child_bytes(copy, manifest).await.map_err(|error| error.to_string())
                };
                let Ok(bytes) = bytes else { continue };
                self.write(copy, manifest, Reference::Digest(&manifest.digest), bytes).await
            };
            let Err(error) = written else { continue };
            if error.manifest_refusal().is_none() {
                continue;
            }
            if self.may_skip(copy, manifest) {
                refused.insert(&manifest.digest, error);
            } else if manifest.digest == copy.content.digest {
                refused.extend(self.write_without_attestations(copy, manifest, error).await?);
            } else {
                return Err(explained(&error, manifest));
            }
        }
        Ok(refused)
    }

    /// Writes an index that the registry refused, perhaps because of what it says about its attestations, without
    /// them.
    async fn write_without_attestations(
        &self,
        copy: Copied<'r>,
        own: &'r Manifest,
        error: Error,
    ) -> Result<Refusals<'r>, String> {
        let refused: Refusals<'r> =
            self.attestations_to_skip(copy).map(|manifest| (&manifest.digest, error.clone())).collect();
        let skipped = refused.keys().map(|digest| (*digest).clone()).collect();
        let bytes = self.own_bytes(copy, own).await?;
        let Some((reduced, bytes)) = attestations::without(copy.content, &bytes, &skipped) else {
            return Err(explained(&error, own));
        };
        if refused.is_empty() {
            return Err(explained(&error, own));
        }
        let planned = Manifest { digest: reduced.digest, ..own.clone() };
        match self.write(copy, &planned, Reference::Digest(&planned.digest), bytes).await {
            Err(error) if error.manifest_refusal().is_some() => Err(explained(&error, own)),
            // Its platforms may still be missing.
            _ => Ok(refused),
        }
    }

    /// Whether a blob belongs to an attestation that the registry may refuse.
    pub(super) fn is_for_doubtful(&self, upload: &BlobUpload<'r>) -> bool {
        all_copies(self.destinations).any(|copy| {
            let attestations = doubtful(copy).filter(|manifest| manifest.is_attestation);
            attestations.flat_map(|manifest| &manifest.blobs).any(|blob| blob.digest == upload.blob.digest)
        })
    }

    /// Waits until an image that needs a blob is not going to be refused.
    ///
    /// # Errors
    /// All images that need the blob are refused; the text is why.
    pub(super) async fn wait_until_wanted(&self, upload: &BlobUpload<'r>) -> Result<(), Arc<str>> {
        if self.cleared.is_empty() || self.is_for_doubtful(upload) {
            return Ok(());
        }
        let needs = |copy: &Copied<'r>| {
            let mut blobs = missing_manifests(copy.content).flat_map(|manifest| &manifest.blobs);
            upload.to.contains(&copy.key()) && blobs.any(|blob| blob.digest == upload.blob.digest)
        };
        let gate = |copy: Copied<'r>| self.cleared.get(&(copy.key(), copy.image));
        let gates: Option<Vec<_>> = all_copies(self.destinations).filter(needs).map(gate).collect();
        let Some(gates) = gates else { return Ok(()) };
        let mut results: FuturesUnordered<_> = gates.into_iter().map(opened).collect();
        let mut result = Ok(());
        while let Some(next) = results.next().await {
            result = next;
            if result.is_ok() {
                return result;
            }
        }
        result
    }

    /// Whether the image can be mirrored without this manifest. Nothing can replace an index that is named by digest.
    pub(super) fn may_skip(&self, copy: Copied<'_>, manifest: &Manifest) -> bool {
        manifest.is_attestation
            && self.attestations != Attestations::Keep
            && copy.source.version().digest().is_none()
    }

    pub(super) fn attestations_to_skip(&self, copy: Copied<'r>) -> impl Iterator<Item = &'r Manifest> {
        copy.content.manifests.iter().filter(move |manifest| self.may_skip(copy, manifest))
    }
}

/// The manifests to write that the registry may refuse.
fn doubtful(copy: Copied<'_>) -> impl Iterator<Item = &Manifest> {
    missing_manifests(copy.content).filter(|manifest| manifest.may_be_refused.is_some())
}

/// The registry's response, with what is known about it, and what to do.
pub(super) fn explained(error: &Error, manifest: &Manifest) -> String {
    if error.manifest_refusal().is_none() {
        return error.to_string();
    }
    let cause = manifest.may_be_refused.as_ref();
    let cause = cause.map(|cause| format!("; known cause: {cause}")).unwrap_or_default();
    let way_out = if manifest.is_attestation {
        "; it is an attestation, which can be skipped for images that are named by tag, with \
         --attestations=drop-refused"
    } else {
        ""
    };
    format!("{error}{cause}{way_out}")
}
