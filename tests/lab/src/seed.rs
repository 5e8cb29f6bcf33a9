//! Seeds: the state of a settled new lab, stored in the cache, so that later labs start in seconds.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use crate::cluster;
use crate::host::namespaces::{Namespaces, say};
use crate::settings::{Folder, Purpose, Session, Settings};

/// Sources whose change makes an existing seed stale, because their output is in the stored state.
const SOURCES: &[&str] = &[
    include_str!("address.rs"),
    include_str!("cluster/mod.rs"),
    include_str!("control_plane.rs"),
    include_str!("inside.rs"),
    include_str!("kubelet/lifecycle.rs"),
    include_str!("kubelet/node.rs"),
    include_str!("pki.rs"),
    include_str!("registry/ecr/state.rs"),
    include_str!("registry/fixture.rs"),
    include_str!("registry/image.rs"),
    include_str!("registry/publish.rs"),
];

/// Copies the seed of `settings` into `folder`, and creates the seed first if it is missing.
/// Labs that start at the same time create it only once.
pub fn copy_into(settings: &Settings, tools: &Path, folder: &Folder) -> anyhow::Result<()> {
    let seeds = tools.parent().context("the tools are not in a cache folder")?.join("seeds");
    let seed = seeds.join(key(settings, tools)?);
    if !seed.exists() {
        std::fs::create_dir_all(&seeds).with_context(|| format!("creating `{}`", seeds.display()))?;
        let lock = File::create(seed.with_extension("lock"))?;
        lock.lock().context("waiting for another lab that creates the same seed")?;
        if !seed.exists() {
            create(settings, tools, &seed)?;
        }
    }
    copy(&seed, &folder.state())
}

fn key(settings: &Settings, tools: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_vec(settings)?);
    hash.update(tools.file_name().context("the tools' folder has no name")?.as_encoded_bytes());
    for source in SOURCES {
        hash.update(source);
    }
    if settings.fixture.is_at_rest() {
        for source in cluster::crowd::SOURCES {
            hash.update(source);
        }
    }
    for manifests in cluster::manifests(settings.fixture) {
        hash.update(manifests.yaml);
    }
    let start = hash.finalize().into_iter().take(8);
    Ok(start.fold(String::new(), |name, byte| name + &format!("{byte:02x}")))
}

/// Runs a lab up to the settled state and moves its whole folder into place.
fn create(settings: &Settings, tools: &Path, seed: &Path) -> anyhow::Result<()> {
    say("creating the initial state of the cluster (only once for these settings)");
    let folder = Folder::new(seed.with_extension("part"));
    if folder.path().exists() {
        std::fs::remove_dir_all(folder.path())?;
    }
    folder.create()?;
    folder.write_session(&Session {
        settings: settings.clone(),
        purpose: Purpose::Seed,
        tools: tools.to_owned(),
        keep: false,
    })?;
    Namespaces::start(&folder)?.finish()?;
    std::fs::rename(folder.state(), seed).with_context(|| format!("storing `{}`", seed.display()))?;
    std::fs::remove_dir_all(folder.path())?;
    Ok(())
}

/// `cp` keeps the holes of etcd's preallocated log, and shares blocks if the file system can.
fn copy(seed: &Path, state: &Path) -> anyhow::Result<()> {
    let output = Command::new("cp")
        .args(["--archive", "--sparse=always", "--reflink=auto"])
        .arg(seed.join("."))
        .arg(state)
        .output()
        .context("starting `cp`")?;
    if !output.status.success() {
        bail!("copying the seed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Fixture;

    #[test]
    fn each_setting_has_its_own_seed() {
        let tools = Path::new("/cache/tools-1");
        let usual = Settings::default();
        let empty = Settings { fixture: Fixture::Empty, ..usual.clone() };
        let key_of = |settings: &Settings, tools: &Path| key(settings, tools).unwrap();
        assert_eq!(key_of(&usual, tools), key_of(&usual, tools));
        assert_ne!(key_of(&usual, tools), key_of(&empty, tools));
        assert_ne!(key_of(&usual, tools), key_of(&usual, Path::new("/cache/tools-2")));
    }
}
