//! Manifests and kubeconfigs are read as kubectl reads them. kubectl itself reads the same files, without a cluster.

mod connections;
mod kubeconfigs;
mod manifests;
mod names;
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lab::host::{Output, tools};

/// The lab's kubectl.
fn kubectl_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| tools::ready().unwrap().join("kubectl"))
}

/// Runs kubectl in `folder`, with nothing of this process's environment but its `PATH`.
fn kubectl(folder: &Path, kubeconfig: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(kubectl_path());
    command.env_clear().env("KUBECONFIG", kubeconfig).env("HOME", folder).current_dir(folder);
    command.envs(std::env::var_os("PATH").map(|value| ("PATH", value)));
    Output::from(command.args(arguments).stdin(std::process::Stdio::null()).output().unwrap())
}
