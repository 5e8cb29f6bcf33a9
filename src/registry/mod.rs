//! A client of the OCI distribution API: manifests as raw bytes, blobs as streams, with tokens, retries and counts.

mod auth;
mod authorize;
mod blob;
mod blob_reader;
mod cause;
mod client;
mod error;
mod exchange;
mod manifest;
mod request;
mod retry;
mod tags;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod traffic;

use std::fmt;

pub use blob::{Finished, Mount, Started, UploadBody, UploadSession};
pub use blob_reader::BlobReader;
pub use cause::Cause;
pub use client::{Client, CredentialLookup, OperationRetries};
pub use error::Error;
pub use manifest::{Described, Fetched};

use crate::model::image::{Digest, Image, Version};

/// Maximum length of a server's text in a message, in characters.
const MAX_TEXT_LENGTH: usize = 300;

/// A repository of a registry, for requests and for messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// Host, with its port if it has one.
    pub host: String,
    pub path: String,
}

impl Repository {
    /// The repository that `image` is pulled from.
    pub fn from_image(image: &Image) -> Self {
        Self { host: image.host().to_owned(), path: image.path().to_owned() }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.path)
    }
}

/// Selects a manifest of a repository.
#[derive(Clone, Copy, Debug)]
pub enum Reference<'r> {
    Tag(&'r str),
    Digest(&'r Digest),
}

impl<'r> Reference<'r> {
    /// The reference that gets `version`: its digest if it has one, because tags move.
    pub fn from_version(version: &'r Version) -> Self {
        match version {
            Version::Tag(tag) => Self::Tag(tag),
            Version::Digest(digest) | Version::TagAndDigest(_, digest) => Self::Digest(digest),
        }
    }
}

impl fmt::Display for Reference<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => formatter.write_str(tag),
            Self::Digest(digest) => digest.fmt(formatter),
        }
    }
}
