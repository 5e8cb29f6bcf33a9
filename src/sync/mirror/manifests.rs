//! Writes the manifests of an image as soon as everything that they reference is present.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::model::image::{Digest, Image};
use crate::model::plan::{Manifest, WithoutAttestations};
use crate::store::{Error, Reference};
use crate::sync::mirror::refusals::{Refusals, explained};
use crate::sync::mirror::{Copied, Reduced, Run, Written};
use crate::sync::plan::attestations;
use crate::sync::plan::decide::missing_manifests;
use crate::sync::plan::tree::manifest;

impl<'r> Run<'r> {
    /// Copies the manifests of an image.
    pub(super) async fn image(&self, copy: Copied<'r>) -> (Image, Result<Written, String>) {
        let result = self.manifests(copy).await;
        let reason: Arc<str> = match &result {
            Ok(_) => {
                self.progress.copied(copy.image);
                "it was skipped".into()
            }
            Err(error) => {
                self.progress.failed(copy.image);
                error.as_str().into()
            }
        };
        for manifest in &copy.content.manifests {
            self.settle(copy, manifest, Err(Arc::clone(&reason)));
        }
        (copy.image.clone(), result)
    }

    async fn manifests(&self, copy: Copied<'r>) -> Result<Written, String> {
        let mut refused = self.write_doubtful(copy).await?;
        let mut is_confirmed = true;
        let own = &copy.content.digest;
        for manifest in missing_manifests(copy.content).filter(|manifest| manifest.digest != *own) {
            if refused.contains_key(&manifest.digest) {
                continue;
            }
            self.wait_for_blobs(copy, manifest).await?;
            match self.write_child(copy, manifest).await {
                Ok(is_this_confirmed) => is_confirmed &= is_this_confirmed,
                Err(error) if error.manifest_refusal().is_some() && self.may_skip(copy, manifest) => {
                    refused.insert(&manifest.digest, error);
                    continue;
                }
                Err(error) => return Err(explained(&error, manifest)),
            }
            self.progress.started(copy.image);
            self.settle(copy, manifest, Ok(()));
        }
        let written = self.write_own(copy, refused).await?;
        Ok(Written { is_confirmed: is_confirmed && written.is_confirmed, ..written })
    }

