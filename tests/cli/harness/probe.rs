//! The probe for pods.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The folder with the layers of the probe's image, which are built if they are missing.
pub(crate) fn probe_layers() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let given = std::env::var_os("PROBE_LAYERS").filter(|folder| !folder.is_empty());
        given.map_or_else(build, PathBuf::from)
    })
}

fn build() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/build-probes.sh");
    let output = Command::new(script).stderr(Stdio::inherit()).output().expect("the script starts");
    assert!(output.status.success(), "the probe is built");
    String::from_utf8(output.stdout).expect("a path in UTF-8").trim_end().into()
}
