//! An index without the attestations that a registry refuses. Platform manifests, and so what nodes run, stay the same.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use oci_distribution::manifest::OCI_IMAGE_INDEX_MEDIA_TYPE;
use serde_json::Value;

use crate::model::image::Digest;
use crate::model::plan::{Content, Manifest, WithoutAttestations};
use crate::sync::plan::content::is_attestation;

/// What to do with attestations, which some registries refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attestations {
    /// Copy them, or fail.
    Keep,
    /// Copy those that the registry accepts.
    #[default]
    DropRefused,
    /// Copy none.
    Drop,
}

/// By path and digest: images in a destination that are their sources without some attestations.
pub type ReducedImages = BTreeMap<(String, Digest), WithoutAttestations>;

/// The annotation of an index without its source's attestations, with the digest of the source's index. Only for
/// readers: an index is compared with its source, not trusted.
const SOURCE_DIGEST: &str = "privatelink.cast.ai/source-digest";

/// `content`, whose own manifest is `index`, without the attestations `skipped`; `None` if it is no index, or names
/// nothing else.
pub fn without(content: &Content, index: &[u8], skipped: &BTreeSet<Digest>) -> Option<(Content, Bytes)> {
    let bytes = index_without(&content.media_type, index, &content.digest, skipped)?;
    let own = content.manifests.iter().find(|manifest| manifest.digest == content.digest)?;
    let own = Manifest {
        digest: Digest::compute(&bytes),
        size: bytes.len() as u64,
        present: false,
        may_be_refused: None,
        ..own.clone()
    };
    let mut reduced = Content {
        digest: own.digest.clone(),
        without_attestations: Some(WithoutAttestations {
            source_digest: content.digest.clone(),
            skipped: skipped.iter().cloned().collect(),
        }),
        ..content.clone()
    };
    reduced
        .manifests
        .retain(|manifest| manifest.digest != content.digest && !skipped.contains(&manifest.digest));
    reduced.manifests.push(own);
    reduced.size = reduced.measure();
    Some((reduced, bytes))
}

/// The bytes of the index that lacks `skipped`: a function of its parameters, so that every run writes the same bytes.
pub fn index_without(
    media_type: &str,
    index: &[u8],
    source_digest: &Digest,
    skipped: &BTreeSet<Digest>,
) -> Option<Bytes> {
    let mut document: Value = serde_json::from_slice(index).ok()?;
    let manifests = document.get_mut("manifests")?.as_array_mut()?;
    manifests.retain(|descriptor| digest_of(descriptor).is_none_or(|digest| !skipped.contains(&digest)));
    if manifests.is_empty() {
        return None;
    }
    // Docker's manifest list has no annotations.
    if media_type == OCI_IMAGE_INDEX_MEDIA_TYPE {
        let document = document.as_object_mut()?;
        let annotations = document.entry("annotations").or_insert(Value::Null);
        if !annotations.is_object() {
            *annotations = Value::Object(serde_json::Map::new());
        }
        annotations[SOURCE_DIGEST] = Value::from(source_digest.as_str());
    }
    serde_json::to_vec(&document).ok().map(Bytes::from)
}

/// What `mirrored` lacks of the source's `index`, if that is nothing but attestations.
pub fn compare(
    media_type: &str,
    index: &[u8],
    source_digest: &Digest,
    mirrored: &[u8],
) -> Option<WithoutAttestations> {
    let kept = children(mirrored)?;
    let named: Vec<_> = children(index)?;
    let kept: BTreeSet<_> = kept.into_iter().map(|(digest, _)| digest).collect();
    let lacking = named.into_iter().filter(|(digest, _)| !kept.contains(digest));
    let lacking = lacking.map(|(digest, is_attestation)| is_attestation.then_some(digest));
    let skipped: BTreeSet<Digest> = lacking.collect::<Option<_>>()?;
    let expected = index_without(media_type, index, source_digest, &skipped)?;
    (expected == mirrored && !skipped.is_empty()).then(|| WithoutAttestations {
        source_digest: source_digest.clone(),
        skipped: skipped.into_iter().collect(),
    })
}

/// Whether a manifest is an index with attestations.
pub fn has_attestations(manifest: &[u8]) -> bool {
    children(manifest).is_some_and(|children| children.iter().any(|(_, is_attestation)| *is_attestation))
}

/// The manifests that an index names, and whether each is an attestation.
fn children(index: &[u8]) -> Option<Vec<(Digest, bool)>> {
    let document: Value = serde_json::from_slice(index).ok()?;
    let manifests = document.get("manifests")?.as_array()?;
    let child = |descriptor: &Value| {
        let annotations = descriptor.get("annotations").and_then(Value::as_object);
        let mut names = annotations.into_iter().flat_map(|annotations| annotations.keys());
        Some((digest_of(descriptor)?, names.any(|name| is_attestation(name))))
    };
    manifests.iter().map(child).collect()
}

fn digest_of(descriptor: &Value) -> Option<Digest> {
    descriptor.get("digest")?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::compute(text.as_bytes())
    }

    fn index() -> Value {
        let attestation = |name: &str| {
            json!({"digest": digest(name), "size": 7, "annotations": {
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": digest("amd64"),
            }})
        };
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE,
            "manifests": [
                {"digest": digest("amd64"), "size": 5, "platform": {"os": "linux", "architecture": "amd64"}},
                attestation("one"),
                attestation("two"),
            ],
            "annotations": {"a": "b"},
        })
    }

    #[test]
    fn only_the_attestations_are_skipped() {
        let (index, source) = (index().to_string(), digest("source"));
        let skipped = BTreeSet::from([digest("two")]);
        let bytes = index_without(OCI_IMAGE_INDEX_MEDIA_TYPE, index.as_bytes(), &source, &skipped).unwrap();
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read["manifests"].as_array().unwrap().len(), 2);
        assert_eq!(read["annotations"], json!({"a": "b", SOURCE_DIGEST: source}));
        let found = compare(OCI_IMAGE_INDEX_MEDIA_TYPE, index.as_bytes(), &source, &bytes).unwrap();
        assert_eq!(found.skipped, [digest("two")]);
        let list = "application/vnd.docker.distribution.manifest.list.v2+json";
        let bytes = index_without(list, index.as_bytes(), &source, &skipped).unwrap();
        let read: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read["annotations"], json!({"a": "b"}));
    }

    #[test]
    fn what_differs_otherwise_is_not_the_same_image() {
        let source = digest("source");
        let compared = |mirrored: &Value| {
            let (index, mirrored) = (index().to_string(), mirrored.to_string());
            compare(OCI_IMAGE_INDEX_MEDIA_TYPE, index.as_bytes(), &source, mirrored.as_bytes())
        };
        let good = json!({
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE,
            "manifests": [index()["manifests"][0]],
            "annotations": {"a": "b", SOURCE_DIGEST: source},
        });
        assert_eq!(compared(&good).unwrap().skipped.len(), 2);
        let changed = |pointer: &str, value: Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            changed
        };
        for other in [
            changed("/annotations", json!({SOURCE_DIGEST: source})),
            changed("/annotations", json!({"a": "b", SOURCE_DIGEST: digest("other")})),
            changed("/manifests/0/platform/architecture", json!("arm64")),
            changed("/manifests", json!([])),
            changed("/manifests", json!([{"digest": digest("evil"), "size": 5}])),
            json!([]),
            // The source's own index lacks nothing.
            index(),
        ] {
            assert_eq!(compared(&other), None, "{other}");
        }
    }
}
