//! Errors of stores, by what the caller has to do about them.

use std::time::Duration;

use crate::error::CommandError;
use crate::model::image::Digest;
use crate::registry::Repository;
use crate::transport::credential::Consequence;
use crate::{aws, registry};

/// A request to a store failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// From the distribution API.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// From ECR's own API.
    #[error(transparent)]
    Aws(#[from] aws::error::Error),
}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        match error {
            Error::Aws(error) => error.into(),
            Error::Registry(error) => Self::new(format!("error: {error}")),
        }
    }
}

impl Error {
    /// A manifest has another size than the index says that names it.
    pub fn size_mismatch(repository: &Repository, manifest: &Digest, actual: u64, expected: u64) -> Self {
        Self::Registry(registry::Error::SizeMismatch {
            repository: repository.clone(),
            object: format!("manifest {manifest}"),
            actual: actual.to_string(),
            expected,
        })
    }

    /// Whether it concerns the whole store or the caller, so that every other request would fail too.
    pub const fn stops_everything(&self) -> bool {
        match self {
            Self::Registry(registry::Error::NoCredential(error)) => {
                matches!(error.consequence, Consequence::EverythingFails)
            }
            Self::Registry(error) => error.is_unreachable(),
            Self::Aws(error) => error.stops_everything(),
        }
    }

    /// Whether there was no response from the store at all.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Registry(error) if error.is_unreachable())
    }

    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Registry(error) if error.is_transient())
    }

    /// The delay that the store requested.
    pub const fn wait(&self) -> Option<Duration> {
        match self {
            Self::Registry(registry::Error::RateLimited { wait, .. }) => *wait,
            _ => None,
        }
    }

    /// Whether the requested object was not found.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Registry(registry::Error::NotFound { .. }))
    }

    /// What the source of an image that was copied before no longer has.
    pub fn removal(&self) -> Option<String> {
        let Self::Registry(registry::Error::NotFound { repository, object }) = self else { return None };
        let tag = object.strip_prefix("manifest ").map(|version| format!("tag {version}"));
        let object = tag.as_deref().unwrap_or(object);
        Some(format!(
            "{object} was removed from {repository}: upgrade the component, or keep the copy in the registry"
        ))
    }

    /// Whether a referenced object is missing or has other content.
    pub const fn is_damage(&self) -> bool {
        let is_other = matches!(
            self,
            Self::Registry(registry::Error::DigestMismatch { .. } | registry::Error::SizeMismatch { .. })
        );
        is_other || self.is_not_found()
    }

    /// The store's answer, if it refuses this manifest, whatever else it has.
    pub fn manifest_refusal(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.manifest_refusal(),
            Self::Aws(_) => None,
        }
    }

    /// Whether the tag is immutable.
    pub const fn is_immutable_tag(&self) -> bool {
        matches!(self, Self::Registry(registry::Error::Immutable { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::{Cause, Repository};
    use crate::transport::credential::CredentialError;

    #[test]
    fn a_removed_tag_is_named_with_what_to_do() {
        let repository = || Repository { host: "ghcr.io".to_owned(), path: "castai/x".to_owned() };
        let missing = |object: &str| -> Error {
            registry::Error::NotFound { repository: repository(), object: object.to_owned() }.into()
        };
        let advice =
            "was removed from ghcr.io/castai/x: upgrade the component, or keep the copy in the registry";
        assert_eq!(missing("manifest v1").removal(), Some(format!("tag v1 {advice}")));
        assert_eq!(missing("repository").removal(), Some(format!("repository {advice}")));
        let denied = registry::Error::Denied { repository: repository(), message: String::new() };
        assert_eq!(Error::from(denied).removal(), None);
    }

    #[test]
    fn only_errors_about_the_whole_store_or_the_caller_stop_everything() {
        let repository = || Repository { host: "registry.example".to_owned(), path: "a".to_owned() };
        let credential = |consequence| CredentialError { message: String::new(), consequence };
        let unreachable =
            registry::Error::Unreachable { host: String::new(), proxy: None, cause: Cause::Refused };
        let throttled = aws::error::Error::Throttled { action: String::new() };
        let cases: [(Error, bool); 7] = [
            (unreachable.into(), true),
            (registry::Error::NoCredential(credential(Consequence::EverythingFails)).into(), true),
            (registry::Error::NoCredential(credential(Consequence::HostFails)).into(), false),
            (registry::Error::NeedsLogin { repository: repository(), trouble: None }.into(), false),
            (registry::Error::NotFound { repository: repository(), object: String::new() }.into(), false),
            (aws::error::Error::Expired.into(), true),
            (throttled.into(), false),
        ];
        for (error, expected) in cases {
            assert_eq!(error.stops_everything(), expected, "{error:?}");
        }
    }
}
