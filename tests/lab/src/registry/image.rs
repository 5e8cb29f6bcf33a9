//! Generated images: real archives, configurations and manifests, the same bytes for the same name, tag and
//! recipe on every machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::upstream::{Manifest, digest_of, hexadecimal};

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const IN_TOTO: &str = "application/vnd.in-toto+json";
const CREATED: &str = "2026-01-15T00:00:00Z";

/// The content of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recipe {
    pub form: Form,
    /// Images of one family share their base layers, one per architecture.
    pub family: String,
    /// Bytes of a base layer.
    pub base_size: usize,
    /// Bytes of the image's own layer, one per architecture.
    pub size: usize,
    /// Operating system and architecture, `linux/amd64`; a single manifest uses the first.
    pub platforms: Vec<String>,
    pub behaviour: Behaviour,
    /// Another number gives other content with the same name and tag.
    pub revision: u32,
    /// The registry serves the first platform's own layer with a wrong byte.
    pub corrupt: bool,
    /// The image of the probe instead of a generated one, for all platforms: the folder that `scripts/build-probes.sh`
    /// prints. The simulated kubelet really runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<PathBuf>,
}

/// The form of the top-level manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// An OCI index with an attestation manifest for each platform, as `BuildKit` makes it.
    Index,
    /// The same with attestations as artifacts, as `BuildKit` 0.32 makes them (moby/buildkit#7007): the config is the
    /// empty descriptor with inline data, and the subject is named.
    IndexWithArtifacts,
    /// A Docker manifest list.
    ManifestList,
    /// One OCI manifest.
    Single,
}

/// What a container of this image does in the simulated kubelet (label `lab.behaviour`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Behaviour {
    Run,
    Crash,
}

/// A generated image: its blobs, and its manifests with children before parents.
#[derive(Clone, Debug)]
pub struct Image {
    pub blobs: Vec<Blob>,
    pub manifests: Vec<Manifest>,
    /// Digest of the first platform's own layer.
    pub own_layer: String,
}

/// A layer or configuration.
#[derive(Clone, Debug)]
pub struct Blob {
    pub digest: String,
    pub bytes: Bytes,
}

struct Layer {
    blob: Blob,
    diff_id: String,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            form: Form::Index,
            family: "base".into(),
            base_size: 64 * 1024,
            size: 128 * 1024,
            platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
            behaviour: Behaviour::Run,
            revision: 0,
            corrupt: false,
            probe: None,
        }
    }
}

impl Image {
    /// The manifest that the tag points at.
    pub fn top(&self) -> Option<&Manifest> {
        self.manifests.last()
    }
}

