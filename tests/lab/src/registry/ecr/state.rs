//! The state of ECR: one value, stored in a file so that a seeded lab can read it again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::address::{ACCOUNT, ECR, REGION};

/// The account's whole registry.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub repositories: BTreeMap<String, Repository>,
    /// Account setting `BLOB_MOUNTING`; off in a new account.
    pub blob_mounting: bool,
    /// Creation templates, as `DescribeRepositoryCreationTemplates` shows them.
    #[serde(default)]
    pub templates: Vec<Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Repository {
    /// Seconds since 1970.
    pub created_at: f64,
    pub mutability: String,
    pub exclusions: Value,
    pub encryption: Value,
    pub scanning: Value,
    /// Tags of the repository itself.
    #[serde(default)]
    pub resource_tags: BTreeMap<String, String>,
    #[serde(default)]
    pub policy: Value,
    #[serde(default)]
    pub lifecycle: Value,
    pub tags: BTreeMap<String, String>,
    /// Manifests by digest.
    pub images: BTreeMap<String, Image>,
    /// Layers and configurations: digest to size.
    pub layers: BTreeMap<String, u64>,
}

/// A manifest of any kind.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Image {
    pub media_type: String,
    pub artifact_type: Option<String>,
    /// Bytes of the manifest itself.
    pub manifest_size: u64,
    /// Bytes of the layers; of an index, those of its largest image.
    pub size: u64,
    /// Seconds since 1970.
    pub pushed_at: f64,
    pub blobs: BTreeSet<String>,
    pub children: BTreeSet<String>,
    pub subject: Option<String>,
    /// Whether it is in the archive: it is listed only if asked for, and cannot be pulled (Amazon ECR user guide,
    /// "Archiving an image").
    #[serde(default)]
    pub archived: bool,
}

/// The state, and the file in which it is stored.
pub struct Store {
    state: Mutex<State>,
    file: PathBuf,
}

impl Default for Repository {
    fn default() -> Self {
        Self {
            created_at: now(),
            mutability: "MUTABLE".into(),
            exclusions: Value::Null,
            encryption: json!({"encryptionType": "AES256"}),
            scanning: json!({"scanOnPush": false}),
            resource_tags: BTreeMap::new(),
            policy: Value::Null,
            lifecycle: Value::Null,
            tags: BTreeMap::new(),
            images: BTreeMap::new(),
            layers: BTreeMap::new(),
        }
    }
}

impl Store {
    /// Reads `ecr.json` in `folder`, or starts with an empty state.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let file = folder.join("ecr.json");
        let state = match std::fs::read(&file) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| format!("reading {}", file.display()))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        };
        Ok(Self { state: Mutex::new(state), file })
    }

    pub fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and writes it to the file before any other request reads it.
    pub fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> anyhow::Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let result = act(&mut state);
        let part = self.file.with_extension("part");
        std::fs::write(&part, serde_json::to_vec(&*state)?)?;
        std::fs::rename(&part, &self.file)?;
        Ok(result)
    }
}

impl Repository {
    /// As `CreateRepository` and `DescribeRepositories` show it.
    pub fn describe(&self, name: &str) -> Value {
        let mut value = json!({
            "repositoryName": name,
            "repositoryArn": arn(name),
            "registryId": ACCOUNT,
            "repositoryUri": format!("{}/{name}", ECR.0),
            "createdAt": self.created_at,
            "imageTagMutability": self.mutability,
            "imageScanningConfiguration": self.scanning,
            "encryptionConfiguration": self.encryption,
        });
        if !self.exclusions.is_null() {
            value["imageTagMutabilityExclusionFilters"] = self.exclusions.clone();
        }
        value
    }

    /// True if an existing tag must not be written again.
    pub fn is_immutable(&self, tag: &str) -> bool {
        let excluded = self.exclusions.as_array().is_some_and(|filters| {
            filters.iter().any(|filter| wildcard(filter["filter"].as_str().unwrap_or_default(), tag))
        });
        match self.mutability.as_str() {
            "IMMUTABLE" => true,
            "IMMUTABLE_WITH_EXCLUSION" => !excluded,
            "MUTABLE_WITH_EXCLUSION" => excluded,
            _ => false,
        }
    }

    pub fn tags_of(&self, digest: &str) -> Vec<&str> {
        self.tags.iter().filter(|(_, existing)| *existing == digest).map(|(tag, _)| tag.as_str()).collect()
    }
}

pub fn arn(repository: &str) -> String {
    format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}")
}

/// Seconds since 1970, with milliseconds.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into 53 bits for ages to come")]
pub fn now() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1000.0
}

/// Matches a filter in which `*` matches any text.
fn wildcard(filter: &str, text: &str) -> bool {
    match filter.split_once('*') {
        None => filter == text,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).any(|cut| tail.get(cut..).is_some_and(|end| wildcard(rest, end)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exclusions_invert_the_mutability() {
        let filters = json!([{"filterType": "WILDCARD", "filter": "sha256-*"}, {"filter": "dev*-?"}]);
        let cases = [
            ("MUTABLE", Value::Null, "v1", false),
            ("IMMUTABLE", Value::Null, "v1", true),
            ("IMMUTABLE_WITH_EXCLUSION", filters.clone(), "v1", true),
            ("IMMUTABLE_WITH_EXCLUSION", filters.clone(), "sha256-ab.sig", false),
            ("MUTABLE_WITH_EXCLUSION", filters.clone(), "sha256-ab.sig", true),
            ("MUTABLE_WITH_EXCLUSION", filters, "v1", false),
        ];
        for (mutability, exclusions, tag, expected) in cases {
            let repository =
                Repository { mutability: mutability.into(), exclusions, ..Repository::default() };
            assert_eq!(repository.is_immutable(tag), expected, "{mutability} {tag}");
        }
    }
}
