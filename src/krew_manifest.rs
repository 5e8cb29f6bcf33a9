//! Checks the committed krew manifest against the rules of krew v0.5.0 (`internal/index/validation/validate.go`,
//! `cmd/validate-krew-manifest/main.go`) and against Cargo.toml.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn manifest() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("krew-manifest.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} is not a string"))
}

#[test]
fn the_krew_manifest_matches_cargo_toml() {
    let manifest = manifest();
    assert_eq!(text(&manifest, "/apiVersion"), "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!(text(&manifest, "/kind"), "Plugin");
    assert_eq!(text(&manifest, "/metadata/name"), "castai-privatelink");
    assert_eq!(text(&manifest, "/spec/version"), concat!("v", env!("CARGO_PKG_VERSION")));
    assert_eq!(text(&manifest, "/spec/homepage"), env!("CARGO_PKG_REPOSITORY"));
    assert_eq!(text(&manifest, "/spec/shortDescription"), env!("CARGO_PKG_DESCRIPTION"));
    for prose in ["/spec/description", "/spec/caveats"] {
        assert!(text(&manifest, prose).lines().all(|line| line.len() <= 80), "{prose}");
    }
    // `krew search` truncates it to 50 characters.
    assert!(text(&manifest, "/spec/shortDescription").len() <= 50);
}

#[test]
fn each_platform_is_known_to_krew_and_has_an_archive_of_this_version() {
    let known = ["linux-amd64", "linux-arm64", "darwin-amd64", "darwin-arm64", "windows-amd64"];
    let manifest = manifest();
    let platforms = manifest.pointer("/spec/platforms").and_then(Value::as_array).unwrap();
    let mut seen = BTreeSet::new();
    for platform in platforms {
        let labels = platform.pointer("/selector/matchLabels").and_then(Value::as_object).unwrap();
        assert_eq!(labels.len(), 2, "{labels:?}");
        let (os, arch) =
            (text(platform, "/selector/matchLabels/os"), text(platform, "/selector/matchLabels/arch"));
        let name = format!("{os}-{arch}");
        assert!(known.contains(&name.as_str()), "{name}");
        let (repository, version) = (env!("CARGO_PKG_REPOSITORY"), env!("CARGO_PKG_VERSION"));
        let archive = format!("kubectl-castai_privatelink-v{version}-{name}.tar.gz");
        assert_eq!(text(platform, "/uri"), format!("{repository}/releases/download/v{version}/{archive}"));
        let hash = text(platform, "/sha256");
        assert!(
            hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            "{hash}"
        );
        let suffix = if os == "windows" { ".exe" } else { "" };
        assert_eq!(text(platform, "/bin"), format!("kubectl-castai_privatelink{suffix}"));
        // Without it, krew installs every file of the archive.
        assert_eq!(platform.get("files"), None);
        assert!(seen.insert(name), "two entries for one platform");
    }
    assert!(seen.contains("linux-amd64"));
}
