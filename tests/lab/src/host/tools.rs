//! The programs that a lab needs: the control plane's, built once, and the plugin under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// The only file name that `kubectl castai-privatelink` finds.
pub const PLUGIN: &str = "kubectl-castai_privatelink";

/// The folder with the control plane's programs, which are built first if they are missing (this takes minutes).
pub fn ready() -> anyhow::Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/build.sh");
    let output = Command::new(&script)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting `{}`", script.display()))?;
    let folder = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    if !output.status.success() || !folder.is_dir() {
        bail!("building the lab's tools failed ({}): see the lines above", output.status);
    }
    Ok(folder)
}

/// The plugin under test: `$PLUGIN`, or the release build of this workspace for static Linux.
pub fn plugin() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("PLUGIN") {
        let path = PathBuf::from(path);
        return path.canonicalize().with_context(|| format!("`PLUGIN={}`", path.display()));
    }
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let triple = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let path = target.join(&triple).join("release").join(PLUGIN);
    path.canonicalize().with_context(|| {
        format!("no plugin at `{}`: run `make plugin`, or name it in $PLUGIN", path.display())
    })
}
