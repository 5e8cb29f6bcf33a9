//! Helm releases as Helm stores them: a Secret with a packed document.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::host::Lab;

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

/// Stores the releases that the workloads of [`crate::settings::Fixture::FirstCluster`] name, as the charts' installation
/// does in a real cluster.
///
/// # Errors
/// kubectl cannot apply one of them.
pub fn store_releases(lab: &Lab) -> anyhow::Result<()> {
    for name in ["castai-agent", "castai-hibernate", "castai-kvisor"] {
        let namespace = "castai-agent";
        let chart = json!({"metadata": {"name": name, "version": "1.0.0"}, "templates": [], "values": {}});
        let content = json!({
            "name": name, "namespace": namespace, "version": 1, "info": {"status": "deployed"}, "config": {},
            "manifest": "---\nkind: ConfigMap\n", "hooks": [], "chart": chart,
        });
        let secret = release_secret(namespace, name, 1, "deployed", &pack_release(&content.to_string()));
        let path = lab.folder().home().join("release.json");
        std::fs::write(&path, secret.to_string()).with_context(|| format!("writing {}", path.display()))?;
        let output = lab.kubectl(&["apply", "-f", &path.to_string_lossy()])?;
        if output.code != Some(0) {
            bail!("storing the Helm release {name}: {}", output.stderr);
        }
    }
    Ok(())
}
