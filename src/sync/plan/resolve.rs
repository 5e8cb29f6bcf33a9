//! Asks the sources for what the destination does not determine, and compares the two.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};

use crate::model::image::{Digest, Image, Mirror};
use crate::model::plan::Content;
use crate::store::{Fetched, Reference, Store};
use crate::sync::plan::assignment::ImageSource;
use crate::sync::plan::attestations::{self, Attestations, ReducedImages};
use crate::sync::plan::repositories::{Repositories, repository_at};
use crate::sync::plan::tree::{ManifestCache, Unread, manifest, tree};
use crate::sync::plan::wanted_images::WantedImage;

/// What the sources have.
pub(super) struct Resolved {
    pub(super) contents: BTreeMap<Image, Result<Content, String>>,
    pub(super) reduced: ReducedImages,
    /// What sources no longer have of images that the destination has.
    pub(super) removals: BTreeMap<Image, String>,
}

/// The sources and a destination.
pub struct Pair<'a> {
    pub sources: &'a Store<'a>,
    pub destination: &'a Store<'a>,
    pub mirror: &'a Mirror,
    pub attestations: Attestations,
    pub cache: &'a ManifestCache,
}

/// The repository and digest that the destination has for a wanted image, if any.
type Current<'c> = Option<(&'c str, &'c Digest)>;

impl Pair<'_> {
    /// Requests nothing if a pinned digest is present, the digest if a tag is present, else everything.
    pub(super) async fn resolve(
        &self,
        wanted_images: &[WantedImage],
        repositories: &Repositories,
        damaged: &BTreeSet<(String, Digest)>,
    ) -> Resolved {
        let mut lookups: BTreeMap<&Image, BTreeSet<Current<'_>>> = BTreeMap::new();
        for (source, path, current) in currents(wanted_images, repositories) {
            let current = current.filter(|current| !damaged.contains(&(path.to_owned(), (*current).clone())));
            if current.is_none() || current != source.version().digest() {
                lookups.entry(source).or_default().insert(current.map(|current| (path, current)));
            }
        }
        let answers: Vec<_> = stream::iter(lookups)
            .map(
                |(source, current)| async move { (source.clone(), self.resolve_one(source, &current).await) },
            )
            .buffer_unordered(self.sources.limits().reads)
            .collect()
            .await;
        let mut resolved =
            Resolved { contents: BTreeMap::new(), reduced: BTreeMap::new(), removals: BTreeMap::new() };
        for (source, answer) in answers {
            let content = match answer {
                Ok((content, reduced)) => {
                    resolved.reduced.extend(reduced);
                    Ok(content)
                }
                Err(Unread { reason, removal, .. }) => {
                    resolved.removals.extend(removal.map(|removal| (source.clone(), removal)));
                    Err(reason)
                }
            };
            resolved.contents.insert(source, content);
        }
        resolved
    }

    async fn resolve_one(
        &self,
        source: &Image,
        current: &BTreeSet<Current<'_>>,
    ) -> Result<(Content, ReducedImages), Unread> {
        let repository = self.sources.repository_of(source);
        let reference = Reference::from_version(source.version());
        let is_pinned = source.version().digest().is_some();
        let is_everywhere = !current.contains(&None) && !is_pinned;
        let root = if is_everywhere {
            let described =
                self.sources.describe_manifest(&repository, reference).await.map_err(Unread::root)?;
            if current.iter().flatten().all(|(_, current)| **current == described.digest) {
                let content = Content::unread(described.digest, described.media_type);
                return Ok((content, ReducedImages::new()));
            }
            self.sources.manifest(&repository, Reference::Digest(&described.digest)).await?
        } else {
            self.sources.manifest(&repository, reference).await.map_err(Unread::root)?
        };
        let differing = current.iter().flatten().filter(|(_, current)| **current != root.digest);
        let reduced =
            if is_pinned { ReducedImages::new() } else { self.compare(&root, differing.copied()).await };
        let is_same = |(path, digest): &(&str, &Digest)| {
            **digest == root.digest || reduced.contains_key(&((*path).to_owned(), (*digest).clone()))
        };
        if is_everywhere && current.iter().flatten().all(is_same) {
            return Ok((Content::unread(root.digest, root.media_type), reduced));
        }
        let bytes = root.bytes.clone();
        let capabilities = self.destination.capabilities();
        let content = tree(self.sources, &repository, root, capabilities, self.cache.sources()).await?;
        let content = match self.attestations {
            Attestations::Drop if !is_pinned => without_all(&content, &bytes).unwrap_or(content),
            _ => content,
        };
        Ok((content, reduced))
    }

    /// Compares the content of a saved plan with what the destination has.
    pub(super) async fn compare_planned(
        &self,
        wanted_images: &[WantedImage],
        contents: &BTreeMap<Image, Result<Content, String>>,
        repositories: &Repositories,
    ) -> ReducedImages {
        let mut reduced = ReducedImages::new();
        for (source, path, current) in currents(wanted_images, repositories) {
            let (Some(current), Some(Ok(content))) = (current, contents.get(source)) else { continue };
            if *current == content.digest || source.version().digest().is_some() {
                continue;
            }
            reduced.extend(self.compare_one(source, content.source_digest(), (path, current)).await);
        }
        reduced
    }

    /// Whether an image in the destination is that of a source's digest without attestations. What cannot be read is
    /// not the same.
    pub async fn compare_one(
        &self,
        source: &Image,
        digest: &Digest,
        image: (&str, &Digest),
    ) -> ReducedImages {
        let repository = self.sources.repository_of(source);
        match manifest(self.sources, &repository, digest, self.cache.sources()).await {
            Ok(root) => self.compare(&root, [image].into_iter()).await,
            Err(_) => ReducedImages::new(),
        }
    }

    /// Which of the destination's images are `root` without attestations.
    async fn compare(&self, root: &Fetched, images: impl Iterator<Item = (&str, &Digest)>) -> ReducedImages {
        let mut reduced = ReducedImages::new();
        if self.attestations == Attestations::Keep || !attestations::has_attestations(&root.bytes) {
            return reduced;
        }
        for (path, digest) in images {
            let repository = repository_at(self.mirror, path);
            let cache = self.cache.destination(&repository);
            let Ok(mirrored) = manifest(self.destination, &repository, digest, &cache).await else {
                continue;
            };
            let found = attestations::compare(&root.media_type, &root.bytes, &root.digest, &mirrored.bytes);
            reduced.extend(found.map(|found| ((path.to_owned(), digest.clone()), found)));
        }
        reduced
    }
}

/// Each wanted image whose source is known: the source, and what the destination's repository has.
pub(super) fn currents<'w>(
    wanted_images: &'w [WantedImage],
    repositories: &'w Repositories,
) -> impl Iterator<Item = (&'w Image, &'w str, Option<&'w Digest>)> {
    wanted_images.iter().filter_map(|wanted_image| {
        let path = wanted_image.destination.path();
        let (ImageSource::Known(source), Some(Ok(listing))) = (&wanted_image.source, repositories.get(path))
        else {
            return None;
        };
        let current = listing.as_ref().and_then(|listing| listing.stored(wanted_image.destination.version()));
        Some((source, path, current))
    })
}

fn without_all(content: &Content, index: &[u8]) -> Option<Content> {
    let all = content.manifests.iter().filter(|manifest| manifest.is_attestation);
    let all: BTreeSet<_> = all.map(|manifest| manifest.digest.clone()).collect();
    if all.is_empty() {
        return None;
    }
    attestations::without(content, index, &all).map(|(content, _)| content)
}