/// Generates the image `name:tag`; `name` is the host and the repository.
pub fn generate(name: &str, tag: &str, recipe: &Recipe) -> anyhow::Result<Image> {
    if let Some(folder) = &recipe.probe {
        return probe(folder, &recipe.platforms);
    }
    let mut image = Image { blobs: Vec::new(), manifests: Vec::new(), own_layer: String::new() };
    let docker = recipe.form == Form::ManifestList;
    let count = if recipe.form == Form::Single { 1 } else { recipe.platforms.len() };
    let mut entries = Vec::new();
    let mut attestations = Vec::new();
    for platform in recipe.platforms.iter().take(count) {
        let (system, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
        let program = name.rsplit('/').next().unwrap_or(name);
        let base =
            layer("usr/lib/base.bin", &format!("base {} {platform}", recipe.family), recipe.base_size)?;
        let own = layer(
            &format!("app/{program}"),
            &format!("own {name}:{tag} {platform} {}", recipe.revision),
            recipe.size,
        )?;
        if image.own_layer.is_empty() {
            image.own_layer.clone_from(&own.blob.digest);
        }
        let config = json_blob(&json!({
            "created": CREATED,
            "os": system,
            "architecture": architecture,
            "config": {
                "Entrypoint": [format!("/app/{program}")],
                "Labels": {"lab.behaviour": recipe.behaviour, "org.opencontainers.image.version": tag},
            },
            "rootfs": {"type": "layers", "diff_ids": [base.diff_id, own.diff_id]},
        }));
        let (manifest_type, config_type, layer_type) =
            if docker { (DOCKER_IMAGE, DOCKER_CONFIG, DOCKER_LAYER) } else { (IMAGE, CONFIG, LAYER) };
        let manifest = manifest(
            manifest_type,
            &json!({
                "schemaVersion": 2,
                "mediaType": manifest_type,
                "config": descriptor(config_type, &config),
                "layers": [descriptor(layer_type, &base.blob), descriptor(layer_type, &own.blob)],
            }),
        );
        entries.push(json!({
            "mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len(),
            "platform": {"architecture": architecture, "os": system},
        }));
        if matches!(recipe.form, Form::Index | Form::IndexWithArtifacts) {
            let (attestation, blobs) = attest(&manifest, name, recipe.form);
            attestations.push(json!({
                "mediaType": attestation.media_type,
                "digest": attestation.digest,
                "size": attestation.bytes.len(),
                "annotations": {
                    "vnd.docker.reference.digest": manifest.digest,
                    "vnd.docker.reference.type": "attestation-manifest",
                },
                "platform": {"architecture": "unknown", "os": "unknown"},
            }));
            image.manifests.push(attestation);
            image.blobs.extend(blobs);
        }
        image.blobs.extend([base.blob, own.blob, config]);
        image.manifests.push(manifest);
    }
    let top_type = match recipe.form {
        Form::Index | Form::IndexWithArtifacts => INDEX,
        Form::ManifestList => DOCKER_LIST,
        Form::Single => return Ok(image),
    };
    entries.extend(attestations);
    image
        .manifests
        .push(manifest(top_type, &json!({"schemaVersion": 2, "mediaType": top_type, "manifests": entries})));
    Ok(image)
}

/// The image of the probe, in the form in which the plugin pushes it.
fn probe(folder: &Path, platforms: &[String]) -> anyhow::Result<Image> {
    let mut image = Image { blobs: Vec::new(), manifests: Vec::new(), own_layer: String::new() };
    let mut entries = Vec::new();
    for platform in platforms {
        let (system, architecture) = platform.split_once('/').unwrap_or(("linux", platform));
        let read = |extension: &str| {
            let file = folder.join(format!("{architecture}.{extension}"));
            std::fs::read(&file).with_context(|| format!("reading `{}`", file.display()))
        };
        let bytes = Bytes::from(read("tar.gz")?);
        let layer = Blob { digest: digest_of(&bytes), bytes };
        let config = json_blob(&json!({
            "os": system,
            "architecture": architecture,
            "config": {"User": "65532", "Entrypoint": ["/probe"]},
            "rootfs": {"type": "layers", "diff_ids": [String::from_utf8(read("diff-id")?)?.trim()]},
        }));
        let manifest = manifest(
            IMAGE,
            &json!({
                "schemaVersion": 2,
                "mediaType": IMAGE,
                "config": descriptor(CONFIG, &config),
                "layers": [descriptor(LAYER, &layer)],
            }),
        );
        entries.push(json!({
            "mediaType": manifest.media_type, "digest": manifest.digest, "size": manifest.bytes.len(),
            "platform": {"architecture": architecture, "os": system},
        }));
        image.own_layer.clone_from(&layer.digest);
        image.blobs.extend([layer, config]);
        image.manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    image.manifests.push(manifest(INDEX, &index));
    Ok(image)
}

/// An attestation manifest as `BuildKit` writes it: in the form of an image manifest, or as an artifact.
fn attest(subject: &Manifest, name: &str, form: Form) -> (Manifest, [Blob; 2]) {
    let predicate = "https://slsa.dev/provenance/v1";
    let hexadecimal = subject.digest.trim_start_matches("sha256:");
    let statement = json_blob(&json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": predicate,
        "subject": [{"name": name, "digest": {"sha256": hexadecimal}}],
        "predicate": {"buildDefinition": {"buildType": "lab"}, "runDetails": {"builder": {"id": ""}}},
    }));
    let config = json_blob(&json!({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [statement.digest]},
    }));
    let mut layer = descriptor(IN_TOTO, &statement);
    layer["annotations"] = json!({"in-toto.io/predicate-type": predicate});
    if form == Form::IndexWithArtifacts {
        let config = Blob { digest: digest_of(b"{}"), bytes: Bytes::from_static(b"{}") };
        let mut empty = descriptor("application/vnd.oci.empty.v1+json", &config);
        empty["data"] = "e30=".into();
        let attestation = json!({
            "schemaVersion": 2,
            "mediaType": IMAGE,
            "artifactType": "application/vnd.docker.attestation.manifest.v1+json",
            "config": empty,
            "layers": [layer],
            "subject": {
                "mediaType": subject.media_type, "digest": subject.digest, "size": subject.bytes.len(),
            },
        });
        return (manifest(IMAGE, &attestation), [statement, config]);
    }
    let attestation = manifest(
        IMAGE,
        &json!({
            "schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(CONFIG, &config), "layers": [layer],
        }),
    );
    (attestation, [statement, config])
}