    /// Writes the manifest that the tag names, without the attestations in `refused`.
    async fn write_own(&self, copy: Copied<'r>, mut refused: Refusals<'r>) -> Result<Written, String> {
        let content = copy.content;
        let own = content.manifests.iter().find(|manifest| manifest.digest == content.digest);
        let own = own.ok_or("its own manifest is missing in the plan")?;
        self.wait_for_blobs(copy, own).await?;
        let tag = copy.image.version().stored_tag();
        let bytes = self.own_bytes(copy, own).await?;
        if refused.is_empty() {
            match self.write(copy, own, Reference::Tag(&tag), bytes.clone()).await {
                Ok(is_confirmed) => {
                    self.progress.started(copy.image);
                    self.settle(copy, own, Ok(()));
                    return Ok(Written { is_confirmed, reduced: None });
                }
                Err(error) if error.manifest_refusal().is_some() => {
                    // Perhaps because of what it says about its attestations.
                    let attestations = self.attestations_to_skip(copy);
                    refused.extend(attestations.map(|manifest| (&manifest.digest, error.clone())));
                    if refused.is_empty() {
                        return Err(explained(&error, own));
                    }
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        let refusal = refused.values().find_map(Error::manifest_refusal).unwrap_or_default();
        let skipped: BTreeSet<Digest> = refused.into_keys().cloned().collect();
        let (content, bytes) = attestations::without(content, &bytes, &skipped)
            .ok_or_else(|| format!("{refusal}; without it, nothing is left of the image"))?;
        let own = Manifest { digest: content.digest.clone(), ..own.clone() };
        let written = self.write(copy, &own, Reference::Tag(&tag), bytes).await;
        let is_confirmed = written.map_err(|error| explained(&error, &own))?;
        self.progress.started(copy.image);
        Ok(Written { is_confirmed, reduced: Some(Reduced { content, refusal }) })
    }

    /// The bytes of the manifest that the tag names.
    pub(super) async fn own_bytes(&self, copy: Copied<'r>, own: &Manifest) -> Result<Bytes, String> {
        let source = self.sources.repository_of(copy.source);
        let digest = copy.content.source_digest();
        let fetched = manifest(self.sources, &source, digest, self.cache.sources()).await;
        let bytes = fetched.map_err(|error| error.to_string())?.bytes;
        let Some(WithoutAttestations { source_digest, skipped }) = &copy.content.without_attestations else {
            return Ok(bytes);
        };
        let skipped = skipped.iter().cloned().collect();
        attestations::index_without(&own.media_type, &bytes, source_digest, &skipped)
            .filter(|bytes| Digest::compute(bytes) == own.digest)
            .ok_or_else(|| format!("the plan does not match {source}@{source_digest}: plan again"))
    }

    pub(super) async fn child_bytes(&self, copy: Copied<'r>, planned: &Manifest) -> Result<Bytes, Error> {
        let source = self.sources.repository_of(copy.source);
        Ok(manifest(self.sources, &source, &planned.digest, self.cache.sources()).await?.bytes)
    }

    pub(super) async fn wait_for_blobs(
        &self,
        copy: Copied<'r>,
        manifest: &'r Manifest,
    ) -> Result<(), String> {
        for blob in &manifest.blobs {
            let arrival = self.wait(&self.blobs, copy.key(), &blob.digest).await;
            arrival.map_err(|reason| reason.to_string())?;
        }
        Ok(())
    }

    /// Writes a manifest by digest, once per repository.
    pub(super) async fn write_child(&self, copy: Copied<'r>, planned: &'r Manifest) -> Result<bool, Error> {
        let write = async || {
            let bytes = self.child_bytes(copy, planned).await?;
            self.write(copy, planned, Reference::Digest(&planned.digest), bytes).await
        };
        match self.children.get(&(copy.key(), &planned.digest)) {
            Some(cell) => cell.get_or_try_init(write).await.copied(),
            None => write().await,
        }
    }

    /// Writes the bytes of a manifest.
    pub(super) async fn write(
        &self,
        copy: Copied<'r>,
        planned: &Manifest,
        reference: Reference<'_>,
        bytes: Bytes,
    ) -> Result<bool, Error> {
        let (key, repository) = (copy.key(), self.repository(copy.key()));
        let _permit = self.small.acquire().await.ok();
        self.wait_for_rate_limit(key.destination).await;
        let store = self.store(key);
        let written = store.put_manifest(&repository, reference, &planned.media_type, bytes).await;
        match written {
            // A previous attempt whose response was lost may have written it.
            Err(error) if error.is_immutable_tag() => {
                let existing = store.describe_manifest(&repository, reference).await?;
                if existing.digest == planned.digest { Ok(true) } else { Err(error) }
            }
            written => written,
        }
    }

    /// Waits until the rate limit for manifests allows the next one.
    async fn wait_for_rate_limit(&self, destination: usize) {
        let interval = self.destinations[destination].store.capabilities().manifest_interval;
        if interval == Duration::ZERO {
            return;
        }
        let slot = {
            let mut next = self.next_manifest[destination].lock().await;
            let slot = (*next).max(Instant::now());
            *next = slot + interval;
            slot
        };
        tokio::time::sleep_until(slot).await;
    }

    /// Opens the gate of a manifest, if it is still closed.
    pub(super) fn settle(&self, copy: Copied<'r>, manifest: &Manifest, result: Result<(), Arc<str>>) {
        if let Some(gate) = self.written.get(&(copy.key(), &manifest.digest)) {
            gate.send_if_modified(|state| {
                let is_closed = state.is_none();
                state.get_or_insert(result);
                is_closed
            });
        }
    }
}
