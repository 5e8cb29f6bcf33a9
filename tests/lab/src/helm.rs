//! Helm releases as Helm stores them: a Secret with a packed document.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// The Secret of a release with `content`, which [`pack_release`] makes, or anything else.
pub fn release_secret(namespace: &str, name: &str, revision: u32, status: &str, content: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {
            "name": format!("sh.helm.release.v1.{name}.v{revision}"), "namespace": namespace,
            "labels": {"name": name, "owner": "helm", "status": status, "version": revision.to_string()},
        },
        "stringData": {"release": content},
    })
}

/// Packs a release's document as Helm does.
pub fn pack_release(text: &str) -> String {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).expect("the text is compressed");
    STANDARD.encode(encoder.finish().expect("the text is compressed"))
}
