//! Parses manifests: the children of an index, the blobs of an image, and their platforms.

use oci_distribution::manifest::{
    IMAGE_LAYER_NONDISTRIBUTABLE_GZIP_MEDIA_TYPE, IMAGE_LAYER_NONDISTRIBUTABLE_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE,
};
use serde::{Deserialize, Deserializer};

use crate::model::image::Digest;
use crate::model::plan::Blob;
use crate::printable::one_line;

/// Maximum length of repeated manifest text, in characters.
const MAX_TEXT_LENGTH: usize = 100;

/// A parsed manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    Index(Vec<Child>),
    Image {
        config: Blob,
        /// Config and layers, each once, in the manifest's order. Layers that registries do not serve are omitted:
        /// clients get them from the URL in the manifest.
        blobs: Vec<Blob>,
    },
}

/// A manifest that an index references.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    pub digest: Digest,
    /// What the index says.
    pub size: Option<u64>,
    /// For example `linux/arm64/v8`; `None` for attestations.
    pub platform: Option<String>,
    /// Whether it only describes other manifests of the index.
    pub is_attestation: bool,
}

/// The parsed fields of a manifest. The types of oci-spec (0.10) reject manifests without `schemaVersion` and
/// descriptors without `mediaType` or `size`, but a copy by digest needs none of them. So as little as possible is
/// required here, and the destination decides about the rest. Go writes an empty list or map as null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default, deserialize_with = "null_as_empty")]
    manifests: Option<Vec<RawDescriptor>>,
    config: Option<RawDescriptor>,
    #[serde(default, deserialize_with = "null_as_empty")]
    layers: Option<Vec<RawDescriptor>>,
}

fn null_as_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<RawDescriptor>>, D::Error> {
    Option::deserialize(deserializer).map(|list| Some(list.unwrap_or_default()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    media_type: Option<String>,
    digest: Digest,
    size: Option<u64>,
    platform: Option<Platform>,
    /// Only the names are of interest.
    annotations: Option<serde_json::Map<String, serde_json::Value>>,
}

impl RawDescriptor {
    fn blob(self) -> Blob {
        Blob { digest: self.digest, size: self.size.unwrap_or_default() }
    }
}

#[derive(Deserialize)]
struct Platform {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

impl Platform {
    fn name(&self) -> Option<String> {
        let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty() && text != "unknown");
        let name = format!("{}/{}", known(&self.os)?, known(&self.architecture)?);
        let name = match self.variant.as_deref() {
            Some(variant) if !variant.is_empty() => format!("{name}/{variant}"),
            _ => name,
        };
        Some(one_line(&name, MAX_TEXT_LENGTH))
    }
}

/// The annotation with which `BuildKit` marks a manifest that only describes another one.
const ATTESTATION: &str = "vnd.docker.reference.type";

/// Whether an annotation of this name marks a manifest that only describes another one.
pub(super) fn is_attestation(annotation: &str) -> bool {
    annotation == ATTESTATION
}

impl Document {
    /// Parses a manifest.
    ///
    /// # Errors
    /// Nodes cannot pull its media type, or its JSON does not match it.
    pub fn read(media_type: &str, bytes: &[u8]) -> Result<Self, String> {
        let is_index = match media_type {
            OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE => true,
            OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE => false,
            other => {
                return Err(format!(
                    "unsupported media type {:?} of its manifest",
                    one_line(other, MAX_TEXT_LENGTH)
                ));
            }
        };
        let invalid = |what: &str| format!("invalid manifest: {what}");
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| invalid(&one_line(&error.to_string(), MAX_TEXT_LENGTH)))?;
        if is_index {
            let manifests = raw.manifests.filter(|manifests| !manifests.is_empty());
            let manifests = manifests.ok_or_else(|| invalid("an index without manifests"))?;
            return Ok(Self::Index(manifests.into_iter().map(child).collect()));
        }
        let config = raw.config.ok_or_else(|| invalid("no config"))?;
        let layers = raw.layers.ok_or_else(|| invalid("no layers"))?;
        let config = config.blob();
        let mut blobs = vec![config.clone()];
        for layer in layers.into_iter().filter(|layer| !layer.media_type.as_deref().is_some_and(is_foreign)) {
            let blob = layer.blob();
            if !blobs.contains(&blob) {
                blobs.push(blob);
            }
        }
        Ok(Self::Image { config, blobs })
    }
}

fn child(descriptor: RawDescriptor) -> Child {
    let mut names = descriptor.annotations.iter().flat_map(serde_json::Map::keys);
    let is_attestation = names.any(|name| is_attestation(name));
    let platform = descriptor.platform.filter(|_| !is_attestation);
    let platform = platform.and_then(|platform| platform.name());
    Child { digest: descriptor.digest, size: descriptor.size, platform, is_attestation }
}

fn is_foreign(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
            | IMAGE_LAYER_NONDISTRIBUTABLE_MEDIA_TYPE
            | IMAGE_LAYER_NONDISTRIBUTABLE_GZIP_MEDIA_TYPE
    )
}

