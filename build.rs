//! Embeds the image layers of the probe. `scripts/build-probes.sh` builds them, and `scripts/build.sh` passes their folder
//! in the variable `PROBE_LAYERS`. Without it, the plugin contains no probe.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const VARIABLE: &str = "PROBE_LAYERS";
/// In the spelling of OCI.
const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let folder = env::var_os(VARIABLE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let layers = folder.map(|folder| layers(&folder)).unwrap_or_default();
    let file = Path::new(&env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("probe_layers.rs");
    fs::write(&file, format!("&[{layers}]\n")).expect("the build folder is writable");
}

/// One literal of `Layer` for each architecture.
fn layers(folder: &Path) -> String {
    let mut literals = String::new();
    for architecture in ARCHITECTURES {
        let layer = folder.join(format!("{architecture}.tar.gz"));
        let diff_id = folder.join(format!("{architecture}.diff-id"));
        for file in [&layer, &diff_id] {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        let diff_id = fs::read_to_string(&diff_id)
            .unwrap_or_else(|error| panic!("{VARIABLE}: cannot read `{}`: {error}", diff_id.display()));
        writeln!(
            literals,
            "Layer {{ architecture: {architecture:?}, diff_id: {:?}, bytes: include_bytes!({:?}) }},",
            diff_id.trim(),
            layer.display().to_string(),
        )
        .expect("writing to a string does not fail");
    }
    literals
}
