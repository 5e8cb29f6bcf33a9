//! The JSON documents of an image, with the fields that the probe's image has (OCI image specification 1.1).

use oci_distribution::manifest::{OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE};
use serde::Serialize;

use super::Blob;

const OS: &str = "linux";
/// The user `nonroot` of minimal images. Pods that enforce `runAsNonRoot` need a number.
const USER: &str = "65532";
const ENTRYPOINT: &str = "/probe";

/// The config of one platform. It has no creation time, because that would change the digest.
#[derive(Serialize)]
pub(super) struct Config<'a> {
    architecture: &'a str,
    os: &'static str,
    #[serde(rename = "config")]
    runtime: Runtime,
    rootfs: RootFilesystem<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Runtime {
    user: &'static str,
    entrypoint: [&'static str; 1],
}

#[derive(Serialize)]
struct RootFilesystem<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: [&'a str; 1],
}

impl<'a> Config<'a> {
    pub(super) fn new(architecture: &'a str, diff_id: &'a str) -> Self {
        Self {
            architecture,
            os: OS,
            runtime: Runtime { user: USER, entrypoint: [ENTRYPOINT] },
            rootfs: RootFilesystem { kind: "layers", diff_ids: [diff_id] },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: [Descriptor; 1],
}

impl Manifest {
    pub(super) fn new(config: Descriptor, layer: Descriptor) -> Self {
        Self { schema_version: 2, media_type: OCI_IMAGE_MEDIA_TYPE, config, layers: [layer] }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl Index {
    pub(super) fn new(manifests: Vec<Descriptor>) -> Self {
        Self { schema_version: 2, media_type: OCI_IMAGE_INDEX_MEDIA_TYPE, manifests }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    media_type: &'static str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
}

impl Descriptor {
    pub(super) fn of(blob: &Blob) -> Self {
        Self {
            media_type: blob.media_type,
            digest: blob.digest.to_string(),
            size: blob.bytes.len(),
            platform: None,
        }
    }

    pub(super) fn on(self, platform: Platform) -> Self {
        Self { platform: Some(platform), ..self }
    }
}

#[derive(Serialize)]
pub(super) struct Platform {
    architecture: &'static str,
    os: &'static str,
}

impl Platform {
    pub(super) fn linux(architecture: &'static str) -> Self {
        Self { architecture, os: OS }
    }
}