/// The platform in an image's config.
pub fn config_platform(config: &[u8]) -> Option<String> {
    serde_json::from_slice::<Platform>(config).ok()?.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::compute(text.as_bytes())
    }

    #[test]
    fn indexes_list_children_and_platforms_without_attestations() {
        let text = serde_json::json!({
            "schemaVersion": 2,
            "manifests": [
                {"digest": digest("a"), "size": 1, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
                {"digest": digest("b"), "platform": {"os": "unknown", "architecture": "unknown"}},
                {"digest": digest("c"), "platform": {"os": "linux", "architecture": "amd64"},
                 "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
                {"digest": digest("d")},
            ]
        });
        for media_type in [OCI_IMAGE_INDEX_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE] {
            let document = Document::read(media_type, text.to_string().as_bytes()).unwrap();
            let Document::Index(children) = document else { panic!("an index") };
            let platforms: Vec<Option<&str>> =
                children.iter().map(|child| child.platform.as_deref()).collect();
            assert_eq!(platforms, [Some("linux/arm64/v8"), None, None, None]);
        }
    }

    #[test]
    fn images_list_each_blob_once_and_no_foreign_layer() {
        let layer = |name: &str, kind: &str| serde_json::json!({"digest": digest(name), "size": 5, "mediaType": kind});
        let text = serde_json::json!({
            "config": {"digest": digest("config"), "size": 3},
            "layers": [
                layer("a", "x"), layer("a", "x"),
                layer("b", IMAGE_LAYER_NONDISTRIBUTABLE_GZIP_MEDIA_TYPE),
                layer("c", "x"),
            ]
        });
        let document = Document::read(OCI_IMAGE_MEDIA_TYPE, text.to_string().as_bytes()).unwrap();
        let Document::Image { config, blobs } = document else { panic!("an image") };
        assert_eq!(config.digest, digest("config"));
        let seen: Vec<&Digest> = blobs.iter().map(|blob| &blob.digest).collect();
        assert_eq!(seen, [&digest("config"), &digest("a"), &digest("c")]);
    }

    #[test]
    fn only_what_a_copy_needs_is_required() {
        let (config, layer) = (digest("config"), digest("layer"));
        let image = |config: String, layer: String| format!(r#"{{"config": {config}, "layers": [{layer}]}}"#);
        let bare = |digest: &Digest| format!(r#"{{"digest": "{digest}"}}"#);
        for text in [
            image(bare(&config), bare(&layer)),
            image(
                bare(&config),
                format!(r#"{{"digest": "{layer}", "mediaType": "unknown/type", "platform": null}}"#),
            ),
            image(format!(r#"{{"digest": "{config}", "size": 18446744073709551615}}"#), bare(&layer)),
            image(bare(&config), bare(&layer)).replace("config\":", "subject\": null, \"config\":"),
        ] {
            let document = Document::read(OCI_IMAGE_MEDIA_TYPE, text.as_bytes());
            let Ok(Document::Image { blobs, .. }) = document else { panic!("{text}: {document:?}") };
            assert_eq!(blobs.iter().map(|blob| &blob.digest).collect::<Vec<_>>(), [&config, &layer]);
        }
        for size in ["-1", "1.5", "18446744073709551616", "\"1\""] {
            let text = image(format!(r#"{{"digest": "{config}", "size": {size}}}"#), bare(&layer));
            assert!(Document::read(OCI_IMAGE_MEDIA_TYPE, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn null_counts_as_absent() {
        let (config, layer) = (digest("config"), digest("layer"));
        let all_null = |digest: &Digest| {
            let text =
                r#"{"digest": "D", "mediaType": null, "size": null, "platform": null, "annotations": null}"#;
            text.replace('D', digest.as_str())
        };
        let image = |layers: &str| {
            let config = all_null(&config);
            let text = format!(
                r#"{{"mediaType": null, "annotations": null, "subject": null, "config": {config}, "layers": {layers}}}"#
            );
            let document = Document::read(OCI_IMAGE_MEDIA_TYPE, text.as_bytes());
            let Ok(Document::Image { blobs, .. }) = document else { panic!("{text}: {document:?}") };
            blobs.into_iter().map(|blob| (blob.digest, blob.size)).collect::<Vec<_>>()
        };
        assert_eq!(image("null"), [(config.clone(), 0)]);
        assert_eq!(image(&format!("[{}]", all_null(&layer))), [(config.clone(), 0), (layer.clone(), 0)]);

        let index = |manifests: &str| {
            let text = format!(r#"{{"annotations": null, "config": null, "manifests": {manifests}}}"#);
            let document = Document::read(OCI_IMAGE_INDEX_MEDIA_TYPE, text.as_bytes());
            let Ok(Document::Index(children)) = document else { panic!("{text}: {document:?}") };
            children
        };
        let child = Child { digest: layer.clone(), size: None, platform: None, is_attestation: false };
        assert_eq!(index(&format!("[{}]", all_null(&layer))), [child]);
        let marked = format!(
            r#"[{{"digest": "{layer}", "annotations": {{"vnd.docker.reference.type": null}},
                "platform": {{"os": null, "architecture": null, "variant": null}}}}]"#
        );
        assert!(index(&marked)[0].is_attestation);
        assert_eq!(config_platform(br#"{"os": null, "architecture": "amd64"}"#), None);
        let without_variant = br#"{"os": "linux", "architecture": "amd64", "variant": null}"#;
        assert_eq!(config_platform(without_variant).as_deref(), Some("linux/amd64"));
    }

    #[test]
    fn an_invalid_image_is_rejected() {
        for (media_type, text) in [
            ("application/vnd.docker.distribution.manifest.v1+prettyjws", "{}"),
            (OCI_IMAGE_INDEX_MEDIA_TYPE, "{}"),
            (OCI_IMAGE_INDEX_MEDIA_TYPE, r#"{"manifests": []}"#),
            (OCI_IMAGE_INDEX_MEDIA_TYPE, r#"{"manifests": null}"#),
            (OCI_IMAGE_MEDIA_TYPE, "{}"),
            (OCI_IMAGE_MEDIA_TYPE, "no json"),
            (OCI_IMAGE_INDEX_MEDIA_TYPE, r#"{"manifests":[{"digest":"sha256:../x"}]}"#),
        ] {
            assert!(Document::read(media_type, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unsupported_digest_algorithm_is_named() {
        for place in ["config", "layers"] {
            let layer = format!(r#"{{"digest": "{}"}}"#, digest("layer"));
            let text = format!(r#"{{"config": {layer}, "layers": [{layer}]}}"#);
            let other = format!("sha384:{}", "a".repeat(96));
            let found = digest("layer").to_string();
            let text = match place {
                "config" => text.replacen(&found, &other, 1),
                _ => text.replace(&format!("[{layer}"), &format!(r#"[{{"digest": "{other}"}}"#)),
            };
            let error = Document::read(OCI_IMAGE_MEDIA_TYPE, text.as_bytes()).unwrap_err();
            let expected =
                "invalid manifest: unsupported digest algorithm sha384: sha256 and sha512 are supported";
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn manifests_may_be_nested_deep_where_nothing_is_read() {
        let digest = digest("config");
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let nested = open.repeat(100_000) + "1" + &close.repeat(100_000);
            let config = format!(r#"{{"digest": "{digest}", "size": 5, "data": {nested}}}"#);
            let text = format!(r#"{{"config": {config}, "layers": [], "other": {nested}}}"#);
            assert!(Document::read(OCI_IMAGE_MEDIA_TYPE, text.as_bytes()).is_ok());
            let text = format!(r#"{{"manifests": [{{"digest": "{digest}", "platform": {nested}}}]}}"#);
            let index = Document::read(OCI_IMAGE_INDEX_MEDIA_TYPE, text.as_bytes());
            assert_eq!(index.is_ok(), open.starts_with('{'), "a platform is an object");
            assert_eq!(crate::store::ecr_manifests::may_be_refused(text.as_bytes()), None);
            assert_eq!(config_platform(nested.as_bytes()), None);
        }
    }
}
