//! Image references: as written in a manifest, as pulled, and their names in a mirror.

mod digest;
pub mod ecr;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

pub use digest::{Algorithm, Digest, Hasher, InvalidDigest};
use oci_distribution::Reference;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::printable::without_login;

/// The text is not an image reference, or one that is not supported here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} {text:?}: {reason}")]
pub struct InvalidReference {
    problem: &'static str,
    text: String,
    reason: String,
}

impl InvalidReference {
    fn new(text: &str, reason: impl Into<String>) -> Self {
        Self { problem: "invalid image reference", text: without_login(text), reason: reason.into() }
    }

    /// The reference is valid, but its name in a mirror would not be.
    fn without_name_in_mirror(image: &Image, reason: String) -> Self {
        Self { problem: "no valid name in the mirror for image", ..Self::new(image.as_written(), reason) }
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// What a reference selects in its repository: a tag, a digest, or a tag that must have that digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    Tag(String),
    Digest(Digest),
    TagAndDigest(String, Digest),
}

impl Version {
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag(tag) | Self::TagAndDigest(tag, _) => Some(tag),
            Self::Digest(_) => None,
        }
    }

    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Digest(digest) | Self::TagAndDigest(_, digest) => Some(digest),
            Self::Tag(_) => None,
        }
    }

    /// The tag under which a mirror stores it. A pinned digest gets its own tag: it never moves the tag that is written
    /// next to it, and it remains when that tag moves. Registries may expire manifests without a tag.
    pub fn stored_tag(&self) -> Cow<'_, str> {
        match self {
            Self::Tag(tag) => Cow::Borrowed(tag),
            Self::Digest(digest) | Self::TagAndDigest(_, digest) => {
                Cow::Owned(format!("digest-{}", digest.short()))
            }
        }
    }
}

/// An image reference exactly as written, parsed by Docker's rules.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Image {
    written: String,
    /// Length of the repository part of `written`.
    name_length: usize,
    repository: String,
    version: Version,
    host: String,
    path: String,
}

impl Image {
    /// The reference as written.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// The repository as written: `castai/hibernate` stays without a host. Only the host is in lower case, and without
    /// the port of HTTPS, so that equal names are equal.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The repository exactly as written, for tools that compare the text.
    pub fn repository_as_written(&self) -> &str {
        &self.written[..self.name_length]
    }

    /// The selected version; `latest` without tag and digest.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The registry's host (and port) that this image is pulled from; Docker Hub's API host for short names.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository's path at that host: `library/busybox` for `busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether both references, however written, pull the same content.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.host, &self.path, &self.version) == (&other.host, &other.path, &other.version)
    }

    /// The same version in another repository.
    ///
    /// # Errors
    /// `repository` is not a valid name.
    pub fn with_repository(&self, repository: &str) -> Result<Self, InvalidReference> {
        format!("{repository}{}", &self.written[self.name_length..]).parse()
    }

    /// Adds the implicit tag of an untagged reference, so that mirror and manifest use the same name.
    #[must_use]
    pub fn with_explicit_tag(self) -> Self {
        match (&self.version, self.written.len() == self.name_length) {
            (Version::Tag(tag), true) => Self { written: format!("{}:{tag}", self.written), ..self },
            _ => self,
        }
    }
}

impl FromStr for Image {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |error: &dyn fmt::Display| {
            if text.ends_with(['\n', '\r']) {
                return InvalidReference::new(
                    text,
                    "it ends with a line break (in YAML, use |- instead of |)",
                );
            }
            InvalidReference::new(text, error.to_string())
        };
        let named_host = text.split_once('/').filter(|(first, _)| is_host(first));
        let (host, reference) = match named_host {
            Some((first, rest)) => {
                check_host(first).map_err(|error| invalid(&error))?;
                let host = normal_host(first);
                // Docker Hub has its own rules; of others, the grammar knows neither IPv6 nor hosts without a dot.
                let known = if DOCKER_HUB.contains(&host.as_str()) { DOCKER_HUB[0] } else { "host.invalid" };
                (Some((host, rest)), format!("{known}/{rest}").parse::<Reference>())
            }
            None => (None, text.parse()),
        };
        let reference = reference.map_err(|error| invalid(&error))?;
        let digest = reference.digest().map(pinned_digest).transpose().map_err(|reason| invalid(&reason))?;
        let without_digest = text.split('@').next().unwrap_or(text);
        // A colon after the last slash starts a tag; one before it starts a port.
        let name_start = without_digest.rfind('/').map_or(0, |slash| slash + 1);
        let tag_start = without_digest[name_start..].find(':').map(|colon| name_start + colon);
        let tag = tag_start.map(|start| without_digest[start + 1..].to_owned());
        let version = match (tag, digest) {
            (Some(tag), Some(digest)) => Version::TagAndDigest(tag, digest),
            (None, Some(digest)) => Version::Digest(digest),
            (Some(tag), None) => Version::Tag(tag),
            (None, None) => Version::Tag("latest".to_owned()),
        };
        let name_length = tag_start.unwrap_or(without_digest.len());
        let (repository, host) = match host {
            Some((host, rest)) => {
                let path = &rest[..rest.len() - (text.len() - name_length)];
                (format!("{host}/{path}"), host)
            }
            None => (text[..name_length].to_owned(), DOCKER_HUB[0].to_owned()),
        };
        Ok(Self {
            written: text.to_owned(),
            name_length,
            repository,
            version,
            host: if DOCKER_HUB.contains(&host.as_str()) { DOCKER_HUB_API.to_owned() } else { host },
            path: reference.repository().to_owned(),
        })
    }
}

