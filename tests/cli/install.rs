//! Installation: the archive of this build and its krew manifest, made by the scripts that make a release,
//! and installed with the commands in the README.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lab::host::{Lab, Output, tools};

use crate::harness::shared_lab;

const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"));

/// Runs one of the project's scripts.
#[track_caller]
fn script(name: &str, arguments: &[&Path]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    let output = Command::new(path).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}

/// This build as a release: a folder with the archive for this machine, checksums and manifest.
/// The shared lab's GitHub serves it.
fn release() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = shared_lab().folder().releases().join(VERSION);
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        script("package.sh", &[&tools::plugin().unwrap(), "linux".as_ref(), arch.as_ref(), &folder]);
        script("manifest.sh", &[&folder]);
        folder
    })
}

fn archive() -> PathBuf {
    let files = std::fs::read_dir(release()).unwrap();
    let archive = |path: &PathBuf| path.to_string_lossy().ends_with(".tar.gz");
    files.map(|file| file.unwrap().path()).find(archive).unwrap()
}

/// A user's shell in the shared lab with its own home, krew's folder on `PATH`, and no other plugin:
/// the lab's own link to the plugin is the first entry of its `PATH`.
struct User<'a> {
    lab: &'a Lab,
    home: PathBuf,
}

impl User<'_> {
    fn new(name: &str) -> Self {
        let lab = shared_lab();
        let home = lab.folder().home().join(name);
        std::fs::create_dir_all(&home).unwrap();
        Self { lab, home }
    }

    /// Runs `commands`. The files of the release are in `$RELEASE`, the archive is `$ARCHIVE`.
    fn try_run(&self, commands: &str) -> Output {
        let mut command = self.lab.command_in(&self.home, "bash");
        command.env("HOME", &self.home).env("RELEASE", release()).env("ARCHIVE", archive());
        let commands = format!("PATH=$HOME/.krew/bin:$HOME/bin:${{PATH#*:}}\n{commands}");
        let output = command.args(["-euo", "pipefail", "-c", &commands]).output().unwrap();
        Output::from(output)
    }

    #[track_caller]
    fn run(&self, commands: &str) -> Output {
        let output = self.try_run(commands);
        assert_eq!(
            output.code,
            Some(0),
            "{commands}\nstdout:\n{}\nstderr:\n{}",
            output.stdout,
            output.stderr
        );
        output
    }
}

const RUNS: &str = "kubectl castai-privatelink version";

#[test]
fn the_check_of_krews_index_accepts_the_manifest_and_installs_every_platform() {
    let user = User::new("reviewer");
    // The check requires that the file has the plugin's name, and passes on only PATH. So the lab's
    // authority replaces the system's for these commands.
    let output = user.run(
        "cp $RELEASE/krew-manifest.yaml castai-privatelink.yaml
         unshare --mount bash -euc '
           mount --bind $SSL_CERT_FILE /etc/ssl/certs/ca-certificates.crt
           validate-krew-manifest -manifest castai-privatelink.yaml'",
    );
    assert!(output.stderr.contains("all 1 spec.platforms installed fine"), "{}", output.stderr);
}

#[test]
fn krew_installs_from_manifest_and_archive_without_network() {
    let user = User::new("bastion");
    let installed = user
        .run("unshare --net kubectl krew install --manifest=$RELEASE/krew-manifest.yaml --archive=$ARCHIVE");
    assert!(installed.stderr.contains("Use this plugin:"), "{}", installed.stderr);
    assert!(installed.stderr.contains("kubectl castai-privatelink"), "{}", installed.stderr);
    assert!(user.run(RUNS).stdout.contains(VERSION));

    let listed = user.run("kubectl plugin list 2>&1");
    assert!(listed.stdout.contains(".krew/bin/kubectl-castai_privatelink"), "{}", listed.stdout);
    assert!(!listed.stdout.to_lowercase().contains("warning"), "{}", listed.stdout);

    // As in the README: without this folder, krew tries to fetch its index first.
    user.run("mkdir -p ~/.krew/index/none/.git; kubectl krew uninstall castai-privatelink");
    let gone = user.try_run(RUNS);
    assert_eq!(gone.code, Some(1), "{}", gone.stderr);
    assert!(gone.stderr.contains(r#"unknown command "castai-privatelink""#), "{}", gone.stderr);
    let rest = user.run("find .krew -name '*castai*'");
    assert_eq!(rest.stdout, "");
}

#[test]
fn krew_installs_from_the_latest_releases_manifest_and_kubectl_completes() {
    let user = User::new("laptop");
    // A user of krew already has an index, which the lab's GitHub does not serve.
    user.run(
        "kubectl krew install --no-update-index \
         --manifest-url=https://github.com/castai/kubectl-castai-privatelink/releases/latest/download/krew-manifest.yaml",
    );
    assert!(user.run(RUNS).stdout.contains(VERSION));

    // The request of kubectl's completion.
    let asked = "kubectl __complete castai-privatelink pre";
    assert!(!user.run(asked).stdout.contains("preflight"), "krew does not create this link");
    user.run("kubectl castai-privatelink completion install");
    let completed = user.run(asked);
    assert!(completed.stdout.lines().any(|line| line.starts_with("preflight\t")), "{}", completed.stdout);
    user.run("kubectl castai-privatelink completion uninstall");
    assert!(!user.run(asked).stdout.contains("preflight"));
}

#[test]
fn krew_upgrades_from_an_index_and_removes_the_old_version() {
    let user = User::new("subscriber");
    user.run(
        "mkdir -p .krew/index/castai/plugins
         sed 's/version: v.*/version: v0.0.9/' $RELEASE/krew-manifest.yaml \
           >.krew/index/castai/plugins/castai-privatelink.yaml
         kubectl krew install --no-update-index castai/castai-privatelink",
    );
    let store = "ls .krew/store/castai-privatelink";
    assert_eq!(user.run(store).stdout.trim(), "v0.0.9");
    user.run(
        "cp $RELEASE/krew-manifest.yaml .krew/index/castai/plugins/castai-privatelink.yaml
         kubectl krew upgrade --no-update-index castai-privatelink",
    );
    assert_eq!(user.run(store).stdout.trim(), VERSION);
    assert!(user.run(RUNS).stdout.contains(VERSION));
}

#[test]
fn the_readmes_commands_download_verify_and_install_the_archive() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("```\n").find(|block| block.contains("sha256sum")).unwrap();
    let user = User::new("newcomer");
    user.run(&format!(
        "mkdir bin\n{}",
        block.replace("sudo install", "install").replace("/usr/local/bin", "bin")
    ));
    assert!(user.run(RUNS).stdout.contains(VERSION));
}