fn layer(path: &str, seed: &str, size: usize) -> anyhow::Result<Layer> {
    let content = noise(seed, size);
    let mut header = tar::Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o755);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::with_capacity(size + 4096));
    archive.append_data(&mut header, path, content.as_slice())?;
    let archive = archive.into_inner()?;
    // Random bytes cannot be compressed: storing them has the same archive format, and is much faster.
    let mut gzip = GzEncoder::new(Vec::with_capacity(size + 8192), Compression::none());
    gzip.write_all(&archive)?;
    let bytes = Bytes::from(gzip.finish()?);
    Ok(Layer { blob: Blob { digest: digest_of(&bytes), bytes }, diff_id: digest_of(&archive) })
}

/// Pseudo-random bytes that depend only on `seed` (the `SplitMix64` generator).
fn noise(seed: &str, size: usize) -> Vec<u8> {
    let mut state = Sha256::digest(seed.as_bytes())
        .iter()
        .take(8)
        .fold(0_u64, |state, byte| (state << 8) | u64::from(*byte));
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn descriptor(media_type: &str, blob: &Blob) -> Value {
    json!({"mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len()})
}

fn json_blob(value: &Value) -> Blob {
    let bytes = Bytes::from(value.to_string());
    Blob { digest: digest_of(&bytes), bytes }
}

fn manifest(media_type: &str, value: &Value) -> Manifest {
    // Indented, as buildx writes it: if a copy parses and serialises it, the digest changes.
    let bytes = Bytes::from(format!("{value:#}"));
    Manifest { digest: digest_of(&bytes), media_type: media_type.into(), bytes }
}

/// An identifier of a recipe.
pub fn fingerprint(recipe: &Recipe) -> String {
    hexadecimal(&Sha256::digest(json!(recipe).to_string()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::Read as _;

    use super::*;

    fn digests(image: &Image) -> BTreeSet<String> {
        image.blobs.iter().map(|blob| blob.digest.clone()).collect()
    }

    #[test]
    fn the_same_name_tag_and_recipe_give_the_same_bytes() {
        let recipe = Recipe::default();
        let first = generate("ghcr.io/a/b", "v1", &recipe).unwrap();
        let again = generate("ghcr.io/a/b", "v1", &recipe).unwrap();
        let moved = generate("ghcr.io/a/b", "v1", &Recipe { revision: 1, ..recipe.clone() }).unwrap();
        assert_eq!(first.top().unwrap().digest, again.top().unwrap().digest);
        assert_ne!(first.top().unwrap().digest, moved.top().unwrap().digest);
    }

    #[test]
    fn images_of_a_family_share_their_base_layers_and_nothing_else() {
        let recipe = Recipe::default();
        let one = generate("ghcr.io/a/one", "v1", &recipe).unwrap();
        let two = generate("ghcr.io/a/two", "v1", &recipe).unwrap();
        let list = Recipe { form: Form::ManifestList, ..recipe };
        let docker = generate("us-docker.pkg.dev/a/three", "v1", &list).unwrap();
        assert_eq!(digests(&one).intersection(&digests(&two)).count(), 2);
        assert_eq!(digests(&one).intersection(&digests(&docker)).count(), 2);
    }

    #[test]
    fn an_index_lists_platforms_then_their_attestations() {
        let image = generate("ghcr.io/a/b", "v1", &Recipe::default()).unwrap();
        let index: Value = serde_json::from_slice(&image.top().unwrap().bytes).unwrap();
        let entries = index["manifests"].as_array().unwrap();
        assert_eq!(entries.len(), 4);
        assert_eq!(entries[0]["platform"]["architecture"], "amd64");
        assert_eq!(entries[2]["platform"]["architecture"], "unknown");
        assert_eq!(entries[2]["annotations"]["vnd.docker.reference.digest"], entries[0]["digest"]);
    }

    #[test]
    fn layers_are_gzipped_archives_whose_content_is_the_configured_diff() {
        let recipe = Recipe { form: Form::Single, behaviour: Behaviour::Crash, ..Recipe::default() };
        let image = generate("docker.io/a/b", "v1", &recipe).unwrap();
        let manifest: Value = serde_json::from_slice(&image.top().unwrap().bytes).unwrap();
        let blob = |digest: &Value| image.blobs.iter().find(|blob| digest == &blob.digest).unwrap();
        let config: Value = serde_json::from_slice(&blob(&manifest["config"]["digest"]).bytes).unwrap();
        assert_eq!(config["config"]["Labels"]["lab.behaviour"], "crash");
        for (layer, diff_id) in manifest["layers"]
            .as_array()
            .unwrap()
            .iter()
            .zip(config["rootfs"]["diff_ids"].as_array().unwrap())
        {
            let mut archive = Vec::new();
            flate2::read::GzDecoder::new(&*blob(&layer["digest"]).bytes).read_to_end(&mut archive).unwrap();
            assert_eq!(diff_id, &digest_of(&archive));
            assert_eq!(tar::Archive::new(&*archive).entries().unwrap().count(), 1);
        }
    }
}