/// The digest of a reference. Content in a manifest may have other digests.
fn pinned_digest(text: &str) -> Result<Digest, String> {
    let digest: Digest = text.parse().map_err(|error: InvalidDigest| error.to_string())?;
    match digest.algorithm() {
        Algorithm::Sha256 => Ok(digest),
        Algorithm::Sha512 => {
            Err("a sha512 digest in an image name is not supported: use its sha256 digest".to_owned())
        }
    }
}

/// Docker Hub's names in references, and the host of its API.
const DOCKER_HUB: [&str; 2] = ["docker.io", "index.docker.io"];
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// Whether the first part of a name is a host (distribution/reference `splitDockerDomain`).
fn is_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// # Errors
/// It is neither a host name nor an address, with or without a port.
fn check_host(host: &str) -> Result<(), oci_distribution::ParseError> {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port))
            if address.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':')
                && (port.is_empty() || port.starts_with(':')) =>
        {
            format!("host.invalid{port}/x")
        }
        _ => format!("{host}/x"),
    };
    name.parse::<Reference>().map(|_| ())
}

/// In lower case, and without the port of HTTPS. Local registries use plain HTTP.
fn normal_host(host: &str) -> String {
    let mut host = host.to_ascii_lowercase();
    if let Some(name) = host.strip_suffix(":443") {
        let is_local = name == "localhost" || name == "[::1]" || name.starts_with("127.");
        host.truncate(if is_local { host.len() } else { name.len() });
    }
    host
}

impl fmt::Display for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

/// The destination of mirrored images: a registry's host (and port), and a common path prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", try_from = "StoredMirror")]
pub struct Mirror {
    pub registry: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// A mirror in a file from another machine. It becomes part of URLs, so it is validated like a name.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StoredMirror {
    registry: String,
    #[serde(default)]
    prefix: Option<String>,
}

impl TryFrom<StoredMirror> for Mirror {
    type Error = InvalidReference;

    fn try_from(stored: StoredMirror) -> Result<Self, Self::Error> {
        let prefix = stored.prefix.map(|prefix| format!("/{prefix}")).unwrap_or_default();
        format!("{}{prefix}", stored.registry).parse()
    }
}

impl Mirror {
    /// The name of `image` in this mirror: registry and prefix, followed by the repository exactly as written. The
    /// charts' `global.registry` value produces the same name (castai/helm-charts #1398 to #1403).
    ///
    /// # Errors
    /// The repository as written is not a valid path, for example because its host has a port.
    pub fn name_of(&self, image: &Image) -> Result<Image, InvalidReference> {
        let repository = image.repository();
        let legal = repository.split('/').all(|segment| {
            segment.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
        });
        if !legal {
            let cause = if repository.contains(':') {
                "it would contain the port of the registry, and repository names have no colon"
            } else {
                "repository names only have a-z, 0-9, `.`, `_`, `-` and `/`"
            };
            let reason = format!("{cause}: add --map {}/<NAME>={repository}", self.location());
            return Err(InvalidReference::without_name_in_mirror(image, reason));
        }
        Ok(image.with_repository(&format!("{}/{repository}", self.location()))?.with_explicit_tag())
    }

    /// The source that was mirrored as `image`, if `image` is in this mirror and its path is a valid name.
    pub fn source_of(&self, image: &Image) -> Option<Image> {
        let repository = image.repository().strip_prefix(&self.location())?.strip_prefix('/')?;
        image.with_repository(repository).ok()
    }

    /// Our path in the ECR registry with this host; `None` for other registries.
    pub fn own(host: &str) -> Option<Self> {
        ecr::EcrRegistry::of_host(host)?;
        Some(Self { registry: host.to_owned(), prefix: Some(ecr::PATH.to_owned()) })
    }

    /// Whether everything in this mirror was written by us: ECR repositories below our default path.
    pub fn is_own(&self) -> bool {
        self.prefix.as_deref() == Some(ecr::PATH) && ecr::EcrRegistry::of_host(&self.registry).is_some()
    }

    /// Whether `image` is in this mirror: its registry, below its prefix.
    pub fn holds(&self, image: &Image) -> bool {
        self.includes(image.repository())
    }

    /// Whether a repository is in this mirror's registry, below its prefix.
    pub fn includes(&self, repository: &str) -> bool {
        repository.strip_prefix(&self.location()).is_some_and(|rest| rest.starts_with('/'))
    }

    fn location(&self) -> String {
        match &self.prefix {
            Some(prefix) => format!("{}/{prefix}", self.registry),
            None => self.registry.clone(),
        }
    }
}

impl fmt::Display for Mirror {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.location())
    }
}

impl FromStr for Mirror {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end_matches('/');
        if text.contains("://") {
            return Err(InvalidReference::new(text, "remove `https://` from the registry"));
        }
        // Parsed as the repository of an image, so that the same rules separate host and path.
        let probe: Image = format!("{text}/x")
            .parse()
            .map_err(|_| InvalidReference::new(text, "expected `host[:port]` or `host[:port]/path`"))?;
        let (registry, prefix) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
        if !is_host(registry) || probe.host() != normal_host(registry) {
            let reason = "missing registry host: expected `host[:port]` or `host[:port]/path`";
            return Err(InvalidReference::new(text, reason));
        }
        Ok(Self { registry: probe.host().to_owned(), prefix: prefix.map(str::to_owned) })
    }
}

macro_rules! serialize_as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serialize_as_text!(Digest, Image);

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
