use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;

const AMD64: Layer = Layer {
    architecture: "amd64",
    diff_id: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    bytes: b"layer of amd64",
};
const ARM64: Layer = Layer {
    architecture: "arm64",
    diff_id: "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
    bytes: b"layer of arm64",
};

fn parsed(blob: &Blob) -> Value {
    serde_json::from_slice(&blob.bytes).unwrap()
}

/// A descriptor's content, which is in the image and has the descriptor's size and media type.
fn content<'a>(blobs: &'a [Blob], descriptor: &Value) -> &'a Blob {
    let blob = blobs.iter().find(|blob| descriptor["digest"] == blob.digest.as_str()).unwrap();
    assert_eq!(descriptor["size"], blob.bytes.len());
    assert_eq!(descriptor["mediaType"], blob.media_type);
    assert_eq!(blob.digest, Digest::compute(&blob.bytes));
    blob
}

#[test]
fn the_index_leads_to_a_config_and_a_layer_for_each_platform() {
    let image = ProbeImage::of(&[AMD64, ARM64]);
    let index = parsed(&image.index);
    assert_eq!(index["schemaVersion"], 2);
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    for (position, layer) in [AMD64, ARM64].iter().enumerate() {
        let entry = &index["manifests"][position];
        assert_eq!(entry["platform"], json!({"architecture": layer.architecture, "os": "linux"}));
        let manifest = parsed(content(&image.manifests, entry));
        assert_eq!(manifest["schemaVersion"], 2);
        assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(content(&image.blobs, &manifest["layers"][0]).bytes, layer.bytes);
        assert_eq!(
            parsed(content(&image.blobs, &manifest["config"])),
            json!({
                "architecture": layer.architecture,
                "os": "linux",
                "config": {"User": "65532", "Entrypoint": ["/probe"]},
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
            })
        );
    }
    let digests: BTreeSet<_> = image.blobs.iter().chain(&image.manifests).map(|blob| &blob.digest).collect();
    assert_eq!(digests.len(), 6);
}

#[test]
fn equal_layers_have_one_tag_and_other_layers_another() {
    let image = ProbeImage::of(&[AMD64, ARM64]);
    assert_eq!(image.tag(), format!("digest-{}", image.index.digest.short()));
    let cases = [
        (Layer { ..AMD64 }, true),
        (Layer { bytes: b"another", ..AMD64 }, false),
        (Layer { diff_id: ARM64.diff_id, ..AMD64 }, false),
    ];
    for (layer, is_equal) in cases {
        let other = ProbeImage::of(&[layer, ARM64]);
        assert_eq!((other == image, other.tag() == image.tag()), (is_equal, is_equal));
    }
}

/// Depends on the build: a release build embeds both architectures, and a plain `cargo build` none.
#[test]
fn the_embedded_image_has_both_architectures_or_does_not_exist() {
    let Some(image) = embedded() else {
        assert!(LAYERS.is_empty());
        return;
    };
    let platforms: Vec<_> = LAYERS.iter().map(|layer| layer.architecture).collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    assert_eq!((image.manifests.len(), image.blobs.len()), (2, 4));
}
